import { describe, expect, test } from '@jest/globals';
import { take } from 'rxjs';
import { toBase64 } from '../../../../src/model/bytes.js';
import { cancel, create, setUp, target, told } from '../../../support/fakes/fakeWatchServer.js';
import { observable, rejected, watching } from '../support.js';

describe('creates', () => {
  test('are sent at once, and each answer belongs to the first that waits', () => {
    const { watch, sent, created, changed, expected } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    expect(sent()).toEqual([create('a'), create('b')]);
    created(0);
    const c = watch('c');
    expect(sent()).toEqual([create('c')]);
    created(1);
    created(2);
    changed(1, 'b', 5);
    expect([a, b, c].map(told)).toEqual([['created'], ['created', 'b@5'], ['created']]);
    // Each is waited for from when it is the next to be answered.
    expect(expected).toEqual([true, true, true, false]);
  });

  test('ask for a number of their own where the server takes that', () => {
    const { watch, sent } = setUp({ takesIds: true });
    watch('a');
    watch('b');
    expect(sent()).toMatchObject([{ create_request: { watch_id: '1' } }, { create_request: { watch_id: '2' } }]);
  });

  test('take the number that the server gives, whatever it is', () => {
    const { watch, created, changed } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    created(7);
    created(3);
    changed(3, 'b', 5);
    changed(7, 'a', 6);
    expect([a, b].map(told)).toEqual([
      ['created', 'a@6'],
      ['created', 'b@5'],
    ]);
  });

  test('ask for fragments where that is wanted, and only then', () => {
    const { watch, sent } = setUp();
    watch('a', 1, true);
    watch('b');
    expect(sent()).toEqual([{ create_request: { ...create('a').create_request, fragment: true } }, create('b')]);
  });

  test.each([
    { fragments: true, asked: false, maySplit: true },
    { fragments: true, asked: true, maySplit: false },
    { fragments: false, asked: false, maySplit: false },
  ])('may have what is too long in fragments ($fragments) unless they were asked for ($asked)', ({ fragments, asked, maySplit }) => {
    const { stream, watch } = setUp({ fragments });
    watch('a', 1, asked);
    expect(stream.maySplit).toBe(maySplit);
  });

  test('say what is wanted and no more, fields left out that an old server does not know', () => {
    const { stream, sent } = setUp({ fragments: false });
    const filter = { prevKv: true, noPut: true, noDelete: true, progressNotify: true };
    watching(observable(stream.watch({ key: 'a', rangeEnd: 'b', filter }, 12, true)));
    expect(sent()).toEqual([
      {
        create_request: {
          key: toBase64('a'),
          range_end: toBase64('b'),
          start_revision: '12',
          filters: ['NOPUT', 'NODELETE'],
          prev_kv: true,
          progress_notify: true,
        },
      },
    ]);
  });

  test.each([-1, 0, 17])('that fail end the first that waits, be the number %d, and no other', (id) => {
    const { watch, sent, say, created, changed } = setUp();
    const first = watch('before');
    created(0);
    const [denied, permitted] = [watch('a'), watch('b')];
    sent();
    say(id, { created: true, canceled: true, cancel_reason: 'rpc error: code = PermissionDenied desc = etcdserver: permission denied' });
    expect(denied.errors).toMatchObject([{ reason: 'PermissionDenied', rpc: 'Watch.Watch', endpoint: 'http://a:1' }]);
    created(1);
    changed(1, 'b', 5);
    changed(0, 'before', 5);
    expect([first, permitted].map(told)).toEqual([
      ['created', 'before@5'],
      ['created', 'b@5'],
    ]);
  });

  test('that are answered with a number in use are a fault of the server, and end no watch', () => {
    const { watch, sent, created, changed } = setUp();
    const a = watch('a');
    created(4);
    sent();
    // One that nobody asked for.
    expect(rejected(() => created(4))).toMatchObject({ reason: 'MalformedResponse', message: expect.stringContaining('number 4') });
    const b = watch('b');
    expect(rejected(() => created(4))).toMatchObject({ reason: 'MalformedResponse' });
    b.leave();
    expect(rejected(() => created(4))).toMatchObject({ reason: 'MalformedResponse' });
    changed(4, 'a', 5);
    expect([told(a), told(b)]).toEqual([['created', 'a@5'], []]);
    expect(sent()).toEqual([create('b')]);
  });

  test('that fail without a reason, as 3.3 refuses them, are denied', () => {
    const { watch, say } = setUp();
    const denied = watch('a');
    say(-1, { created: true, canceled: true });
    expect(denied.errors).toMatchObject([{ reason: 'PermissionDenied' }]);
  });

  test.each([
    'etcdserver: invalid auth token',
    'rpc error: code = InvalidArgument desc = etcdserver: user name is empty',
    'etcdserver: revision of auth store is old',
  ])('that are refused for the token (%s) end the whole stream: it was shown when that was made', (cancel_reason) => {
    const { watch, say } = setUp();
    const one = watch('a');
    expect(rejected(() => say(-1, { created: true, canceled: true, cancel_reason }))).toMatchObject({ name: 'EtcdError' });
    // The stream's end tells it, and it will be made again on the next one.
    expect(one.errors).toEqual([]);
  });
});

