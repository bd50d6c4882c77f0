/**
 * `node .ci/api.mjs`: compares the public API, as the built types declare it, with the reports in `test/package/api/`.
 * Fails with the difference. `--accept` writes the reports instead. So a review sees each change of the public API.
 */
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const REPORTS = join(root, 'test/package/api');
const TEMP = join(root, '.cache/api');
const accept = process.argv.includes('--accept');
const ENTRIES = {
  rxetcd: 'src',
  'rxetcd-operators': 'operators',
  'rxetcd-testing': 'src/testing',
  'rxetcd-testing-server': 'src/testing/server',
  'rxetcd-angular': 'src/angular',
  'rxetcd-swagger': 'src/swagger',
};

const silent = { default: { logLevel: ExtractorLogLevel.None } };

/** Reads the types of an entry point. The report includes types that are used and not exported: users see them. */
const configOf = (name, folder) =>
  ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(root, 'dist/esm', folder, 'index.d.ts'),
      compiler: { tsconfigFilePath: join(TEMP, 'tsconfig.json'), skipLibCheck: true },
      newlineKind: 'lf',
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: REPORTS,
        reportTempFolder: TEMP,
        includeForgottenExports: true,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      // TypeDoc reports what is wrong in comments; here only the signatures count.
      messages: { compilerMessageReporting: silent, extractorMessageReporting: silent, tsdocMessageReporting: silent },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
  });

mkdirSync(REPORTS, { recursive: true });
// An entry point that imports `rxetcd` by its name is reported with that import, as it would be with any package.
const ours = join(TEMP, 'node_modules/rxetcd/index.d.ts');
mkdirSync(dirname(ours), { recursive: true });
writeFileSync(ours, "export * from '../../../../dist/esm/src/index.js';\n");
const compilerOptions = { rootDir: root, paths: { rxetcd: [ours] } };
writeFileSync(
  join(TEMP, 'tsconfig.json'),
  JSON.stringify({ extends: '../../tsconfig.esm.json', compilerOptions, files: [ours], include: [] }),
);
const changed = Object.entries(ENTRIES).filter(([name, folder]) => {
  const { apiReportChanged } = Extractor.invoke(configOf(name, folder), {
    localBuild: accept,
    printApiReportDiff: !accept,
    messageCallback: (message) => {
      if (message.messageId !== 'console-api-report-diff') message.logLevel = ExtractorLogLevel.None;
    },
  });
  return apiReportChanged;
});

for (const [name] of changed) console.log(`test/package/api/${name}.api.md ${accept ? 'written' : 'differs from the public API'}`);
if (changed.length > 0 && !accept) {
  console.error('The public API changed. If that is intended, run `npm run api` and commit the reports.');
  process.exit(1);
}
