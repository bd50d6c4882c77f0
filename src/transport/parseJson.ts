import { EtcdError, type ErrorDetails } from '../errors/index.js';

/** JSON, or `MalformedResponse` without the engine's message, which quotes the text: it may hold what is nobody's business. */
export function parseJson(text: string, where: ErrorDetails): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new EtcdError('MalformedResponse', 'the answer is not JSON', where);
  }
}
