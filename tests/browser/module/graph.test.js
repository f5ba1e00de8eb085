import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { layoutGraph } from '../../../client/tasks/graph-layout.js';
import { countSteps, readSteps } from '../../../client/tasks/steps.js';
import { inState, launch, listen, pageErrors, until } from '../browser.js';
import { FakeGateway, taskEvent, token } from '../fake-gateway.js';

const node = (id, ...needs) => ({ id, needs });
const ranks = (nodes) => layoutGraph(nodes).map(({ slots }) => slots.filter(({ passes }) => !passes).map(({ id }) => id));
const lines = (nodes) => layoutGraph(nodes).map((row) => row.lines.map(({ source }) => source));

test('a step stands below all that it needs, in the order of the definition', () => {
  assert.deepEqual(ranks([node('end', 'a', 'b'), node('a', 'start'), node('b', 'start'), node('start')]), [['start'], ['a', 'b'], ['end']]);
  assert.deepEqual(ranks([]), []);
  assert.deepEqual(ranks([node('a'), node('b')]), [['a', 'b']]);
});

test('what goes without saying has no line, and a line that passes a row has a narrow slot in it', () => {
  assert.deepEqual(lines([node('a'), node('b', 'a'), node('c', 'b', 'a')]), [[], ['a'], ['b']]);
  const rows = layoutGraph([node('a'), node('b'), node('c', 'a'), node('d', 'c', 'b')]);
  assert.deepEqual(rows[1].slots.map(({ id, passes }) => [id, passes]), [['c', false], ['b', true]]);
  assert.ok(rows[1].slots[1].weight < rows[1].slots[0].weight);
  assert.deepEqual(rows[2].lines.map(({ source }) => source).sort(), ['b', 'c']);
});

test('lines lead from the middle of one slot to the middle of another, within the width', () => {
  const [, second] = layoutGraph([node('a'), node('b'), node('c', 'a', 'b')]);
  assert.deepEqual(second.lines, [{ from: 0.25, to: 0.5, source: 'a' }, { from: 0.75, to: 0.5, source: 'b' }]);
});

test('steps are ordered so that simple lines do not cross', () => {
  const rows = ranks([node('a'), node('b'), node('x', 'b'), node('y', 'a')]);
  assert.deepEqual(rows, [['a', 'b'], ['y', 'x']]);
});

test('needs of nobody, of oneself and in circles harm nothing: each step is there once', () => {
  const circles = [
    [node('a', 'nobody'), node('b', 'a', 'a')],
    [node('a', 'a')],
    [node('a', 'b'), node('b', 'a')],
    [node('a', 'c'), node('b', 'a'), node('c', 'b'), node('d', 'b')],
    [node('__proto__', 'constructor'), node('constructor', '__proto__'), node('toString', 'constructor')],
  ];
  for (const nodes of circles) {
    assert.deepEqual(ranks(nodes).flat().sort(), nodes.map(({ id }) => id).sort());
    for (const { slots, lines: leading } of layoutGraph(nodes)) {
      for (const x of [...slots.map((slot) => slot.x), ...leading.flatMap(({ from, to }) => [from, to])]) assert.ok(x > 0 && x < 1);
    }
  }
});

test('a hostile graph is laid out in a moment', () => {
  const all = Array.from({ length: 100 }, (_, n) => node(`s${n}`, ...Array.from({ length: n }, (_, m) => `s${m}`)));
  const skipping = Array.from({ length: 100 }, (_, n) => node(`s${n}`, ...(n < 50 ? [`s${n - 1}`] : Array.from({ length: 50 }, (_, m) => `s${m}`))));
  const many = Array.from({ length: 5000 }, (_, n) => node(`s${n}`, `s${n - 1}`));
  const began = performance.now();
  for (const nodes of [all, skipping, many]) assert.equal(ranks(nodes).flat().length, nodes.length);
  assert.ok(performance.now() - began < 1000);
});

test('what an event tells of its steps is read with care', () => {
  const steps = [
    { id: 'a', title: '  ', state: 'odd', progress: 7, items: [5, 3], needs: 'b', note: 9, kind: 4 },
    { id: 'a', title: 'twice', state: 'failed' }, { title: 'nameless' }, null, 'text', { id: '' }, { id: 7 },
    { id: 'b', title: 'B', state: 'running', progress: 0.5, items: [1, 0], needs: ['a', 3] },
  ];
  assert.deepEqual(readSteps({ steps, state: 'running' }).map(({ id, title, state, progress, items, needs, note }) => [id, title, state, progress, items, needs, note]), [
    ['a', 'a', 'waiting', 1, [3, 3], [], undefined], ['b', 'B', 'running', 0.5, undefined, ['a'], undefined],
  ]);
  for (const odd of [undefined, null, 'text', {}, 7]) assert.deepEqual(readSteps({ steps: odd, state: 'running' }), []);
  assert.equal(readSteps({ steps: Array.from({ length: 9000 }, (_, n) => ({ id: `s${n}` })), state: 'running' }).length, 500);
});

