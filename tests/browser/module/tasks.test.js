import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { resultSummary } from '../../../client/tasks/result.js';
import { inState, launch, listen, pageErrors, until } from '../browser.js';
import { FakeGateway, problem, taskEvent, token } from '../fake-gateway.js';

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

const at = (seconds) => new Date(Date.UTC(2026, 10, 22, 8, 0, seconds)).toISOString();
const task = (id, state, more = {}) => ({ id, kind: 'imports', title: `${id}.csv`, state, progress: 0, attempt: 1, sequence: 1, created: at(1), ...more });
const rows = () => page.locator('bellwire-tasks .task');
const titles = () => page.locator('bellwire-tasks .title').allInnerTexts();
const states = () => page.locator('bellwire-tasks .state').allInnerTexts();

test('an empty list says that it keeps itself up to date', async () => {
  await open();
  await until(() => page.locator('bellwire-tasks .note').innerText(), (text) => text.startsWith('Nothing yet'));
});

test('the list updates itself from queued over progress to done, in one row', async () => {
  await open();
  gateway.send(taskEvent(task('a', 'queued', { attempt: 0, sequence: 0 })));
  await until(states, (now) => now.join() === 'Waiting');
  gateway.send(taskEvent(task('a', 'running', { sequence: 2, progress: 0.375 })));
  await until(states, (now) => now.join() === 'Running 38 %');
  const bar = page.getByRole('progressbar', { name: 'a.csv' });
  assert.equal(await bar.getAttribute('aria-valuenow'), '38');
  gateway.send(taskEvent(task('a', 'succeeded', { sequence: 3, progress: 1, updated: at(3), result: { table: 'a', rows: 3376, columns: 7, seconds: 0.413 } })));
  await until(states, (now) => now.join() === 'Done');
  assert.equal(await page.locator('bellwire-tasks .result').innerText(), '3,376 rows · 7 columns · in a · 0.41 s');
  assert.equal(await bar.count(), 0);
  assert.equal(await rows().count(), 1);
});

test('newest are first, and what came while the list was on its way is in it', async () => {
  let release;
  gateway.tasks = [task('b', 'succeeded', { created: at(2) }), task('a', 'running', { created: at(1), progress: 0.1 })];
  gateway.answer = async (_, __, path) => {
    if (path === '/api/tasks') await new Promise((resolve) => (release = resolve));
    return false;
  };
  await open();
  gateway.send(taskEvent(task('c', 'queued', { created: at(3) })));
  gateway.send(taskEvent(task('a', 'succeeded', { created: at(1), sequence: 9 })));
  await until(titles, (all) => all.length === 2);
  gateway.answer = () => false;
  release();
  await until(titles, (all) => all.join() === 'c.csv,b.csv,a.csv');
  await until(states, (now) => now.join() === 'Waiting,Done,Done');
});

test('a list from a pod that has read less of the log than the events’ pod is loaded again', async () => {
  gateway.tasks = [task('a', 'running')];
  gateway.listCursor = 'c3';
  for (let n = 0; n < 5; n++) gateway.send(taskEvent(task(`elsewhere${n}`, 'queued', { parent: 'x' }))); // the stream begins at c5
  await open();
  await until(states, (now) => now.join() === 'Running 0 %');
  gateway.tasks = [task('a', 'succeeded', { sequence: 2 })];
  gateway.listCursor = 'c5';
  await until(states, (now) => now.join() === 'Done');
  const asked = gateway.requests.length;
  gateway.send(taskEvent(task('last', 'queued', { created: at(9) })));
  await until(titles, (all) => all.join() === 'last.csv,a.csv');
  assert.equal(gateway.requests.length, asked, 'and then no more');
});

test('after a gap the list is loaded again', async () => {
  await open();
  gateway.send(taskEvent(task('gone', 'queued')));
  await until(titles, (all) => all.join() === 'gone.csv');
  gateway.tasks = [task('there', 'running')];
  for (const stream of gateway.streams) stream.write('event: gap\ndata: {"reason":"remade"}\n\n');
  await until(titles, (all) => all.join() === 'there.csv');
});

test('a list that cannot be loaded says why and is tried again', async () => {
  gateway.answer = (_, response, path) => path === '/api/tasks' && (problem(response, 503, 'catching up'), true);
  await open();
  await until(() => page.locator('bellwire-tasks .trouble').innerText(), (text) => text.includes('catching up'));
  gateway.answer = () => false;
  gateway.tasks = [task('a', 'running')];
  await page.getByRole('button', { name: 'Try again' }).click();
  await until(titles, (all) => all.length === 1);
  assert.equal(await page.locator('bellwire-tasks .trouble').isVisible(), false);
});

