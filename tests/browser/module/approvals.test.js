import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { isStepRef } from '../../../client/module/approval.js';
import { inState, launch, listen, pageErrors, setHidden, until } from '../browser.js';
import { approvalAsked, approvalDecided, DIGEST, event, FakeGateway, problem, taskEvent, toast, token } from '../fake-gateway.js';

const [RUN, OTHER] = ['01JD0000000000000000000001', '01JD0000000000000000000002'];
let browser, context, page, gateway, errors;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  gateway = await FakeGateway.start();
  context = await browser.newContext();
  errors = [];
  page = await context.newPage();
  errors.push(pageErrors(page));
});
afterEach(async () => {
  await context.close();
  await gateway.stop();
  assert.deepEqual(errors.flat(), []);
});

/** A page with both: the toasts and the list. */
async function open(tab = page) {
  await tab.goto(`${gateway.url}/blank`);
  await listen(tab, { token: token(), hiddenAfter: 60_000 });
  await tab.evaluate(async () => {
    await Promise.all([import('/client/toasts.js'), import('/client/approvals.js')]);
    for (const name of ['bellwire-approvals', 'bellwire-toasts']) {
      const element = document.createElement(name);
      element.connection = connection;
      document.body.append(element);
    }
  });
  await inState(tab, 'live');
  return tab;
}

const question = (more) => ({ task: RUN, step: 'approve', digest: DIGEST, question: 'Publish 3,376 airports?', ...more });
const titles = async (tab = page) => (await tab.locator('bellwire-toasts .toast:not([inert]) .title').allInnerTexts()).map((text) => text.replace(/^\w+:\s+/, ''));
const inToast = (name) => page.locator('bellwire-toasts').getByRole('button', { name });
const inList = (name) => page.locator('bellwire-approvals').getByRole('button', { name });
const listed = (tab = page) => tab.locator('bellwire-approvals .title').allInnerTexts();
const isEmpty = () => page.locator('bellwire-approvals').evaluate((list) => list.hasAttribute('data-empty'));

test('a toast that asks has two buttons, stays, and answers through the API', async () => {
  await page.clock.install();
  await open();
  gateway.send(approvalAsked(question()));
  await inToast('Approve: Publish 3,376 airports?').waitFor();
  await page.clock.fastForward('10:00');
  assert.deepEqual(await titles(), ['Publish 3,376 airports?']);
  await inToast('Reject: Publish 3,376 airports?').waitFor();
  await inToast('Approve: Publish 3,376 airports?').click();
  await until(() => gateway.decisions, (all) => all.length === 1);
  assert.deepEqual(gateway.decisions, [{ task: RUN, step: 'approve', digest: DIGEST, decision: 'approve' }]);
  assert.ok(gateway.requests.includes(`POST /api/tasks/${RUN}/steps/approve`));
  await until(titles, (all) => all.length === 0);
});

test('a list from a pod that has read less of the log than the events’ pod is loaded again', async () => {
  gateway.listCursor = 'c3';
  for (let n = 0; n < 5; n++) gateway.send(event()); // the stream begins at c5
  await open();
  gateway.approvals = [{ task: RUN, step: 'approve', title: 'Load airports', question: 'Publish?', owner: 'carol', digest: DIGEST, asked: new Date().toISOString() }];
  await until(listed, (all) => all.length === 1);
});

test('its buttons are reached and pressed by keyboard alone', async () => {
  await open();
  gateway.send(approvalAsked(question()));
  await inToast('Reject: Publish 3,376 airports?').and(page.locator(':enabled')).waitFor();
  await page.keyboard.press('F8');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await until(() => gateway.decisions[0]?.decision, (decision) => decision === 'reject');
});

test('what comes up under a finger is no answer yet', async () => {
  await page.clock.install();
  await open();
  await page.clock.pauseAt(new Date(Date.now() + 3_600_000));
  gateway.send(approvalAsked(question()));
  const approve = inToast('Approve: Publish 3,376 airports?');
  await until(async () => {
    await page.clock.runFor(50);
    return approve.count();
  });
  assert.equal(await approve.isEnabled(), false);
  await page.clock.runFor(600);
  assert.equal(await approve.isEnabled(), true);
});

test('it is not swept aside by finger', async () => {
  await context.close();
  context = await browser.newContext({ hasTouch: true });
  page = await open(await context.newPage());
  gateway.send(approvalAsked(question()));
  const card = page.locator('bellwire-toasts .toast');
  await card.waitFor();
  await card.evaluate((element) => {
    const at = (type, clientX) => element.dispatchEvent(new PointerEvent(type, { pointerType: 'touch', pointerId: 1, isPrimary: true, clientX, clientY: 5, bubbles: true }));
    at('pointerdown', 10);
    for (let x = 20; x < 300; x += 20) at('pointermove', x);
    at('pointerup', 300);
  });
  assert.deepEqual(await titles(), ['Publish 3,376 airports?']);
});