test('in a run that has ended nothing runs any more', () => {
  const steps = ['waiting', 'running', 'asked', 'succeeded', 'failed', 'skipped', 'compensated'].map((state) => ({ id: state, state }));
  const states = readSteps({ steps, state: 'cancelled' }).map(({ state }) => state);
  assert.deepEqual(states, ['cancelled', 'cancelled', 'cancelled', 'succeeded', 'failed', 'skipped', 'compensated']);
  assert.deepEqual(countSteps(readSteps({ steps, state: 'running' })), { done: 1, skipped: 1, of: 7 });
});

let browser, context, page, gateway, errors;
before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  gateway = await FakeGateway.start();
  context = await browser.newContext();
  page = await context.newPage();
  errors = pageErrors(page);
});
afterEach(async () => {
  await context.close();
  await gateway.stop();
  assert.deepEqual(errors, []);
});

async function open() {
  await page.goto(`${gateway.url}/blank`);
  await listen(page, { token: token() });
  await page.evaluate(async () => {
    await import('/client/tasks.js');
    const list = document.createElement('bellwire-tasks');
    list.connection = connection;
    document.body.append(list);
  });
  await inState(page, 'live');
}

let sequence = 0;
const run = (steps, more = {}) => ({ id: 'run', kind: 'workflows', title: 'Load and report', state: 'running', progress: 0.5, attempt: 1, sequence: ++sequence, steps, ...more });
const step = (id, state, more = {}) => ({ id, title: `Step ${id}`, kind: 'imports', needs: [], state, progress: 0, ...more });
const toggle = () => page.getByRole('button', { name: /of \d+ steps?(, \d+ skipped)?$/ });
const card = (id) => page.locator('.step-slot', { has: page.getByText(`Step ${id}`, { exact: true }) });
const words = async (id) => (await card(id).locator('.step').innerText()).replace(/\s+/g, ' ').trim();

test('a run opens to its steps and tells their states, live and in place', async () => {
  gateway.tasks = [run([step('a', 'running', { progress: 0.3 }), step('b', 'waiting', { needs: ['a'] })])];
  await open();
  assert.equal(await toggle().innerText(), '0 of 2 steps');
  assert.equal(await toggle().getAttribute('aria-expanded'), 'false');
  await toggle().focus();
  await page.keyboard.press('Enter');
  assert.equal(await words('a'), 'Step a Running, 30 %');
  assert.equal(await words('b'), 'Step b Waiting (after Step a)');
  await card('a').evaluate((element) => (element.kept = true));
  const href = '/api/files/01F/a.csv';
  gateway.send(taskEvent(run([step('a', 'succeeded', { note: '3,376 rows', href }), step('b', 'running', { needs: ['a'], items: [12, 51] })])));
  await until(() => words('a'), (text) => text === 'Step a Done 3,376 rows Open');
  assert.equal(await words('b'), 'Step b Running, 12 of 51 (after Step a)');
  assert.equal(await toggle().innerText(), '1 of 2 steps');
  assert.equal(await card('a').evaluate((element) => element.kept), true);
  assert.equal(await page.evaluate(() => document.querySelector('bellwire-tasks').shadowRoot.activeElement?.className), 'toggle');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Open: Step a' }).click()]);
  assert.equal(download.suggestedFilename(), 'a.csv');
});

test('those who do not see the graph hear a list of the steps in order, and what each comes after', async () => {
  gateway.tasks = [run([step('c', 'waiting', { needs: ['a', 'b'] }), step('b', 'asked', { kind: 'approval' }), step('a', 'failed', { note: 'line 7 is broken' })])];
  await open();
  await toggle().click();
  const heard = await page.getByRole('list', { name: 'Steps', exact: true }).getByRole('listitem').allInnerTexts();
  assert.deepEqual(heard.map((text) => text.replace(/\s+/g, ' ').trim()), [
    'Step b Waits for an answer', 'Step a Failed line 7 is broken', 'Step c Waiting (after Step a, Step b)',
  ]);
  assert.equal(await page.locator('bellwire-tasks svg:not([aria-hidden=true])').count(), 0);
});

