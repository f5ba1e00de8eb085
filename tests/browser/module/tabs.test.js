import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { heard, inState, launch, listen, setHidden, until } from '../browser.js';
import { FakeGateway, toast, token } from '../fake-gateway.js';

let browser, context, gateway;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  gateway = await FakeGateway.start();
  context = await browser.newContext();
});
afterEach(async () => {
  await context.close();
  await gateway.stop();
});

async function openTab(options = {}) {
  const tab = await context.newPage();
  await tab.goto(`${gateway.url}/blank`);
  await listen(tab, { token: token(), ...options });
  return tab;
}

const titles = async (tab) => (await heard(tab)).toast.map(({ toast }) => toast.title);
const shownAnywhere = async (tabs) => (await Promise.all(tabs.map(titles))).flat();

test('of eight tabs exactly one shows each toast, all of them hear it, and none hangs', async () => {
  const tabs = [];
  for (let n = 0; n < 8; n++) tabs.push(await openTab());
  await until(() => gateway.streams.size, (open) => open === 4); // HTTP/1.1 allows six; two are left for everything else
  // Each has its turn; from then on it has a cursor and misses nothing.
  for (const tab of tabs) await until(() => tab.evaluate(() => connection.cursor), Boolean, 20_000);
  const wanted = [];
  for (let n = 0; n < 60; n++) {
    wanted.push(`toast ${n}`);
    gateway.send(toast(`toast ${n}`));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(() => shownAnywhere(tabs), (shown) => shown.length >= 60);
  // While four hold streams, the API answers in every tab.
  await Promise.all(tabs.map((tab) => tab.evaluate(() => connection.api.listTasks())));
  await until(() => Promise.all(tabs.map(async (tab) => (await heard(tab)).event.length)), (counts) => counts.every((count) => count === 60), 40_000);
  assert.deepEqual((await shownAnywhere(tabs)).sort(), wanted.sort());
  assert.ok(gateway.streams.size <= 4);
});

test('a hidden tab leaves its slot to one that is seen before its turn is over', async () => {
  const seen = await context.newPage();
  await seen.goto(`${gateway.url}/blank`);
  await Promise.all([0, 1, 2, 3].map(async () => {
    const tab = await openTab();
    await inState(tab, 'live');
    await setHidden(tab, true);
  }));
  await listen(seen, { token: token() });
  await until(() => seen.evaluate(() => connection.state.state), (state) => state === 'live', 1_500);
  assert.equal(gateway.streams.size, 4);
});

test('a hidden tab does not show; the first that is seen again does, whether it kept its stream or not', async () => {
  const [kept, closed] = [await openTab(), await openTab({ hiddenAfter: 100 })];
  for (const tab of [kept, closed]) {
    await inState(tab, 'live');
    await setHidden(tab, true);
  }
  await inState(closed, 'hidden');
  gateway.send(toast('first'));
  await until(async () => (await heard(kept)).event.length, (count) => count === 1);
  assert.deepEqual(await shownAnywhere([kept, closed]), []);
  await setHidden(closed, false);
  await until(() => titles(closed), (shown) => shown.length === 1);
  await setHidden(kept, false);
  gateway.send(toast('second'));
  await until(() => shownAnywhere([kept, closed]), (shown) => shown.length >= 2);
  await until(async () => (await heard(kept)).event.length, (count) => count === 2);
  assert.deepEqual((await shownAnywhere([kept, closed])).sort(), ['first', 'second']);
});

test('a tab that shows no toasts leaves them to the others, and one that begins to shows what waits', async () => {
  const silent = await context.newPage();
  await silent.goto(`${gateway.url}/blank`);
  await silent.evaluate(async (token) => {
    const { connect } = await import('/client/bellwire.js');
    window.connection = connect({ url: '/', token: () => token });
    await new Promise((resolve) => connection.addEventListener('state', () => connection.state.state === 'live' && resolve()));
  }, token());
  const shows = await openTab();
  await inState(shows, 'live');
  gateway.send(toast('first'));
  await until(() => titles(shows), (shown) => shown.join() === 'first');
  await shows.close();
  const second = toast('second');
  gateway.send(second);
  await until(() => silent.evaluate(() => connection.cursor), (cursor) => cursor === 'c2');
  await silent.evaluate(() => {
    window.heard = { toast: [] };
    connection.addEventListener('toast', ({ detail }) => heard.toast.push(detail));
  });
  await until(() => titles(silent), (shown) => shown.join() === 'second');
});

test('a reloaded tab does not show again what was shown', async () => {
  const tab = await openTab();
  await inState(tab, 'live');
  gateway.send(toast('once'));
  await until(() => titles(tab), (shown) => shown.length === 1);
  await tab.goto(`${gateway.url}/blank`);
  await listen(tab, { token: token(), after: 'c0' });
  await until(async () => (await heard(tab)).event.length, (count) => count === 1);
  gateway.send(toast('next'));
  await until(() => titles(tab), (shown) => shown.length > 0);
  assert.deepEqual(await titles(tab), ['next']);
});

test('two people in one browser both see what is for both', async () => {
  const tabs = [await openTab({ token: token({ sub: 'ada' }) }), await openTab({ token: token({ sub: 'bob' }) })];
  for (const tab of tabs) await inState(tab, 'live');
  gateway.send(toast('for both'));
  for (const tab of tabs) await until(() => titles(tab), (shown) => shown.length === 1);
});

for (const [name, breakIt] of [
  ['refused', () => { indexedDB.open = () => { throw new DOMException('no', 'SecurityError'); }; }],
  ['silent', () => { indexedDB.open = () => ({}); }],
  ['missing', () => Object.defineProperty(window, 'indexedDB', { value: undefined })],
]) {
  test(`where the storage is ${name} a toast is shown rather than lost`, async () => {
    await context.addInitScript(`(${breakIt})()`);
    const tab = await openTab();
    await inState(tab, 'live');
    gateway.send(toast('shown'));
    await until(() => titles(tab), (shown) => shown.length === 1, 3_000);
  });
}

test('without Web Locks, as on plain http, seven tabs that are all seen take turns, and none hangs', async () => {
  await context.addInitScript(() => delete Navigator.prototype.locks);
  const tabs = [];
  for (let n = 0; n < 7; n++) tabs.push(await openTab());
  for (const tab of tabs) await until(() => tab.evaluate(() => connection.cursor), Boolean, 30_000);
  assert.ok(gateway.streams.size <= 4, `${gateway.streams.size} streams`);
  for (let n = 0; n < 20; n++) gateway.send(toast(`toast ${n}`));
  await Promise.all(tabs.map((tab) => tab.evaluate(() => connection.api.listTasks())));
  await until(() => Promise.all(tabs.map(async (tab) => (await heard(tab)).event.length)), (counts) => counts.every((count) => count === 20), 40_000);
  assert.equal((await shownAnywhere(tabs)).length, 20);
});

test('without Web Locks, what a tab held is free after it has crashed', async () => {
  await context.addInitScript(() => delete Navigator.prototype.locks);
  const [first] = [await openTab({ streams: 1 })];
  await inState(first, 'live');
  const second = await openTab({ streams: 1 });
  // A tab that has crashed renews nothing and removes nothing.
  await first.evaluate(() => {
    const lease = Object.entries(localStorage).find(([name]) => name.startsWith('bellwire:stream:'));
    connection.close();
    window.stop();
    localStorage.setItem(...lease);
  });
  await until(() => second.evaluate(() => connection.state.state), (state) => state === 'live', 20_000);
});

test('a toast dismissed in one tab is dismissed in the others', async () => {
  const [one, other] = [await openTab(), await openTab()];
  for (const tab of [one, other]) await inState(tab, 'live');
  await one.evaluate(() => connection.dismiss('task/1'));
  await until(async () => (await heard(other)).dismissed, (names) => names.length === 1);
  assert.deepEqual((await heard(one)).dismissed, []);
});
