// The wrapper for SignalR against a connection that plays SignalR's rules; tests/clients has it with the real one.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { lossless } from '../../../client/module/signalr.js';

/** Plays SignalR's connection: its rules of when what may be called, and none of its network. */
class FakeConnection {
  state = 'Disconnected';
  started = [];
  failures = 0;
  #handlers = {};
  #reconnecting = [];
  #url;

  constructor(url) {
    this.#url = new URL(url, 'https://page.example/').href;
  }

  get baseUrl() {
    return this.#url;
  }

  set baseUrl(url) {
    if (!['Disconnected', 'Reconnecting'].includes(this.state)) throw new Error(`no new URL while ${this.state}`);
    this.#url = url;
  }

  async start() {
    if (this.state !== 'Disconnected') throw new Error(`no start while ${this.state}`);
    this.started.push(this.#url);
    if (this.failures-- > 0) throw new Error('nobody is there');
    this.state = 'Connected';
  }

  async stop() {
    this.state = 'Disconnected';
  }

  on(name, handler) {
    const handlers = (this.#handlers[name.toLowerCase()] ??= []);
    if (handler && !handlers.includes(handler)) handlers.push(handler);
  }

  off(name, handler) {
    const all = this.#handlers[name.toLowerCase()] ?? [];
    this.#handlers[name.toLowerCase()] = handler ? all.filter((each) => each !== handler) : [];
  }

  onreconnecting(callback) {
    this.#reconnecting.push(callback);
  }

  /** The server calls. */
  hear(name, ...words) {
    const handlers = this.#handlers[name];
    assert.ok(handlers?.length > 0, `SignalR would warn: no client method with the name ${name}`);
    for (const handler of [...handlers]) handler(...words);
  }

  /** The line is cut and SignalR comes back by itself; answers where. */
  cut() {
    this.state = 'Reconnecting';
    for (const callback of this.#reconnecting) callback();
    this.state = 'Connected';
    return this.#url;
  }
}

const builder = () => ({
  withUrl(url, options) {
    return Object.assign(this, { url, options });
  },
  withAutomaticReconnect(policy) {
    return Object.assign(this, { policy });
  },
  build() {
    return new FakeConnection(this.url);
  },
});
const HUB = 'https://bellwire.example/hub';
const event = (id, more) => ({ id, source: '/tests', type: 'bellwire.message', cursor: `after-${id}`, ...more });

/** Lets all go on that waits for nothing but its turn. */
const turns = () => new Promise((resolve) => setImmediate(resolve));

test('it asks for cursors, and comes back after the last that it was told', async () => {
  const connection = lossless(builder(), HUB);
  await connection.start();
  assert.deepEqual(connection.started, [`${HUB}?after=now`]);
  connection.hear('cursor', 'c0');
  assert.equal(connection.cut(), `${HUB}?after=c0`);
  connection.hear('event', event('1'));
  connection.hear('event', event('2'));
  assert.equal(connection.cut(), `${HUB}?after=after-2`);
  connection.hear('cursor', 'a cursor & more');
  assert.equal(new URL(connection.cut()).searchParams.get('after'), 'a cursor & more');
});

test('stopped and started again, it goes on after the last', async () => {
  const connection = lossless(builder(), HUB);
  await connection.start();
  connection.hear('event', event('1'));
  await connection.stop();
  await connection.start();
  assert.deepEqual(connection.started, [`${HUB}?after=now`, `${HUB}?after=after-1`]);
});

test('a URL of the page’s own origin, and what else it says, is kept', async () => {
  const connection = lossless(builder(), '/hub?tenant=a%20b');
  await connection.start();
  connection.hear('cursor', 'c1');
  assert.equal(connection.cut(), 'https://page.example/hub?tenant=a+b&after=c1');
});

test('what withUrl takes is passed on', () => {
  const given = builder();
  const options = { accessTokenFactory: () => 'a token', transport: 1 };
  lossless(given, HUB, options);
  assert.equal(given.options, options);
});

test('an event that comes twice is told once to each handler, and its place counts', () => {
  const connection = lossless(builder(), HUB);
  const heard = { first: [], second: [], third: [] };
  const first = ({ id }) => heard.first.push(id);
  connection.on('event', first);
  connection.on('Event', ({ id }) => heard.second.push(id));
  for (const id of ['1', '2', '1']) connection.hear('event', event(id));
  connection.hear('event', event('1', { source: '/another' }));
  connection.off('event', first);
  connection.on('event', ({ id }) => heard.third.push(id));
  for (const id of ['2', '3']) connection.hear('event', event(id));
  assert.deepEqual(heard, { first: ['1', '2', '1'], second: ['1', '2', '1', '3'], third: ['3'] });
  connection.hear('event', event('1', { cursor: 'sent again' }));
  assert.equal(connection.cut(), `${HUB}?after=sent+again`);
});

test('without any handler left it still keeps its place', () => {
  const connection = lossless(builder(), HUB);
  connection.on('event', () => assert.fail('it was taken off'));
  connection.off('event');
  connection.hear('event', event('1'));
  assert.equal(connection.cut(), `${HUB}?after=after-1`);
});

test('so many events as one could ever replay do not fill the memory, and a hole is told', () => {
  const connection = lossless(builder(), HUB);
  const heard = [];
  connection.hear('gap', 'lost'); // also without a handler
  connection.on('gap', (reason) => heard.push(reason));
  connection.on('event', ({ id }) => heard.push(id));
  connection.hear('gap', 'retention');
  for (let n = 0; n <= 1000; n++) connection.hear('event', event(`${n}`));
  connection.hear('event', event('1000')); // remembered
  connection.hear('event', event('0')); // the oldest was forgotten
  assert.deepEqual([heard.length, heard[0], heard.at(-2), heard.at(-1)], [1003, 'retention', '1000', '0']);
});

test('it never gives up, and waits a random while of at most 30 seconds', () => {
  const given = builder();
  lossless(given, HUB);
  const pause = (previousRetryCount) => given.policy.nextRetryDelayInMilliseconds({ previousRetryCount });
  const first = Array.from({ length: 50 }, () => pause(0));
  assert.ok(first.every((wait) => wait >= 0 && wait < 500) && new Set(first).size > 40, `${first}`);
  const later = Array.from({ length: 1000 }, (_, n) => pause(n + 1));
  assert.ok(later.every((wait) => wait >= 0 && wait <= 30_000) && Math.max(...later) > 20_000);
  assert.ok(pause(0) < 500, 'the next time it begins anew');
});

test('start tries until it is connected', async ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const connection = lossless(builder(), HUB);
  connection.failures = 3;
  const started = connection.start();
  for (let n = 1; n <= 4; n++) {
    await turns();
    assert.equal(connection.started.length, n);
    mock.timers.tick(30_000);
  }
  await started;
  assert.equal(connection.state, 'Connected');
  await assert.rejects(connection.start(), /no start while Connected/);
});

test('stop ends a start that is waiting for its next try', async ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const connection = lossless(builder(), HUB);
  connection.failures = 9;
  const started = assert.rejects(connection.start(), /nobody is there/);
  await turns();
  await connection.stop();
  await started;
  mock.timers.tick(60_000);
  await turns();
  assert.equal(connection.started.length, 1);
});