test('a running task is cancelled by keyboard, and the focus stays in its row', async () => {
  gateway.tasks = [task('a', 'running')];
  await open();
  const cancel = page.getByRole('button', { name: 'Cancel: a.csv' });
  await cancel.focus();
  gateway.answer = (_, response) => (response.writeHead(204).end(), true);
  await page.keyboard.press('Enter');
  await until(() => gateway.requests, (all) => all.includes('DELETE /api/tasks/a'));
  gateway.send(taskEvent(task('a', 'cancelled', { attempt: 0, sequence: 1 })));
  await until(states, (now) => now.join() === 'Cancelled');
  assert.equal(await page.evaluate(() => document.querySelector('bellwire-tasks').shadowRoot.activeElement?.className), 'task');
});

test('a failed task says why, as text, and a refused cancelling too', async () => {
  gateway.tasks = [task('a', 'failed', { error: { reason: 'input', message: 'Line 7: <b>quote</b> never closes' } }), task('b', 'running')];
  gateway.answer = (request, response) => request.method === 'DELETE' && (problem(response, 503, 'the broker is away'), true);
  await open();
  await until(() => page.locator('bellwire-tasks .result:visible').allInnerTexts(), (texts) => texts.join() === 'Line 7: <b>quote</b> never closes');
  await page.getByRole('button', { name: 'Cancel: b.csv' }).click();
  await until(() => page.locator('bellwire-tasks .trouble').innerText(), (text) => text.includes('the broker is away'));
});

test('what a file says about itself is saved beside it', async () => {
  const href = '/api/files/01F/sales_year-2015.csv';
  gateway.tasks = [task('a', 'succeeded', { kind: 'reports', title: 'Sales', result: { rows: 1, href, about: `${href}.about.json`, summary: 'CSV · Year: 2015' } })];
  await open();
  await until(() => page.locator('bellwire-tasks .result').innerText(), (text) => text === '1 row · CSV · Year: 2015');
  for (const [label, name] of [['Download', 'sales_year-2015.csv'], ['About', 'sales_year-2015.csv.about.json']]) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: `${label}: Sales` }).click()]);
    assert.equal(download.suggestedFilename(), name);
  }
});

test('rejected rows are told with the first reason, and saved with the token in the header', async () => {
  const rejected = { rows: 12, href: '/api/files/01F/rejected.csv', first: [{ line: 5, reason: '9 fields, the header has 8' }] };
  gateway.tasks = [task('a', 'succeeded', { result: { rows: 1, columns: ['x'], rejected, href: 'javascript:alert(1)' } })];
  await open();
  await until(() => page.locator('bellwire-tasks .result').innerText(), (text) => text === '1 row · 1 column · 12 rejected\nline 5: 9 fields, the header has 8');
  assert.equal(await page.getByText('Download').count(), 0);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Rejected rows: a.csv' }).click()]);
  assert.equal(download.suggestedFilename(), 'rejected.csv');
});

test('a file that was refused for its rejected rows is no fault, and its other rows are imported by one click', async () => {
  const rejected = { rows: 100, href: '/api/files/01F/rejected.csv', first: [{ line: 3, reason: 'it has 1 field, the header 2' }] };
  const again = { file: '01F/a.csv', table: 'a', accept_rejected: true };
  const refused = { error: { reason: 'rejected', message: '100 of 101 rows do not fit' }, result: { href: rejected.href, rejected, again } };
  const forged = { ...refused, kind: 'workflows', title: 'forged' };
  gateway.tasks = [task('a', 'failed', refused), task('b', 'failed', forged)];
  await open();
  assert.deepEqual(await states(), ['Not imported', 'Not imported']);
  assert.equal(await rows().first().getAttribute('data-state'), 'rejected');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Rejected rows: a.csv' }).click()]);
  assert.equal(download.suggestedFilename(), 'rejected.csv');
  // Nobody but an import chooses what is started so.
  assert.equal(await page.getByText('Import the others').count(), 1);
  await page.getByRole('button', { name: 'Import the rows that fit: a.csv' }).dblclick();
  await until(() => page.getByText('Import the others').count(), (count) => count === 0);
  assert.deepEqual(gateway.starts, [{ key: 'again-a', kind: 'imports', title: 'a.csv', input: again }]);
});

