import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { heard, inState, launch, listen, pageErrors, setHidden, until } from '../browser.js';
import { event, FakeGateway, frame, problem, toast, token } from '../fake-gateway.js';

let browser, context, page, gateway, errors;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  gateway = await FakeGateway.start();
  context = await browser.newContext();
  page = await context.newPage();
  errors = pageErrors(page);
  await page.goto(`${gateway.url}/blank`);
});
afterEach(async () => {
  await context.close();
  await gateway.stop();
  assert.deepEqual(errors, []);
});

const events = (count) => until(async () => (await heard(page)).event.map(({ id }) => id), (ids) => ids.length >= count);
const streamsRequested = (count) => until(() => gateway.streamRequests.length, (now) => now >= count);

test('one that has received nothing yet comes back from the cursor of the heartbeat', async () => {
  await listen(page, { token: token() });
  await inState(page, 'live');
  gateway.endStreams();
  gateway.send(toast('said while it was away'));
  assert.deepEqual(await events(1), [JSON.parse(/^data: (.*)$/m.exec(gateway.log[0].text)[1]).id]);
  assert.equal(gateway.streamRequests[0]['last-event-id'], undefined);
  assert.equal(gateway.streamRequests[1]['last-event-id'], 'c0');
});

test('the token travels in the header and never in a URL', async () => {
  const urls = [];
  page.on('request', (request) => urls.push(request.url()));
  const secret = token({ sub: 'ada' });
  await listen(page, { token: secret });
  await inState(page, 'live');
  await page.evaluate(() => connection.api.listTasks());
  assert.equal(gateway.streamRequests[0].authorization, `Bearer ${secret}`);
  assert.ok(urls.length > 0 && urls.every((url) => !url.includes(secret)));
});

/** Listens with a token that ends in two seconds, and then with others that do not. */
async function listenForTwoSeconds(more = {}) {
  await page.evaluate(async ([first, more]) => {
    const { connect } = await import('/client/bellwire.js');
    const tokens = [first];
    window.connection = connect({ url: location.origin, token: () => tokens.shift() ?? more });
    window.states = [];
    connection.addEventListener('state', ({ detail }) => states.push(detail.state));
  }, [token({ exp: Math.floor(Date.now() / 1000) + 2 }), token(more)]);
  await inState(page, 'live');
}

test('an open stream is given a fresh token before its own ends, and goes on', async () => {
  await listenForTwoSeconds({ jti: 'later' });
  const [refresh] = await until(() => gateway.refreshes, (all) => all.length > 0);
  assert.deepEqual(refresh, { method: 'POST', id: 'stream 1', authorization: `Bearer ${token({ jti: 'later' })}` });
  assert.equal(gateway.streamRequests.length, 1);
  assert.deepEqual(await page.evaluate(() => states), ['connecting', 'live']);
});

test('a fresh token that the gateway does not take for a stream is used when the stream has ended', async () => {
  gateway.refuses = true;
  await listenForTwoSeconds({ jti: 'later' });
  await until(() => gateway.refreshes, (all) => all.length > 0);
  gateway.endStreams('retry: 1\n\n');
  await streamsRequested(2);
  assert.equal(gateway.streamRequests[1].authorization, `Bearer ${token({ jti: 'later' })}`);
  assert.equal(gateway.refreshes.length, 1);
});

test('an event that comes twice is told once', async () => {
  await listen(page, { token: token() });
  await inState(page, 'live');
  const twice = toast('once');
  gateway.send(twice);
  gateway.send(twice);
  gateway.send(event({ id: 'last' }));
  assert.deepEqual(await events(2), [twice.id, 'last']);
  assert.deepEqual((await heard(page)).dropped, [{ why: 'repeated' }]);
});

test('an event expires by the clock of the gateway, whatever that of the browser says', async () => {
  const hours = (count) => new Date(Date.now() + count * 3_600_000).toISOString();
  for (const [clock, good, expired] of [[-2, -1, -3], [2, 3, 1]]) {
    gateway.clock = clock * 3_600_000;
    await listen(page, { token: token() });
    await inState(page, 'live');
    gateway.send(toast('over', { event: { id: `over ${clock}`, expirytime: hours(expired) } }));
    gateway.send(toast('not over', { event: { id: `not over ${clock}`, expirytime: hours(good) } }));
    assert.deepEqual(await events(1), [`not over ${clock}`]);
    const seen = await heard(page);
    assert.deepEqual(seen.dropped, [{ why: 'expired' }]);
    await until(async () => (await heard(page)).toast.length, (count) => count === 1);
    await page.evaluate(() => connection.close());
    gateway.endStreams();
    await page.evaluate(() => sessionStorage.clear());
  }
});

