import { expect } from '@jest/globals';
import { InvalidOptionError } from '../../src/errors/index.js';
import { settingsOf, type ClientOptions } from '../../src/options/clientOptions.js';
import { nodeOptions } from '../../src/options/nodeOptions.js';
import { failure } from './transport/support.js';

/** Returns the settings for options that a program in JavaScript may pass. */
export const settings = (options: unknown) => settingsOf(options as ClientOptions, nodeOptions);

/** Returns the error that names the rejected option. */
export const refused = (options: unknown): InvalidOptionError => {
  const error = failure(() => settings(options));
  if (!(error instanceof InvalidOptionError)) throw error;
  expect(error.message).toContain(`option ${error.option}: `);
  return error;
};