test('sheets of a workbook are told one by one', () => {
  const rejected = { rows: 1, href: '/api/files/01F/rejected.csv', first: [{ line: 3, reason: 'column n: it is no integer' }] };
  const sheets = [{ table: 'orders', rows: 2, columns: ['id', 'sum'], seconds: 1, sheet: 'Orders' }, { table: 'codes', rows: 1, columns: ['n'], rejected }];
  const notes = ['without the sheets that are empty or hidden: "Empty"'];
  assert.equal(
    resultSummary({ rows: 3, sheets, notes, rejected }),
    'orders: 2 rows · 2 columns\ncodes: 1 row · 1 column · 1 rejected\nline 3: column n: it is no integer\nwithout the sheets that are empty or hidden: "Empty"',
  );
  assert.equal(resultSummary({ sheets: [{ table: 't', columns: [{ name: 'n', type: 'integer' }], first_rows: [['1']] }] }), 't: Nothing is imported yet\nn integer\n1');
  const many = Array.from({ length: 12 }, (_, at) => ({ table: `t${at}`, rows: 1 }));
  assert.match(resultSummary({ sheets: many }), /t9: 1 row\nand 2 more tables$/);
});

test('the focus stays where it is while other rows come and change', async () => {
  gateway.tasks = [task('a', 'running')];
  await open();
  await page.getByRole('button', { name: 'Cancel: a.csv' }).focus();
  for (let n = 0; n < 5; n++) gateway.send(taskEvent(task(`n${n}`, 'queued', { created: at(10 + n) })));
  gateway.send(taskEvent(task('a', 'running', { sequence: 5, progress: 0.5 })));
  await until(() => rows().count(), (count) => count === 6);
  assert.equal(await page.evaluate(() => document.querySelector('bellwire-tasks').shadowRoot.activeElement?.ariaLabel), 'Cancel: a.csv');
});

test('many tasks are shown a page at a time', async () => {
  gateway.tasks = Array.from({ length: 70 }, (_, n) => task(`t${String(n).padStart(3, '0')}`, 'succeeded', { created: at(n) }));
  await open();
  await until(() => rows().count(), (count) => count === 20);
  await page.getByRole('button', { name: 'Show 50 older' }).click();
  assert.equal(await rows().count(), 60);
});

test('the steps of a workflow are not in the list: its run tells of them', async () => {
  gateway.tasks = [task('step', 'running', { parent: 'run' }), task('run', 'running', { kind: 'workflows' })];
  await open();
  gateway.send(taskEvent(task('other', 'running', { parent: 'run' })));
  gateway.send(taskEvent(task('last', 'queued', { created: at(9) })));
  await until(titles, (all) => all.join() === 'last.csv,run.csv');
});

test('a task that waits for its time says when that is, and why it waits', async () => {
  await open();
  const result = () => page.locator('bellwire-tasks .result').allInnerTexts();
  const later = new Date(Date.now() + 3_600_000).toISOString();
  gateway.send(taskEvent(task('a', 'queued', { attempt: 0, sequence: 1, not_before: later })));
  await until(result, ([text]) => /^Begins .*\d/.test(text));
  gateway.send(taskEvent(task('a', 'queued', { attempt: 2, sequence: 0, not_before: later, error: { reason: 'unavailable', message: 'It is away' } })));
  await until(result, ([text]) => /^It is away · Begins .*\d/.test(text));
  gateway.send(taskEvent(task('a', 'running', { attempt: 2, sequence: 9, not_before: later })));
  await until(result, ([text]) => text === '');
});

test('a task whose worker was lost says so until it runs again', async () => {
  const error = { reason: 'lost', message: 'Its worker is gone; another will take it' };
  gateway.tasks = [task('a', 'queued', { error })];
  await open();
  await until(() => page.locator('bellwire-tasks .result').innerText(), (text) => text === error.message);
  assert.deepEqual(await states(), ['Waiting']);
  gateway.send(taskEvent(task('a', 'running', { attempt: 2, sequence: 1 })));
  await until(states, (now) => now.join() === 'Running 0 %');
  assert.equal(await page.locator('bellwire-tasks .result').isVisible(), false);
});

test('what a report and an import by definition came to is told in a few words', () => {
  const [expires, until] = ['2026-11-29T12:00:00Z', new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }).format(Date.UTC(2026, 10, 29, 12))];
  assert.equal(resultSummary({ rows: 51, bytes: 9000, seconds: 3, report: 'x', expires }), `51 rows · 3 s · kept until ${until}`);
  const summary = 'XLSX · Year: 2015';
  assert.equal(resultSummary({ rows: 51, seconds: 3, format: 'xlsx', summary, parameters: { year: 2015 }, expires }), `51 rows · ${summary} · 3 s · kept until ${until}`);
  assert.equal(resultSummary({ rows: 1, ignored: ['a', 'b'] }), '1 row · 2 columns left out');
  assert.equal(resultSummary({ rows: 'x', columns: {}, seconds: null, ignored: 7, expires: 'soon', rejected: 3, steps: {} }), '');
});

