import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { inState, launch, listen, pageErrors, until } from '../browser.js';
import { approvalAsked, approvalClosed, approvalDecided, DIGEST, FakeGateway, token } from '../fake-gateway.js';

const RUN = '01JD0000000000000000000001';
const QUESTION = 'Publish 3,376 airports?';
let browser, context, page, gateway, errors;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  gateway = await FakeGateway.start();
  context = await browser.newContext();
  page = await context.newPage();
  errors = pageErrors(page);
  await page.goto(`${gateway.url}/blank`);
  await listen(page, { token: token(), hiddenAfter: 60_000 });
  await page.evaluate(async () => {
    await Promise.all([import('/client/toasts.js'), import('/client/approvals.js')]);
    for (const name of ['bellwire-approvals', 'bellwire-toasts']) {
      const element = document.createElement(name);
      element.connection = connection;
      document.body.append(element);
    }
  });
  await inState(page, 'live');
});
afterEach(async () => {
  await context.close();
  await gateway.stop();
  assert.deepEqual(errors, []);
});

const field = (path, type, more) => ({ path, title: path, type, ...more });
const ask = (details, more) => gateway.send(approvalAsked({ task: RUN, step: 'approve', details, ...more }));
const inList = (name) => page.locator('bellwire-approvals').getByRole('button', { name });
const inToast = (name) => page.locator('bellwire-toasts').getByRole('button', { name });
const row = () => page.locator('bellwire-approvals .asked');
const decisions = () => gateway.decisions.map(({ decision, comment, answer }) => ({ decision, comment, answer }));

test('what is asked about is there to be seen: values, files and the time that is left', async () => {
  ask({ until: new Date(Date.now() + 86_400_000).toISOString(), shown: [{ title: 'At least', value: '<b>10</b>' }], files: ['01F/a b.html', '../x', 'no key'] });
  await row().waitFor();
  assert.equal((await row().locator('.shown').innerText()).replace(/\s+/g, ' '), 'At least <b>10</b>');
  assert.match(await row().locator('.until').innerText(), /^until .*\d/);
  assert.equal(await row().locator('.files li').count(), 1);
  const [download] = await Promise.all([page.waitForEvent('download'), inList('Download: a b.html').click()]);
  assert.equal(download.suggestedFilename(), 'a b.html');
  assert.ok(gateway.requests.includes(`GET /api/tasks/${RUN}/steps/approve/files/01F/a%20b.html`));
});

test('a form is filled in and sent by keyboard alone, and what is missing is not sent', async () => {
  ask({ fields: [field('amount', 'integer', { required: true }), field('size', 'text', { choices: ['S', 'L'] }), field('sure', 'boolean', { required: true })] });
  await inList(`Approve: ${QUESTION}`).focus();
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.querySelector('bellwire-approvals').shadowRoot.activeElement?.type), 'number');
  assert.deepEqual(gateway.decisions, []);
  await page.keyboard.type('7');
  await page.keyboard.press('Enter'); // in a field it decides nothing
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await page.keyboard.press('Tab');
  await page.keyboard.type('fine');
  await page.keyboard.press('Tab');
  assert.deepEqual(gateway.decisions, []);
  await page.keyboard.press('Enter');
  await until(decisions, (all) => all.length === 1);
  assert.deepEqual(decisions(), [{ decision: 'approve', comment: 'fine', answer: { amount: 7, size: 'L', sure: true } }]);
});

test('a rejection needs no form', async () => {
  ask({ fields: [field('amount', 'integer', { required: true })] });
  await inList(`Reject: ${QUESTION}`).click();
  await until(decisions, (all) => all.length === 1);
  assert.deepEqual(decisions(), [{ decision: 'reject', comment: undefined, answer: undefined }]);
});

test('a toast leads to what has more than a sentence, and what has a form is approved there alone', async () => {
  ask({ fields: [field('amount', 'integer', { required: true })] });
  await inToast(`Look at it: ${QUESTION}`).waitFor();
  assert.equal(await inToast(`Approve: ${QUESTION}`).count(), 0);
  await page.keyboard.press('F8');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await until(() => row().evaluate((element) => element.getRootNode().activeElement === element));
});

test('of several who must approve each takes away their own question alone, and all see who has', async () => {
  ask({ needed: 2 });
  await inToast(`Approve: ${QUESTION}`).waitFor();
  assert.equal(await row().locator('.approved').innerText(), '2 people must approve');
  gateway.approvals = [{ task: RUN, step: 'approve', title: 'Load airports', question: QUESTION, owner: 'carol', digest: DIGEST, needed: 2, approved_by: ['bob'] }];
  gateway.send(approvalDecided({ task: RUN, step: 'approve', by: 'bob' }));
  await until(() => row().locator('.approved').innerText(), (text) => text === '1 of 2 have approved: bob');
  assert.equal(await inToast(`Approve: ${QUESTION}`).count(), 1);
  gateway.send(approvalDecided({ task: RUN, step: 'approve', by: 'amy' }));
  await until(() => row().count(), (count) => count === 0);
  await until(() => inToast(`Approve: ${QUESTION}`).count(), (count) => count === 0);
});

test('a question that its run closes is gone, here and in the toasts', async () => {
  ask({ needed: 2 });
  await inToast(`Approve: ${QUESTION}`).waitFor();
  gateway.send(approvalClosed({ task: RUN, step: 'approve' }));
  await until(() => row().count(), (count) => count === 0);
  await until(() => page.locator('bellwire-toasts .toast').count(), (count) => count === 0);
});

test('a reminder comes as a toast again, and not to whoever has answered', async () => {
  ask({ needed: 2 });
  await inToast(`Dismiss: ${QUESTION}`).click();
  ask({ needed: 2 }, { again: 'reminder' });
  await page.locator('bellwire-toasts .title').getByText('Reminder: carol asks for approval: Load airports').waitFor();
  assert.equal(await row().count(), 1);
  await inToast(/^Approve/).and(page.locator(':enabled')).click();
  await until(decisions, (all) => all.length === 1);
  await until(() => page.locator('bellwire-toasts .toast').count(), (count) => count === 0);
  ask({ needed: 2 }, { again: 'escalation' });
  gateway.send(approvalAsked({ task: RUN, step: 'other', question: 'Another?' }));
  await inToast('Approve: Another?').waitFor();
  assert.equal(await page.locator('bellwire-toasts .toast').count(), 1);
});