test('an event of another environment is dropped and reported, whatever else it says', async () => {
  await listen(page, { token: token({ env: 'prod' }) });
  await inState(page, 'live');
  gateway.send(toast('from qa', { event: { environment: 'qa' } }));
  gateway.send(toast('from nowhere', { event: { environment: undefined } }));
  gateway.send(toast('ours', { event: { environment: 'prod', id: 'ours' } }));
  assert.deepEqual(await events(1), ['ours']);
  await until(async () => (await heard(page)).toast.map(({ toast }) => toast.title), (titles) => titles.includes('ours'));
  const { dropped, toast: shown } = await heard(page);
  assert.deepEqual(dropped, [{ why: 'environment' }, { why: 'environment' }]);
  assert.equal(shown.length, 1);
});

test('an event past its time, or one that is no event, is dropped', async () => {
  await listen(page, { token: token() });
  await inState(page, 'live');
  gateway.send(toast('old', { event: { expirytime: new Date(Date.now() - 1000).toISOString() } }));
  for (const stream of gateway.streams) stream.write('id: c2\nevent: x\ndata: {"half":\n\n');
  gateway.send(toast('in time', { event: { id: 'in time', expirytime: new Date(Date.now() + 60_000).toISOString() } }));
  assert.deepEqual(await events(1), ['in time']);
  assert.deepEqual((await heard(page)).dropped, [{ why: 'expired' }, { why: 'malformed' }]);
});

test('a refused token is replaced once at once, and asked for again only after a pause', async () => {
  const refuse = (_, response) => problem(response, 401, 'the token has expired');
  gateway.streamHandlers.push(refuse, refuse, refuse);
  await listen(page, { token: ['a', 'b', 'c', 'd'].map((jti) => token({ jti })) });
  const waiting = await until(async () => (await heard(page)).state.find(({ state }) => state === 'waiting'));
  assert.equal(waiting.reason, 'unauthorised');
  assert.equal(waiting.detail, 'the token has expired');
  assert.deepEqual(gateway.streamRequests.slice(0, 2).map((each) => each.authorization), ['a', 'b'].map((jti) => `Bearer ${token({ jti })}`));
  await inState(page, 'live');
  assert.equal((await heard(page)).tokens, 4);
});

test('a token that runs out in mid-life is replaced without a pause and nothing is missed', async () => {
  await listen(page, { token: [token({ jti: 'old' }), token({ jti: 'new' })] });
  await inState(page, 'live');
  gateway.streamHandlers.push((_, response) => problem(response, 401, 'the token has expired'));
  gateway.endStreams('retry: 0\n\n');
  gateway.send(event({ id: 'missed?' }));
  assert.deepEqual(await events(1), ['missed?']);
  assert.equal(gateway.streamRequests.at(-1).authorization, `Bearer ${token({ jti: 'new' })}`);
});

test('a token for another environment is not used', async () => {
  await listen(page, { token: token({ env: 'qa' }), environment: 'prod' });
  await inState(page, 'waiting');
  const [waiting] = (await heard(page)).state.filter(({ state }) => state === 'waiting');
  assert.match(waiting.detail, /for the environment qa, not prod/);
  assert.equal(gateway.streamRequests.length, 0);
});

test('told to come later, it comes later, and a returning network does not hurry it', async () => {
  gateway.streamHandlers.push((_, response) => problem(response, 503, 'stopping', { 'retry-after': '1' }));
  await listen(page, { token: token() });
  await inState(page, 'waiting');
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await inState(page, 'live');
  assert.ok(gateway.streamRequests[1].at - gateway.streamRequests[0].at >= 1000, `${gateway.streamRequests[1].at - gateway.streamRequests[0].at} ms`);
});