test('somebody else’s answer takes it away in every tab, also where it waits to be seen', async () => {
  const [second, hidden] = [await open(await context.newPage()), await open(await context.newPage())];
  await open();
  await setHidden(hidden, true);
  for (const tab of [second, page]) await setHidden(tab, true);
  gateway.send(approvalAsked(question()));
  await until(() => listed(second), (all) => all.length === 1);
  await setHidden(page, false);
  await until(titles, (all) => all.length === 1);
  gateway.send(approvalDecided(question()));
  await until(titles, (all) => all.length === 0);
  for (const tab of [second, hidden]) {
    await until(() => listed(tab), (all) => all.length === 0);
    await setHidden(tab, false);
    assert.deepEqual(await titles(tab), []);
  }
});

test('a run that has ended asks nothing more, here and in the toasts', async () => {
  await open();
  gateway.send(approvalAsked(question()));
  gateway.send(approvalAsked(question({ task: OTHER, question: 'Another run’s?' })));
  await until(titles, (all) => all.length === 2);
  gateway.send(taskEvent({ id: RUN, kind: 'workflows', title: 'x', state: 'cancelled' }));
  await until(titles, (all) => all.join() === 'Another run’s?');
  assert.deepEqual(await listed(), ['Another run’s?']);
});

test('a question that was answered while one was away is not asked again', async () => {
  await open();
  await setHidden(page, true);
  gateway.send(approvalAsked(question()));
  gateway.send(approvalDecided(question()));
  gateway.send(toast('after it'));
  await until(() => page.evaluate(() => heard.event.length), (count) => count === 3);
  await setHidden(page, false);
  await until(titles, (all) => all.includes('after it'));
  assert.deepEqual(await titles(), ['after it']);
});

test('who comes too late is told who was first, in the toast', async () => {
  gateway.answer = (request, response) => request.method === 'POST' && (problem(response, 409, 'bob approved already'), true);
  await open();
  gateway.send(approvalAsked(question()));
  await inToast('Approve: Publish 3,376 airports?').click();
  await page.locator('bellwire-toasts .body').getByText('bob approved already').waitFor();
  assert.equal(await page.locator('bellwire-toasts .decide').count(), 0);
  gateway.send(approvalDecided(question()));
  await until(listed, (all) => all.length === 0);
  assert.deepEqual(await titles(), ['Publish 3,376 airports?']); // there to be read
});

test('an answer that did not arrive can be given again, and is not by pressing twice', async () => {
  let tries = 0;
  gateway.answer = async (request, response) => {
    if (request.method !== 'POST' || tries++ > 0) return false;
    request.resume();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return problem(response, 503, 'the broker is away'), true;
  };
  await open();
  gateway.send(approvalAsked(question()));
  const approve = inToast('Approve: Publish 3,376 airports?');
  await approve.dblclick();
  await page.locator('bellwire-toasts .failed').getByText('the broker is away').waitFor();
  assert.equal(tries, 1);
  await approve.click();
  await until(titles, (all) => all.length === 0);
  assert.equal(gateway.decisions.length, 1);
});

test('buttons are only on the event that asks, and only for a step that has a proper name', async () => {
  await open();
  const bad = [{ task: '../../api/events', step: 'x' }, { task: RUN, step: '../x' }, { task: RUN, step: 'A' }, { task: RUN, step: '' }, { task: RUN }, {}, 'x', { task: `${RUN}\n`, step: 'x' }];
  for (const decision of bad) {
    assert.equal(isStepRef(decision), false);
    gateway.send(toast('no question', { toast: { decision }, event: { type: 'bellwire.approval.asked' } }));
  }
  gateway.send(toast('a message', { toast: { decision: { task: RUN, step: 'approve' } } }));
  gateway.send(approvalAsked(question({ step: 'two' }), { data: { question: { task: RUN, step: 'two', question: 'two?' }, digest: DIGEST, toast: { level: 'info', title: 'another', decision: { task: OTHER, step: 'two' } } } }));
  gateway.send(toast('the last', { toast: { level: 'error' } }));
  await until(titles, (all) => all.includes('the last'));
  assert.equal(await page.locator('bellwire-toasts .decide').count(), 0);
  await assert.rejects(page.evaluate(() => connection.api.decide('../events', 'x', 'approve')), /names no step/);
  assert.equal(gateway.requests.some((request) => request.startsWith('POST')), false);
});

test('two questions in the name of one step are two, and each answer names its own', async () => {
  const pizza = 'B'.repeat(43);
  gateway.approvals = [question({ digest: pizza, question: 'Pizza?' })];
  await open();
  gateway.send(approvalAsked(question({ digest: pizza, question: 'Pizza?' })));
  gateway.send(approvalAsked(question()));
  await until(titles, (all) => all.length === 2);
  await until(listed, (all) => all.join() === 'Pizza?,Publish 3,376 airports?');
  await inList('Approve: Pizza?').click();
  await until(titles, (all) => all.join() === 'Publish 3,376 airports?');
  await inToast('Reject: Publish 3,376 airports?').click();
  await until(listed, (all) => all.length === 0);
  assert.deepEqual(gateway.decisions.map(({ digest, decision }) => [digest, decision]), [[pizza, 'approve'], [DIGEST, 'reject']]);
});

