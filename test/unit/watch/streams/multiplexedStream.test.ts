import { describe, expect, test } from '@jest/globals';
import { take } from 'rxjs';
import { toBase64 } from '../../../../src/model/bytes.js';
import { cancel, create, setUp, target, linesOf } from '../../../support/fakes/fakeWatchServer.js';
import { observable, rejected, watching } from '../support.js';

describe('creates', () => {
  test('are sent at once, and each response belongs to the first waiting watch', () => {
    const { watch, sent, created, changed, expected } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    expect(sent()).toEqual([create('a'), create('b')]);
    created(0);
    const c = watch('c');
    expect(sent()).toEqual([create('c')]);
    created(1);
    created(2);
    changed(1, 'b', 5);
    expect([a, b, c].map(linesOf)).toEqual([['created'], ['created', 'b@5'], ['created']]);
    // The timeout of each begins when it is the next one to get a response.
    expect(expected).toEqual([true, true, true, false]);
  });

  test('request a watch id of their own if the server supports it', () => {
    const { watch, sent } = setUp({ takesIds: true });
    watch('a');
    watch('b');
    expect(sent()).toMatchObject([{ create_request: { watch_id: '1' } }, { create_request: { watch_id: '2' } }]);
  });

  test('accept any watch id of the server', () => {
    const { watch, created, changed } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    created(7);
    created(3);
    changed(3, 'b', 5);
    changed(7, 'a', 6);
    expect([a, b].map(linesOf)).toEqual([
      ['created', 'a@6'],
      ['created', 'b@5'],
    ]);
  });

  test('request fragments only if the option is set', () => {
    const { watch, sent } = setUp();
    watch('a', 1, true);
    watch('b');
    expect(sent()).toEqual([{ create_request: { ...create('a').create_request, fragment: true } }, create('b')]);
  });

  test.each([
    { fragments: true, asked: false, maySplit: true },
    { fragments: true, asked: true, maySplit: false },
    { fragments: false, asked: false, maySplit: false },
  ])(
    'may retry a too long message with fragments ($fragments) unless they were requested before ($asked)',
    ({ fragments, asked, maySplit }) => {
      const { stream, watch } = setUp({ fragments });
      watch('a', 1, asked);
      expect(stream.maySplit).toBe(maySplit);
    },
  );

  test('contain only the requested fields, without those that an old server does not know', () => {
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

  test.each([-1, 0, 17])('that fail with the watch id %d end the first waiting watch, and no other', (id) => {
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
    expect([first, permitted].map(linesOf)).toEqual([
      ['created', 'before@5'],
      ['created', 'b@5'],
    ]);
  });

  test('with a watch id in use are an error of the server, and end no watch', () => {
    const { watch, sent, created, changed } = setUp();
    const a = watch('a');
    created(4);
    sent();
    // A response without a request.
    expect(rejected(() => created(4))).toMatchObject({ reason: 'MalformedResponse', message: expect.stringContaining('number 4') });
    const b = watch('b');
    expect(rejected(() => created(4))).toMatchObject({ reason: 'MalformedResponse' });
    b.leave();
    expect(rejected(() => created(4))).toMatchObject({ reason: 'MalformedResponse' });
    changed(4, 'a', 5);
    expect([linesOf(a), linesOf(b)]).toEqual([['created', 'a@5'], []]);
    expect(sent()).toEqual([create('b')]);
  });

  test('that fail without a reason, as on 3.3, count as denied', () => {
    const { watch, say } = setUp();
    const denied = watch('a');
    say(-1, { created: true, canceled: true });
    expect(denied.errors).toMatchObject([{ reason: 'PermissionDenied' }]);
  });

  test.each([
    'etcdserver: invalid auth token',
    'rpc error: code = InvalidArgument desc = etcdserver: user name is empty',
    'etcdserver: revision of auth store is old',
  ])('that are rejected for the token (%s) end the stream, which was opened with that token', (cancel_reason) => {
    const { watch, say } = setUp();
    const one = watch('a');
    expect(rejected(() => say(-1, { created: true, canceled: true, cancel_reason }))).toMatchObject({ name: 'EtcdError' });
    // The end of the stream notifies the watch, which is created again on the next stream.
    expect(one.errors).toEqual([]);
  });
});

describe('a watch that is unsubscribed', () => {
  test('while its create is pending is cancelled once its id is known, and takes no response of another', () => {
    const { watch, sent, created } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    a.leave();
    expect(sent()).toEqual([create('a'), create('b')]);
    created(4);
    expect(sent()).toEqual([cancel(4)]);
    created(5);
    expect([a, b].map(linesOf)).toEqual([[], ['created']]);
  });

  test('while its create is pending, and then rejected, needs no cancel', () => {
    const { watch, sent, say } = setUp();
    const [a] = [watch('a'), watch('b')];
    a.leave();
    say(-1, { created: true, canceled: true, cancel_reason: 'etcdserver: permission denied' });
    expect(sent()).toEqual([create('a'), create('b')]);
    expect(a.errors).toEqual([]);
  });

  test('after it was created is cancelled at once, and receives nothing more', () => {
    const { watch, sent, created, changed, stream } = setUp();
    const a = watch('a');
    created(0);
    expect(stream.watched).toBe(true);
    sent();
    a.leave();
    expect(sent()).toEqual([cancel(0)]);
    expect(stream.watched).toBe(false);
    changed(0, 'a', 5);
    expect(linesOf(a)).toEqual(['created']);
  });

  test('during the notification of its creation is cancelled as well', () => {
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

describe('a response of the server', () => {
  test('to an unknown watch id is ignored', () => {
    const { watch, created, changed, say, sent } = setUp();
    const a = watch('a');
    created(0);
    sent();
    changed(5, 'x', 5);
    say(5, { canceled: true });
    expect(linesOf(a)).toEqual(['created']);
    expect([a.errors, sent()]).toEqual([[], []]);
  });

  test('that cancels one watch ends only that watch', () => {
    const { watch, created, changed, say } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    created(0);
    created(1);
    say(0, { canceled: true });
    changed(1, 'b', 5);
    expect(a.errors).toMatchObject([{ reason: 'WatchCanceled' }]);
    expect(linesOf(b)).toEqual(['created', 'b@5']);
  });

  test('with the progress of one watch is a bookmark of that watch', () => {
    const { watch, created, say } = setUp();
    const [a, b] = [watch('a'), watch('b')];
    created(0);
    created(1);
    say(1);
    expect([a, b].map(linesOf)).toEqual([['created'], ['created', '≤9']]);
  });

  test('to a progress request is a bookmark of all created watches', () => {
    const { stream, watch, created, say, sent } = setUp();
    const [a, b, late] = [watch('a'), watch('b'), watch('c')];
    created(0);
    created(1);
    sent();
    stream.sendProgressRequest();
    expect(sent()).toEqual([{ progress_request: {} }]);
    say(-1);
    expect([a, b, late].map(linesOf)).toEqual([['created', '≤9'], ['created', '≤9'], []]);
  });

  test('is requested by a rejected create while a watch starts at a future revision, as progress requests get none then', () => {
    const { stream, receive, watch, created, changed, say, sent, expected } = setUp({ takesIds: true });
    const [a, b] = [watch('a', 10), watch('b')];
    created(1);
    created(2);
    sent();
    expected.splice(0);
    stream.requestMessage();
    expect(sent()).toEqual([{ create_request: { key: toBase64('\0'), watch_id: '1' } }]);
    const c = watch('c');
    say(-1, { created: true, canceled: true, cancel_reason: 'etcdserver: watch ID already exists' });
    expect(expected).toEqual([true]);
    created(3);
    expect([a, b, c].map(linesOf)).toEqual([['created'], ['created'], ['created']]);
    expect([a, b, c].map(({ errors }) => errors)).toEqual([[], [], []]);
    changed(1, 'a', 10);
    receive({ result: { header: { revision: '10' }, watch_id: '2' } });
    sent();
    stream.requestMessage();
    expect(sent()).toEqual([{ progress_request: {} }]);
  });

  test('to a progress request is no bookmark if it may arrive before events', () => {
    const { watch, created, say } = setUp({ orderedProgress: false });
    const a = watch('a');
    created(0);
    say(-1);
    expect(linesOf(a)).toEqual(['created']);
  });

  test('in fragments is passed on with a mark that more follow', () => {
    const { watch, created, say } = setUp();
    const a = watch('a');
    created(0);
    say(0, { fragment: true, events: [{ kv: { key: toBase64('a'), mod_revision: '5' } }] });
    say(0, { events: [{ kv: { key: toBase64('b'), mod_revision: '5' } }] });
    expect(a.values.slice(1)).toMatchObject([{ fragment: true }, { fragment: false }]);
  });

  test.each([
    ['an error of the stream', { error: { grpc_code: 14, http_code: 503, message: 'etcdserver: server stopped' } }, 'Stopped'],
    ['not a response of etcd', { result: { watch_id: 'x' } }, 'MalformedResponse'],
    ['null', null, 'MalformedResponse'],
  ])('that is %s ends the stream', (_, message, reason) => {
    const { receive, watch } = setUp();
    watch('a');
    expect(rejected(() => receive(message))).toMatchObject({ reason });
  });
});
