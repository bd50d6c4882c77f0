import { Observable } from 'rxjs';
import type { ResponseCodec } from '../codec/rpc.js';
import { readStreamMessage } from './answers.js';
import { JsonStream } from './json/jsonStream.js';
import { errorInResponse } from './json/response.js';
import { EtcdError, type ErrorDetails } from '../errors/index.js';
import type { StreamPart } from './http/transport.js';

/** How a streaming answer is read. */
interface Reading<A> {
  readonly codec: ResponseCodec<A>;
  /** Of one message. */
  readonly maxBytes: number;
  readonly where: ErrorDetails;
}

/** The messages of a streaming answer, decoded as they come. */
export function messagesOf<A>(parts: Observable<StreamPart>, { codec, maxBytes, where }: Reading<A>): Observable<A> {
  return new Observable((subscriber) => {
    const json = new JsonStream(maxBytes, where);
    const guarded = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        subscriber.error(error);
      }
    };
    let empty = true;
    const emit = (messages: readonly unknown[]): void => {
      for (const message of messages) {
        // Whoever took what he wanted need not pay for the rest of the chunk.
        if (subscriber.closed) return;
        subscriber.next(readStreamMessage(codec, message, where));
        empty = false;
      }
    };
    return parts.subscribe({
      next: (part) =>
        guarded(() => {
          if (part.type === 'refused') throw errorInResponse(part.response, where);
          emit(json.push(part.bytes));
        }),
      error: (error: unknown) => subscriber.error(error),
      complete: () =>
        guarded(() => {
          emit(json.end());
          if (empty) throw new EtcdError('ConnectionLost', 'the stream ended without an answer', where);
          subscriber.complete();
        }),
    });
  });
}