test('a toast with buttons says what is asked, whatever its event would have it say', async () => {
  await open();
  const asks = { level: 'info', title: 'Lunch', body: 'Pizza?', decision: { task: RUN, step: 'approve' } };
  gateway.send(approvalAsked(question({ step: 'two' }), { id: 'undigested', data: { question: question({ step: 'two' }), toast: { ...asks, title: 'without a digest', decision: { task: RUN, step: 'two' } } } }));
  gateway.send(approvalAsked(question(), { data: { question: question({ title: 'Load airports', owner: 'carol' }), digest: DIGEST, toast: asks } }));
  await until(titles, (all) => all.includes('carol asks for approval: Load airports'));
  assert.equal((await titles()).includes('Lunch'), false);
  await page.locator('bellwire-toasts .body').getByText('Publish 3,376 airports?').waitFor();
  assert.equal(await page.locator('bellwire-toasts .decide').count(), 2);
});

test('questions do not fold into a burst', async () => {
  await open();
  for (let n = 0; n < 6; n++) gateway.send(approvalAsked(question({ step: `s${n}`, question: `question ${n}` })));
  await until(() => page.locator('bellwire-toasts .toast').count(), (count) => count === 6);
});

test('the list shows what waits at the start, and what is asked and answered later', async () => {
  gateway.approvals = [question({ title: 'Load airports', owner: 'carol', asked: new Date(Date.now() - 120_000).toISOString() })];
  await open();
  await until(listed, (all) => all.join() === 'Publish 3,376 airports?');
  assert.equal((await page.locator('bellwire-approvals .about').innerText()).replace(/\s+/g, ' '), 'Load airports started by carol 2 minutes ago');
  assert.equal(await isEmpty(), false);
  gateway.send(approvalAsked(question({ task: OTHER, question: '<b>second</b>' })));
  await until(listed, (all) => all.join() === 'Publish 3,376 airports?,<b>second</b>');
  gateway.send(approvalAsked(question(), { id: 'asked again', data: { question: question(), digest: DIGEST } }));
  gateway.send(approvalDecided(question({ task: OTHER })));
  gateway.send(approvalDecided(question()));
  await until(listed, (all) => all.length === 0);
  assert.equal(await isEmpty(), true);
});

test('one answers in the list, with a comment, and what was being written elsewhere stays', async () => {
  gateway.approvals = [question(), question({ task: OTHER, question: 'Second?' })];
  await open();
  await until(listed, (all) => all.length === 2);
  const [first, second] = [0, 1].map((n) => page.locator('bellwire-approvals .comment').nth(n));
  await second.fill('half a sen');
  await first.fill(' looks right ');
  await inList('Approve: Publish 3,376 airports?').click();
  await until(listed, (all) => all.join() === 'Second?');
  assert.deepEqual(gateway.decisions, [{ task: RUN, step: 'approve', digest: DIGEST, decision: 'approve', comment: 'looks right' }]);
  assert.equal(await page.locator('bellwire-approvals .comment').inputValue(), 'half a sen');
});

test('a refused answer is said in words, and the question goes', async () => {
  gateway.approvals = [question()];
  gateway.answer = (request, response) => request.method === 'POST' && (problem(response, 403, 'only group:finance was asked'), true);
  await open();
  await inList('Reject: Publish 3,376 airports?').click();
  await until(() => page.locator('bellwire-approvals .trouble').innerText(), (text) => text === '“Publish 3,376 airports?”: only group:finance was asked');
  assert.deepEqual(await listed(), []);
  assert.equal(await isEmpty(), false);
});

test('after a gap the questions are loaded again, and one that was answered does not come back by a late list', async () => {
  gateway.approvals = [question()];
  await open();
  await until(listed, (all) => all.length === 1);
  gateway.approvals = [question(), question({ task: OTHER, question: 'Second?' })];
  gateway.send(approvalDecided(question()));
  await until(listed, (all) => all.length === 0);
  for (const stream of gateway.streams) stream.write('event: gap\ndata: {"reason":"remade"}\n\n');
  await until(listed, (all) => all.join() === 'Second?');
});

test('questions that cannot be loaded say why and are asked for again', async () => {
  gateway.answer = (_, response, path) => path === '/api/approvals' && (problem(response, 503, 'catching up'), true);
  await open();
  await until(() => page.locator('bellwire-approvals .trouble').innerText(), (text) => text.includes('catching up'));
  gateway.answer = () => false;
  gateway.approvals = [question()];
  await page.getByRole('button', { name: 'Try again' }).click();
  await until(listed, (all) => all.length === 1);
  assert.equal(await page.locator('bellwire-approvals .trouble').isVisible(), false);
});

test('an event of no known shape asks nothing', async () => {
  await open();
  for (const data of [undefined, { question: null }, { question: { task: 'x', step: 'y' } }, { answer: {} }]) gateway.send(event({ type: 'bellwire.approval.asked', data }));
  for (const data of [undefined, { answer: null }, { answer: 'x' }]) gateway.send(event({ type: 'bellwire.approval.decided', data }));
  gateway.send(approvalAsked(question()));
  await until(listed, (all) => all.length === 1);
});