test('a page of a proxy in place of the stream is not taken for one', async () => {
  gateway.streamHandlers.push((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>\n\nlog in\n\n'));
  await listen(page, { token: token() });
  await inState(page, 'live');
  const states = (await heard(page)).state.map(({ state }) => state);
  assert.deepEqual(states, ['connecting', 'waiting', 'connecting', 'live']);
  assert.equal(gateway.streamRequests.length, 2);
});

test('a connection that is cut comes back by itself, also in the middle of a frame', async () => {
  await listen(page, { token: token() });
  await inState(page, 'live');
  gateway.send(event({ id: 'one' }));
  await events(1);
  for (const stream of gateway.streams) {
    stream.write('id: c2\nevent: bellwire.message\nda');
    stream.destroy();
  }
  gateway.send(event({ id: 'two' }));
  assert.deepEqual(await events(2), ['one', 'two']);
  assert.equal(gateway.streamRequests[1]['last-event-id'], 'c1');
});

test('bytes split anywhere, CRLF and a byte order mark change nothing', async () => {
  gateway.streamHandlers.push(async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    const text = `\uFEFFid: c1\n\n: hello\n\n${frame('c7', event({ id: 'ü🔔', data: { words: 'Grüße' } }))}`.replaceAll('\n', '\r\n');
    response.socket.setNoDelay(true);
    for (const byte of Buffer.from(text)) {
      response.write(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
  });
  await listen(page, { token: token() });
  assert.deepEqual(await events(1), ['ü🔔']);
  assert.equal(await page.evaluate(() => connection.cursor), 'c7');
});

test('a silent connection is given up after two and a half heartbeats', async () => {
  gateway.streamHandlers.push((_, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write('id: c9\n\n'));
  await listen(page, { token: token(), heartbeat: 200 });
  await streamsRequested(2);
  const waited = gateway.streamRequests[1].at - gateway.streamRequests[0].at;
  assert.ok(waited >= 500, `${waited} ms`);
  assert.equal(gateway.streamRequests[1]['last-event-id'], 'c9');
  assert.ok((await heard(page)).state.some(({ reason }) => reason === 'silent'));
});

test('a gateway that does not even answer is given up too', async () => {
  gateway.streamHandlers.push(() => {});
  await listen(page, { token: token(), heartbeat: 100 });
  await inState(page, 'live');
  assert.equal(gateway.streamRequests.length, 2);
});

test('a gateway with a slower heartbeat than expected is learned, not given up for ever', async () => {
  gateway.heartbeat = 600;
  await listen(page, { token: token(), heartbeat: 100 });
  const streams = () => gateway.streamRequests.length;
  await until(() => [...gateway.streams].some((stream) => performance.now() - (stream.since ??= performance.now()) > 2_500), Boolean, 20_000);
  assert.ok(streams() < 12, `${streams()} streams`);
});

test('a tab hidden for long closes its stream, and shown again gets what it missed, once', async () => {
  await listen(page, { token: token(), hiddenAfter: 300 });
  await inState(page, 'live');
  await setHidden(page, true);
  await inState(page, 'hidden');
  await until(() => gateway.streams.size, (open) => open === 0);
  gateway.send(toast('while hidden', { event: { id: 'missed' } }));
  await setHidden(page, false);
  assert.deepEqual(await events(1), ['missed']);
  gateway.send(event({ id: 'after' }));
  assert.deepEqual(await events(2), ['missed', 'after']);
  await until(async () => (await heard(page)).toast.length, (count) => count === 1);
});

test('a tab hidden for a moment keeps its stream', async () => {
  await listen(page, { token: token(), hiddenAfter: 400 });
  await inState(page, 'live');
  await setHidden(page, true);
  await setHidden(page, false);
  gateway.send(event({ id: 'heard' }));
  await events(1);
  await new Promise((resolve) => setTimeout(resolve, 600)); // the time that would have closed it
  assert.equal(gateway.streamRequests.length, 1);
});

test('what happens between two pages of a tab is not missed', async () => {
  await listen(page, { token: token() });
  await inState(page, 'live');
  await page.goto('about:blank');
  await until(() => gateway.streams.size, (open) => open === 0);
  gateway.send(event({ id: 'between' }));
  await page.goto(`${gateway.url}/blank`);
  await listen(page, { token: token() });
  assert.deepEqual(await events(1), ['between']);
});

test('another person in the same tab does not take over the cursor', async () => {
  await listen(page, { token: token({ sub: 'ada' }) });
  await inState(page, 'live');
  await page.evaluate(() => connection.close());
  await listen(page, { token: token({ sub: 'bob' }) });
  await inState(page, 'live');
  assert.equal(gateway.streamRequests.at(-1)['last-event-id'], undefined);
});

test('a gap is told, and the stream goes on', async () => {
  await listen(page, { token: token() });
  await inState(page, 'live');
  for (const stream of gateway.streams) stream.write('event: gap\ndata: {"reason":"retention"}\n\n');
  gateway.send(event({ id: 'next' }));
  await events(1);
  assert.deepEqual((await heard(page)).gap, [{ reason: 'retention' }]);
  assert.equal((await heard(page)).event.length, 1);
});

test('closed, it stays closed', async () => {
  await listen(page, { token: token() });
  await inState(page, 'live');
  await page.evaluate(() => connection.close());
  await until(() => gateway.streams.size, (open) => open === 0);
  await setHidden(page, true);
  await setHidden(page, false);
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(gateway.streamRequests.length, 1);
  assert.equal((await heard(page)).state.at(-1).state, 'closed');
});
