import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { pageErrors, launch } from '../browser.js';
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

/** Loads the page of a pod; answers its files in the order of their requests: what asked for each, and its status on the wire. */
async function load(pod) {
  const files = new Map();
  const onRequest = ({ requestId, request, initiator, type }) => {
    const { origin, pathname } = new URL(request.url);
    if (origin === pod && (pathname === '/' || pathname.startsWith('/client/'))) files.set(requestId, { pathname, initiator: initiator.type, type });
  };
  const onStatus = ({ requestId, statusCode }) => files.has(requestId) && (files.get(requestId).status = statusCode);
  session.on('Network.requestWillBeSent', onRequest);
  session.on('Network.responseReceivedExtraInfo', onStatus);
  await page.goto(pod);
  await page.waitForFunction(() => document.querySelector('#by-name:not([hidden]), #by-token:not([hidden])')); // the last module has run
  session.off('Network.requestWillBeSent', onRequest);
  session.off('Network.responseReceivedExtraInfo', onStatus);
  return [...files.values()];
}

test('all modules are asked for by the page itself, none by another module', async () => {
  const modules = (await load(pods[0])).filter(({ pathname }) => pathname.endsWith('.js'));
  assert.ok(modules.length > 40, `${modules.length} modules`);
  assert.equal(new Set(modules.map(({ pathname }) => pathname)).size, modules.length, 'each once');
  assert.deepEqual(modules.filter(({ initiator }) => initiator !== 'parser'), []);
});

test('a page that was loaded before transfers nothing but answers without a body', async () => {
  const first = await load(pods[0]);
  assert.deepEqual(first.filter(({ status }) => status !== 200), []);
  const second = await load(pods[0]);
  assert.equal(second.length, first.length);
  assert.deepEqual(second.filter(({ status }) => status !== 304), []);
});