test('steps of a hostile event are text, and their links only what may stand in a page', async () => {
  const evil = '<img src=x onerror="window.pwned = 1">';
  gateway.tasks = [run([step('a', 'succeeded', { title: evil, note: evil, href: 'javascript:alert(1)', needs: ['nobody', 'a'] })])];
  await open();
  await toggle().click();
  await page.getByText(evil).first().waitFor();
  assert.equal(await page.locator('bellwire-tasks img').count(), 0);
  assert.equal(await page.locator('bellwire-tasks .step-link > *').count(), 0);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
});

test('a run that is taken back stops all of its steps, though the word of it names none', async () => {
  gateway.tasks = [run([step('a', 'succeeded'), step('b', 'running')])];
  await open();
  await toggle().click();
  gateway.send(taskEvent({ ...run([]), steps: undefined, attempt: 0, state: 'cancelled' }));
  await until(() => words('b'), (text) => text === 'Step b Cancelled');
  assert.equal(await words('a'), 'Step a Done');
});

test('a wide graph is moved within its own box on a phone, and a task without steps has none', async () => {
  await page.setViewportSize({ width: 320, height: 640 });
  gateway.tasks = [run(Array.from({ length: 9 }, (_, n) => step(`s${n}`, 'waiting'))), { ...run(undefined), id: 'plain', steps: undefined }];
  await open();
  assert.equal(await toggle().count(), 1);
  await toggle().click();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
  const box = page.locator('.graph:not([hidden])');
  assert.ok(await box.evaluate((element) => element.scrollWidth > element.clientWidth && element.tabIndex === 0));
});

test('a run that failed at its first step has done none of them', async () => {
  gateway.tasks = [run([step('a', 'failed'), step('b', 'cancelled'), step('c', 'cancelled'), step('d', 'skipped')], { state: 'failed', error: { reason: 'input', message: 'Step a: it is sour' } })];
  await open();
  assert.equal(await toggle().innerText(), '0 of 4 steps, 1 skipped');
});

test('a run that waits for people says for whom and until when', async () => {
  const until = new Date(Date.now() + 86_400_000).toISOString();
  const asks = { audience: 'user:bob group:finance', until, needed: 2, approved_by: ['bob'] };
  gateway.tasks = [run([step('a', 'asked', { kind: 'approval', asks })])];
  await open();
  const said = await page.locator('.task .result').innerText();
  assert.match(said, /^Waits for bob, the group finance until .*\d{2}.*\n1 of 2 have approved: bob$/);
  await toggle().click();
  assert.ok((await words('a')).includes('Waits for bob, the group finance until'));
});

test('a run that somebody has rejected is no fault', async () => {
  const rejected = step('a', 'failed', { kind: 'approval', rejected: true, note: 'rejected by bob: too few' });
  gateway.tasks = [run([rejected], { state: 'failed', error: { reason: 'declined', message: 'Step a: rejected by bob: too few' } })];
  await open();
  assert.equal(await page.locator('.task .state').innerText(), 'Rejected');
  assert.equal(await page.locator('.task').getAttribute('data-state'), 'rejected');
  await toggle().click();
  assert.equal(await words('a'), 'Step a Rejected rejected by bob: too few');
  const colours = await page.locator('.task').evaluate((row) => {
    const colour = (state) => ((row.dataset.state = state), getComputedStyle(row.querySelector('.state')).color);
    return [colour('rejected'), colour('failed')];
  });
  assert.notEqual(colours[0], colours[1]);
});

test('the files of a run are offered each and all at once, by keyboard', async () => {
  const id = '01JD0000000000000000000001';
  const zip = `/api/tasks/${id}/files.zip`;
  gateway.runFiles[`/api/tasks/${id}/files`] = { zip, files: ['a.html', 'a (2).html'].map((name, n) => ({ name, step: 'Report', href: `/api/files/01F${n}/a.html` })) };
  gateway.tasks = [run([step('a', 'succeeded')], { id, state: 'succeeded', result: { file_count: 2, files_href: zip } })];
  await open();
  await page.getByRole('button', { name: '2 files' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Download: a (2).html' }).waitFor();
  const all = page.getByRole('button', { name: 'Download: Download all (ZIP)' });
  const [download] = await Promise.all([page.waitForEvent('download'), all.press('Enter')]);
  assert.equal(download.suggestedFilename(), 'files.zip');
  assert.ok(gateway.requests.includes(`GET ${zip}`));
});
