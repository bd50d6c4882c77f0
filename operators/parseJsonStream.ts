import { concat, concatMap, defer, map, of, type OperatorFunction } from 'rxjs';
import { isBytesLike, toBytes, type BytesLike } from '../src/model/bytes.js';
import { JsonStream } from '../src/model/jsonStream.js';
import { checkOptions, invalidArgument, type OptionKinds, WHOLE } from '../src/model/validate.js';

/** The limit on the memory of `parseJsonStream`. */
export interface ParseJsonStreamOptions {
  /** The longest object in bytes; a longer one errors with `ResponseTooLarge`. 128 MiB by default. */
  readonly maxBytes?: number;
}

const OPTIONS: OptionKinds<ParseJsonStreamOptions> = { maxBytes: WHOLE };
const DEFAULT_MAX_BYTES = 128 * 2 ** 20;

/**
 * Splits a stream of bytes or text into the JSON objects in it, regardless of where the chunks are cut. The objects may
 * be separated by newlines, other white space or nothing, as in etcd 3.2. Each is emitted as soon as it is complete.
 *
 * ```text
 * source:  --{"a":--1}{"b"--:2}--|
 *          parseJsonStream()
 * result:  ---------a------b-----|
 * ```
 *
 * Input that is not a sequence of JSON objects errors with `MalformedResponse`, whose `bytes` are the unreadable part.
 * A source that completes within an object causes the same error.
 *
 * ## Example
 *
 * ```ts
 * const chunks = of('{"result":{"created":tr', 'ue}}{"result":{}}');
 * chunks.pipe(parseJsonStream()).subscribe((message) => console.log(message));
 *
 * // Logs:
 * // { result: { created: true } }
 * // { result: {} }
 * ```
 *
 * @throws EtcdError `InvalidArgument` for an invalid option
 * @return A function that returns an Observable of the objects.
 */
export function parseJsonStream(options: ParseJsonStreamOptions = {}): OperatorFunction<BytesLike, unknown> {
  const { maxBytes = DEFAULT_MAX_BYTES } = checkOptions('parseJsonStream', options, OPTIONS);
  return (source) =>
    defer(() => {
      const json = new JsonStream(maxBytes, {}, 'maxBytes');
      const bytesOf = splitTextReader();
      const rest = defer(() => of(json.end()));
      return concat(source.pipe(map((chunk) => json.push(bytesOf(chunk)))), rest).pipe(concatMap((objects) => objects));
    });
}

/**
 * Returns a function that converts chunks to bytes. If text is cut within a character, the first half is kept for the
 * next chunk.
 */
function splitTextReader(): (chunk: BytesLike) => Uint8Array {
  let half = '';
  return (chunk) => {
    if (typeof chunk !== 'string') {
      if (!isBytesLike(chunk)) throw invalidArgument('chunk of parseJsonStream', 'a string or a Uint8Array', chunk);
      return chunk;
    }
    const text = half + chunk;
    half = /[\ud800-\udbff]$/.exec(text)?.[0] ?? '';
    return toBytes(text.slice(0, text.length - half.length));
  };
}
