import { HeaderOnly } from '../../codec/common.js';
import { LockRequest, LockResponse, UnlockRequest } from '../../codec/concurrency.js';
import type { Core } from './core.js';
import { type Endpoint, streaming, unary } from './endpoint.js';
import { bytesOf, keyOf, keySpan } from './keys.js';
import { enter, leave, placeIn, whenFirst } from './queue.js';
import { Refusal } from './refusal.js';
import { checkKey } from './requestChecks.js';

/** Makes the RPCs for locks. */
export function lockService(core: Core): Readonly<Record<string, Endpoint>> {
  const { mvcc, writer, space, traits } = core;
  return {
    '/lock/lock': streaming(LockRequest, LockResponse, ({ header, access }, { next, error, complete }) => {
      let giveUp: (() => void) | undefined;
      return {
        receive: ({ name, lease }) => {
          access().known();
          const place = placeIn(core, name, lease);
          access().write(keySpan(place.key));
          access().read(place.prefix);
          const revision = enter(core, place, '');
          giveUp = () => leave(core, place);
          const stop = whenFirst(core, place.prefix, revision, () => {
            giveUp = undefined;
            if (traits.locksNeedTheirKey && mvcc.get(place.key) === undefined)
              return error(new Refusal('mutex: session is expired', 'Unknown'));
            next({ header: header(), key: bytesOf(place.key) });
            complete();
          });
          giveUp &&= () => {
            stop();
            leave(core, place);
          };
        },
        close: () => giveUp?.(),
      };
    }),

    '/lock/unlock': unary(UnlockRequest, HeaderOnly, ({ key }, { header, access }) => {
      checkKey(key);
      const span = keySpan(keyOf(key));
      access().write(span);
      space.checkCorrupt();
      mvcc.transaction(() => writer.delete(span));
      return { header: header() };
    }),
  };
}
