import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { heard, inState, launch, listen, setHidden, until } from '../browser.js';
import { Balancer, blank, notify, pods, signIn, signToken, toastsOf, uniqueUser } from './pods.js';

let browser, context, balancer;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => (context = await browser.newContext()));
afterEach(async () => {
  await context.close();
  await balancer?.stop();
  balancer = undefined;
});

/** Every toast that any of these pages shows, without its level. */
const shown = async (pages) => (await Promise.all(pages.map(toastsOf))).flat().map((title) => title.replace(/^\w+: /, ''));
const titles = async (page) => (await heard(page)).toast.map(({ toast }) => toast.title);

test('a message is shown on the pages of both pods, and its markup is text', async () => {
  const ada = uniqueUser('ada');
  const pages = [await signIn(context, pods[0], ada), await signIn(context, pods[1], ada)];
  const evil = '<img src=x onerror="document.title = \'pwned\'">';
  await notify(pods[0], ada, { title: evil, body: '<b>bold</b>' });
  for (const page of pages) {
    await until(() => toastsOf(page), (all) => all.length === 1);
    assert.ok((await toastsOf(page))[0].endsWith(evil));
    assert.equal(await page.locator('bellwire-toasts :is(img, b)').count(), 0);
    assert.notEqual(await page.title(), 'pwned');
  }
});

test('a message sent from the page reaches the other person on the other pod, and nobody else', async () => {
  const [ada, bob, eve] = ['ada', 'bob', 'eve'].map(uniqueUser);
  const [from, to, other] = [await signIn(context, pods[0], ada), await signIn(context, pods[1], bob), await signIn(context, pods[1], eve)];
  await from.locator('#to-name').fill(bob);
  await from.getByRole('textbox', { name: 'Message' }).fill('tea?');
  await from.keyboard.press('Enter');
  await until(() => toastsOf(to), (all) => all.some((title) => title.endsWith('tea?')));
  await notify(pods[0], eve, { title: 'the next' });
  await until(() => toastsOf(other), (all) => all.length > 0);
  assert.deepEqual((await toastsOf(other)).map((title) => title.replace(/^\w+: /, '')), ['the next']);
});

test('in eight tabs of one origin exactly one shows each toast, and none hangs', async () => {
  const ada = uniqueUser('ada');
  const tabs = [];
  for (let n = 0; n < 8; n++) tabs.push(await signIn(context, pods[0], ada)); // each has been live once, so it has a cursor
  const wanted = Array.from({ length: 6 }, (_, n) => `toast ${n}`);
  // With something to do about it a toast stays, and three of a kind are no burst that would be folded.
  for (const [n, title] of wanted.entries()) {
    await notify(pods[n % 2], ada, { title, level: ['warning', 'error'][n % 2], action: { label: 'Look', href: '/' } });
    await until(async () => (await shown(tabs)).length, (count) => count > n);
  }
  assert.deepEqual((await shown(tabs)).sort(), wanted);
  // The eighth tab uploads and starts a task while others hold streams, and every tab comes to show it.
  await tabs[7].setInputFiles('#file', { name: 'eight.csv', mimeType: 'text/csv', buffer: Buffer.from('a,b\n1,2\n') });
  await tabs[7].locator('#table').fill(`eight_${Date.now().toString(36)}`);
  await tabs[7].getByRole('button', { name: 'Import', exact: true }).click();
  for (const tab of tabs) await tab.locator('bellwire-tasks .task', { hasText: 'eight.csv' }).getByText('Done').waitFor();
  assert.equal((await shown(tabs)).filter((title) => title.includes('is imported')).length, 1);
});

test('a tab hidden and shown again gets what it missed, once and in order', async () => {
  const ada = uniqueUser('ada');
  const tab = await blank(context, pods[0]);
  await listen(tab, { token: signToken(ada), hiddenAfter: 200 });
  await inState(tab, 'live');
  await setHidden(tab, true);
  await inState(tab, 'hidden');
  const ids = [];
  for (let n = 0; n < 5; n++) ids.push(await notify(pods[n % 2], ada, { title: `missed ${n}` }));
  await setHidden(tab, false);
  await until(() => titles(tab), (shown) => shown.length >= 5);
  ids.push(await notify(pods[1], ada, { title: 'live' }));
  await until(() => titles(tab), (shown) => shown.length >= 6);
  assert.deepEqual((await heard(tab)).event.map(({ id }) => id), ids);
  assert.deepEqual(await titles(tab), [...Array.from({ length: 5 }, (_, n) => `missed ${n}`), 'live']);
});

test('led to the other pod, a page misses nothing, also one that had received nothing yet', async () => {
  const ada = uniqueUser('ada');
  balancer = await Balancer.start(pods[0]);
  const page = await signIn(context, balancer.url, ada);
  balancer.setTarget(pods[1]);
  balancer.closeConnections();
  await notify(pods[0], ada, { title: 'on the way' });
  await until(() => toastsOf(page), (all) => all.length === 1, 40_000);
  balancer.setTarget(pods[0]);
  balancer.closeConnections();
  await notify(pods[1], ada, { title: 'and back' });
  await until(() => toastsOf(page), (all) => all.length === 2, 40_000);
});

test('a pod that is gone and comes back finds its page waiting, at the same address', async () => {
  const ada = uniqueUser('ada');
  balancer = await Balancer.start(pods[0]);
  const page = await signIn(context, balancer.url, ada);
  await balancer.stopListening();
  await page.locator('#connection[data-state=waiting]').waitFor();
  await notify(pods[1], ada, { title: 'while it was gone' });
  await balancer.startListening();
  await until(() => toastsOf(page), (all) => all.length === 1, 60_000);
  await page.locator('#connection[data-state=live]').waitFor();
  assert.equal(new URL(page.url()).origin, balancer.url);
});

test('a token that has expired is asked for again', async () => {
  const page = await context.newPage();
  await page.goto(pods[0]);
  await page.getByLabel('Token').fill(signToken(uniqueUser('ada'), { exp: Math.floor(Date.now() / 1000) - 3600 }));
  await page.getByRole('button', { name: 'Continue' }).click();
  await until(() => page.locator('#identity-error').innerText(), (text) => /expired/.test(text));
  await page.getByLabel('Token').waitFor();
});
