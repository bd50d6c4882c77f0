import { Observable } from 'rxjs';
import { isRecord } from '../../codec/message.js';
import { EtcdError } from '../../errors/index.js';
import { JsonStream } from '../../model/jsonStream.js';
import type { StreamPart } from '../http/transport.js';
import { parseStreamMessage, type Reading, revisionOf } from './jsonWire.js';
import { errorInResponse, refusePage } from './responseError.js';

/** Decodes the messages of a streamed response as they arrive. */
export function messagesOf<A>(parts: Observable<StreamPart>, { codec, raw, maxBytes, where, onRevision }: Reading<A>): Observable<A> {
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
    let begun = false;
    const emit = (messages: readonly unknown[]): void => {
      for (const message of messages) {
        // After the subscriber has unsubscribed, the rest of the chunk need not be decoded.
        if (subscriber.closed) return;
        if (isRecord(message)) onRevision?.(revisionOf(message['result']));
        subscriber.next(parseStreamMessage(codec, message, where, raw));
        empty = false;
      }
    };
    return parts.subscribe({
      next: (part) =>
        guarded(() => {
          if (part.type === 'refused') throw errorInResponse(part.response, where);
          if (!begun) refusePage(part.bytes, where);
          begun = true;
          emit(json.push(part.bytes));
        }),
      error: (error: unknown) => subscriber.error(error),
      complete: () =>
        guarded(() => {
          emit(json.end());
          if (empty) throw new EtcdError('ConnectionLost', 'the stream ended without a response', where);
          subscriber.complete();
        }),
    });
  });
}
