import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { launch, pageErrors } from '../browser.js';
import { pods } from './pods.js';

let browser, context, page, session, errors;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  context = await browser.newContext();
  page = await context.newPage();
  session = await context.newCDPSession(page);
  await session.send('Network.enable');
  errors = pageErrors(page);
});
afterEach(async () => {
  await context.close();
  assert.deepEqual(errors, []);
});

/** Loads the page of a pod; answers the requests for its files: what asked for each, and the status on the wire. */
async function load(pod) {
  const [requests, statuses] = [new Map(), new Map()];
  const onRequest = ({ requestId, request, initiator }) => {
    const { origin, pathname } = new URL(request.url);
    if (origin === pod && (pathname === '/' || pathname.startsWith('/client/'))) requests.set(requestId, { pathname, initiator: initiator.type });
  };
  const onStatus = ({ requestId, statusCode }) => statuses.set(requestId, statusCode); // may come before its request
  session.on('Network.requestWillBeSent', onRequest);
  session.on('Network.responseReceivedExtraInfo', onStatus);
  await page.goto(pod);
  await page.locator('#by-name, #by-token').and(page.locator(':not([hidden])')).waitFor(); // the last module has run
  await page.waitForLoadState('networkidle');
  session.off('Network.requestWillBeSent', onRequest);
  session.off('Network.responseReceivedExtraInfo', onStatus);
  return [...requests].map(([id, request]) => ({ ...request, status: statuses.get(id) }));
}

test('all modules are asked for by the page itself, none by another module', async () => {
  const modules = (await load(pods[0])).filter(({ pathname }) => pathname.endsWith('.js'));
  assert.ok(modules.length > 40, `${modules.length} modules`);
  assert.deepEqual(modules.filter(({ initiator, status }) => initiator !== 'parser' || status !== 200), []);
});

test('a page that was loaded before transfers nothing but answers without a body', async () => {
  const first = new Set((await load(pods[0])).map(({ pathname }) => pathname));
  const second = await load(pods[0]);
  assert.deepEqual(second.filter(({ status }) => status !== 304), []);
  assert.deepEqual(new Set(second.map(({ pathname }) => pathname)), first);
});