test('a guessed encoding, what was found out of a file, and a preview are told', () => {
  const notes = ['column price: a comma stands before fractions'];
  assert.equal(resultSummary({ rows: 1, encoding: 'windows-1252', certainty: 'guess', notes }), `1 row · read as windows-1252, a guess\n${notes[0]}`);
  assert.equal(resultSummary({ rows: 1, encoding: 'utf-8', certainty: 'certain', notes: 3 }), '1 row');
  const preview = {
    table: 't', encoding: 'utf-8', certainty: 'certain', notes,
    columns: [{ name: 'day', type: 'date' }, { name: 'price', type: 'number' }],
    first_rows: [['2026-12-31', '1.5'], [null, '2']],
    first_rejected: [{ line: 4, reason: 'it has text after a closing quote' }],
  };
  assert.equal(
    resultSummary(preview),
    `Nothing is imported yet\nday date | price number\n2026-12-31 | 1.5\n | 2\nline 4: it has text after a closing quote\n${notes[0]}`,
  );
});

test('what a task says is shown on demand, as it is said, and as text', async () => {
  let said;
  gateway.answer = (request, response, pathname) => {
    if (pathname !== '/api/tasks/a/log') return false;
    response.writeHead(200, { 'content-type': 'application/jsonl' });
    said = (attempt, number, level, message) => response.write(`${JSON.stringify({ attempt, number, time: at(number), level, message })}\n`);
    response.write('\n');
    return true;
  };
  await open();
  gateway.tasks = [task('a', 'running')];
  gateway.send(taskEvent(gateway.tasks[0]));
  const button = page.getByRole('button', { name: 'Log' });
  await button.waitFor();
  assert.equal(said, undefined, 'nobody looks yet');
  await button.click();
  await until(() => said, Boolean);
  said(1, 1, 'info', '<b>made</b>');
  said(1, 4, 'warning', 'späť');
  const lines = page.getByRole('log', { name: 'a.csv' }).locator('li > span');
  await until(() => lines.allInnerTexts(), (texts) => texts.join() === '<b>made</b>,2 lines left out,Warning: späť');
  await button.click();
  assert.equal(await page.getByRole('log').count(), 0);
});

test('a log is asked for no more once its row is gone, and goes on through a pod that has just gone', async () => {
  let [asked, closed] = [0, 0];
  gateway.answer = (request, response, pathname) => {
    if (pathname !== '/api/tasks/a/log') return false;
    asked += 1;
    if (asked === 2) {
      response.writeHead(503, { 'retry-after': '0' });
      response.end();
      return true;
    }
    response.writeHead(200, { 'content-type': 'application/jsonl' });
    response.write('\n');
    if (asked === 1) setTimeout(() => response.destroy(), 50);
    else response.on('close', () => (closed += 1));
    return true;
  };
  await open();
  gateway.tasks = [task('a', 'running')];
  gateway.send(taskEvent(gateway.tasks[0]));
  await page.getByRole('button', { name: 'Log' }).click();
  await until(() => asked, (times) => times === 3);
  assert.equal(await page.locator('bellwire-tasks [role=alert]').count(), 0);
  await page.evaluate(() => (document.querySelector('bellwire-tasks').connection = null));
  await until(() => closed, (times) => times === 1);
});

test('a log whose answer breaks off goes on where it was', async () => {
  const asked = [];
  gateway.answer = (request, response, pathname) => {
    if (pathname !== '/api/tasks/a/log') return false;
    asked.push(new URL(request.url, gateway.url).searchParams.get('after'));
    response.writeHead(200, { 'content-type': 'application/jsonl' });
    response.write(`${JSON.stringify({ attempt: 1, number: asked.length, time: at(1), level: 'info', message: `line ${asked.length}` })}\n`);
    if (asked.length === 1) setTimeout(() => response.destroy(), 50);
    else {
      gateway.tasks[0].state = 'succeeded';
      response.end();
    }
    return true;
  };
  await open();
  gateway.tasks = [task('a', 'running')];
  gateway.send(taskEvent(gateway.tasks[0]));
  await page.getByRole('button', { name: 'Log' }).click();
  await until(() => page.getByRole('log').locator('li > span').allInnerTexts(), (texts) => texts.join() === 'line 1,line 2');
  assert.deepEqual(asked, [null, '1.1']);
});

test('a result says who has it besides its owner, and who has not', () => {
  const delivered = { to: 'user:boss', mails: 2, webhooks: 1, undelivered: [{ to: 'x@example.com', reason: '550 no such user' }] };
  assert.equal(resultSummary({ rows: 1, delivered }), '1 row\nSent to user:boss, 2 addresses, 1 webhook\nNot sent to x@example.com: 550 no such user');
  assert.equal(resultSummary({ rows: 1, delivered: { mails: 0, webhooks: 0 } }), '1 row');
});
