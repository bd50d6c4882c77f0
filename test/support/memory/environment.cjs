const { relative } = require('node:path');
const { TestEnvironment } = require('jest-environment-node');
const { NOT_IN_MEMORY } = require('./notInMemory.cjs');

/** Runs tests on the etcd in memory, and skips those that cannot run on it. */
module.exports = class MemoryEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    const file = relative(config.projectConfig.rootDir, context.testPath).replaceAll('\\', '/');
    this.excluded = NOT_IN_MEMORY.filter((entry) => `test/${entry.file}.test.ts` === file);
  }

  handleTestEvent(event, state) {
    if (event.name !== 'run_start') return;
    const met = new Set();
    this.skip(state.rootDescribeBlock, '', met);
    const stale = this.excluded.filter((entry) => !met.has(entry));
    if (stale.length > 0)
      throw new Error(`test/support/memory/notInMemory.cjs: no test is called ${stale.map(({ title }) => title).join(', ')}`);
  }

  skip(block, path, met) {
    for (const child of block.children) {
      const name = `${path}${child.name}`;
      for (const entry of this.excluded) {
        if (entry.title !== undefined && !name.startsWith(entry.title)) continue;
        met.add(entry);
        if (child.type === 'test') child.mode = 'skip';
      }
      if (child.type === 'describeBlock') this.skip(child, `${name} › `, met);
    }
  }
};