describe('one that is unsubscribed', () => {
  test('while its create is under way is cancelled by its number when that is known, and the answer is not another’s', () => {
    const { watch, sent, created } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    a.leave();
    expect(sent()).toEqual([create('a'), create('b')]);
    created(4);
    expect(sent()).toEqual([cancel(4)]);
    created(5);
    expect([a, b].map(told)).toEqual([[], ['created']]);
  });

  test('while its create is under way, and refused, needs no cancel', () => {
    const { watch, sent, say } = setUp();
    const [a] = [watch('a'), watch('b')];
    a.leave();
    say(-1, { created: true, canceled: true, cancel_reason: 'etcdserver: permission denied' });
    expect(sent()).toEqual([create('a'), create('b')]);
    expect(a.errors).toEqual([]);
  });

  test('when it was created is cancelled at once, and hears nothing more', () => {
    const { watch, sent, created, changed, stream } = setUp();
    const a = watch('a');
    created(0);
    expect(stream.watched).toBe(true);
    sent();
    a.leave();
    expect(sent()).toEqual([cancel(0)]);
    expect(stream.watched).toBe(false);
    changed(0, 'a', 5);
    expect(told(a)).toEqual(['created']);
  });

  test('by the very report that it was created is cancelled, too', () => {
    const { stream, sent, created, watch } = setUp();
    const once = watching(observable(stream.watch(target('a'), 1)).pipe(take(1)));
    watch('b');
    created(0);
    expect(once.completed).toBe(true);
    expect(sent()).toEqual([create('a'), create('b'), cancel(0)]);
    expect(stream.watched).toBe(false);
  });

  test('after the server ended it is not cancelled again', () => {
    const { watch, sent, created, say } = setUp();
    const a = watch('a');
    created(0);
    sent();
    say(0, { canceled: true, compact_revision: '8' });
    expect(a.errors).toMatchObject([{ reason: 'Compacted', compactRevision: 8 }]);
    expect(sent()).toEqual([]);
  });
});

describe('what the server says', () => {
  test('to a number that nobody has is not heard', () => {
    const { watch, created, changed, say, sent } = setUp();
    const a = watch('a');
    created(0);
    sent();
    changed(5, 'x', 5);
    say(5, { canceled: true });
    expect(told(a)).toEqual(['created']);
    expect([a.errors, sent()]).toEqual([[], []]);
  });

  test('at the end of one watch ends that one alone', () => {
    const { watch, created, changed, say } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    created(0);
    created(1);
    say(0, { canceled: true });
    changed(1, 'b', 5);
    expect(a.errors).toMatchObject([{ reason: 'WatchCanceled' }]);
    expect(told(b)).toEqual(['created', 'b@5']);
  });

  test('of the progress of one watch is that one’s bookmark', () => {
    const { watch, created, say } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    created(0);
    created(1);
    say(1);
    expect([a, b].map(told)).toEqual([['created'], ['created', '≤9']]);
  });

  test('of the progress that was asked for is a bookmark for all that were created', () => {
    const { stream, watch, created, say, sent } = setUp();
    const [a, b, late] = [watch('a'), watch('b'), watch('c')];
    created(0);
    created(1);
    sent();
    stream.requestProgress();
    expect(sent()).toEqual([{ progress_request: {} }]);
    say(-1);
    expect([a, b, late].map(told)).toEqual([['created', '≤9'], ['created', '≤9'], []]);
  });

  test('is asked for by a create that is refused while a watch starts at a revision to come, as progress is not answered then', () => {
    const { stream, receive, watch, created, changed, say, sent, expected } = setUp({ takesIds: true });
    const [a, b] = [watch('a', 10), watch('b')];
    created(1);
    created(2);
    sent();
    expected.splice(0);
    stream.ask();
    expect(sent()).toEqual([{ create_request: { key: toBase64('\0'), watch_id: '1' } }]);
    const c = watch('c');
    say(-1, { created: true, canceled: true, cancel_reason: 'etcdserver: watch ID already exists' });
    expect(expected).toEqual([true]);
    created(3);
    expect([a, b, c].map(told)).toEqual([['created'], ['created'], ['created']]);
    expect([a, b, c].map(({ errors }) => errors)).toEqual([[], [], []]);
    changed(1, 'a', 10);
    receive({ result: { header: { revision: '10' }, watch_id: '2' } });
    sent();
    stream.ask();
    expect(sent()).toEqual([{ progress_request: {} }]);
  });

  test('of the progress that was asked for is no bookmark where it may overtake events', () => {
    const { watch, created, say } = setUp({ orderedProgress: false });
    const a = watch('a');
    created(0);
    say(-1);
    expect(told(a)).toEqual(['created']);
  });

  test('in parts is passed on with the word that more follow', () => {
    const { watch, created, say } = setUp();
    const a = watch('a');
    created(0);
    say(0, { fragment: true, events: [{ kv: { key: toBase64('a'), mod_revision: '5' } }] });
    say(0, { events: [{ kv: { key: toBase64('b'), mod_revision: '5' } }] });
    expect(a.values.slice(1)).toMatchObject([{ fragment: true }, { fragment: false }]);
  });

  test.each([
    ['an error of the stream', { error: { grpc_code: 14, http_code: 503, message: 'etcdserver: server stopped' } }, 'Stopped'],
    ['what is not etcd’s', { result: { watch_id: 'x' } }, 'MalformedResponse'],
    ['nothing of it', null, 'MalformedResponse'],
  ])('that is %s ends the stream', (_, message, reason) => {
    const { receive, watch } = setUp();
    watch('a');
    expect(rejected(() => receive(message))).toMatchObject({ reason });
  });
});
