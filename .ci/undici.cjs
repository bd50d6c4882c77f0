/**
 * Loads undici for the CommonJS copy of the package, which gets this file beside its chunks. undici's index loads five
 * times as many files as an etcd client uses. They would take most of the time and memory of a first call. The files
 * below are not public entry points of undici. They are loaded only from the minor release that this copy was built and
 * tested with, and only if they have the expected exports. Any other undici is loaded by its index.
 */
const TESTED = '%TESTED%';

function parts() {
  try {
    if (!require('undici/package.json').version.startsWith(`${TESTED}.`)) return undefined;
    const loaded = {
      Client: require('undici/lib/dispatcher/client.js'),
      Pool: require('undici/lib/dispatcher/pool.js'),
      buildConnector: require('undici/lib/core/connect.js'),
      errors: require('undici/lib/core/errors.js'),
    };
    const { Client, Pool, buildConnector, errors } = loaded;
    const whole = [Client, Pool, buildConnector, errors.ConnectTimeoutError].every((part) => typeof part === 'function');
    return whole ? loaded : undefined;
  } catch {
    return undefined;
  }
}

module.exports = parts() ?? require('undici');
