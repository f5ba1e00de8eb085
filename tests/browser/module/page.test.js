import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { parseColumns, tableNameFor } from '../../../client/page/import-form.js';
import { drop, launch, pageErrors, until } from '../browser.js';
import { approvalAsked, FakeGateway, problem, taskEvent, token } from '../fake-gateway.js';

const AIRPORTS = new URL('../node_modules/vega-datasets/data/airports.csv', import.meta.url);
let browser, context, page, gateway, errors;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  gateway = await FakeGateway.start();
  context = await browser.newContext();
  page = await context.newPage();
  errors = pageErrors(page); // a breach of the content policy is one
});
afterEach(async () => {
  await context.close();
  await gateway.stop();
  assert.deepEqual(errors, []);
});

const open = async (path = '/?user=ada&env=dev') => {
  await page.goto(gateway.url + path);
  await page.locator('#connection[data-state=live]').waitFor();
};

test('a name is asked for once per tab, and another tab may be somebody else', async () => {
  await page.goto(gateway.url);
  await page.getByRole('textbox', { name: 'Name' }).fill('grace');
  await page.keyboard.press('Enter');
  await page.getByText('Live').waitFor();
  assert.equal(await page.locator('#who-name').innerText(), 'grace');
  await page.reload();
  await page.getByText('Live').waitFor();
  const other = await context.newPage();
  await other.goto(gateway.url);
  await other.getByRole('heading', { name: 'Who are you?' }).waitFor();
});

test('in development one may be of groups, and says so once per tab', async () => {
  const asked = [];
  page.on('request', (request) => request.url().includes('/dev/token') && asked.push(new URL(request.url()).searchParams.get('groups')));
  await page.goto(gateway.url);
  await page.getByRole('textbox', { name: 'Name' }).fill('bob');
  await page.getByRole('textbox', { name: 'Groups' }).fill(' reviewers, ,finance ');
  await page.keyboard.press('Enter');
  await page.getByText('Live').waitFor();
  await page.reload();
  await page.getByText('Live').waitFor();
  assert.deepEqual([...new Set(asked.slice(1))], ['reviewers,finance']);
});

test('switching asks for another name and takes the tasks of the first away', async () => {
  gateway.tasks = [{ id: 'a', kind: 'imports', title: 'ada’s', state: 'running', progress: 0 }];
  await open();
  await page.getByText('ada’s').waitFor();
  await page.getByRole('button', { name: 'Switch' }).click();
  await page.getByRole('heading', { name: 'Who are you?' }).waitFor();
  assert.equal(new URL(page.url()).search, '');
  await until(() => gateway.streams.size, (open) => open === 0);
  gateway.tasks = [];
  await page.getByRole('textbox', { name: 'Name' }).fill('bob');
  await page.keyboard.press('Enter');
  await page.getByText('Nothing yet').waitFor();
  assert.equal(await page.getByText('ada’s').count(), 0);
});

test('where no tokens are handed out one is asked for, and one that is refused is asked for again', async () => {
  gateway.development = false;
  await page.goto(gateway.url);
  await page.getByLabel('Token').fill(token({ sub: 'ada', env: 'prod' }));
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('Live').waitFor();
  assert.equal(await page.locator('#who-environment').innerText(), 'prod');
  gateway.streamHandlers.push(...Array(3).fill((_, response) => problem(response, 401, 'the token has expired')));
  gateway.endStreams('retry: 0\n\n');
  await page.getByText('the token has expired').waitFor();
  assert.ok(!page.url().includes(token({ sub: 'ada', env: 'prod' }).slice(0, 20)));
});

test('a dropped file gets a table’s name, is uploaded and imported, and the list shows it', async () => {
  await open();
  await drop(page, 'Airports 2026.csv', await readFile(AIRPORTS, 'utf8'));
  assert.equal(await page.getByLabel('Table', { exact: true }).inputValue(), 'airports_2026');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'start');
  await page.keyboard.press('Enter');
  await until(() => gateway.tasks[0]);
  assert.deepEqual(gateway.tasks[0].input, { file: '01F/Airports%202026.csv', table: 'airports_2026', mode: 'replace' });
  gateway.send(taskEvent({ ...gateway.tasks[0], state: 'running', progress: 0.5, attempt: 1, sequence: 1 }));
  await page.getByRole('progressbar', { name: 'Airports 2026.csv' }).waitFor();
  await page.getByText('Drop a table here').waitFor();
});

test('a file is looked at first, one says how it is written, and it is uploaded once', async () => {
  await open();
  await drop(page, 'a.csv', 'a;b\n1;1,5\n');
  await page.getByText('How the file is written').click();
  await page.getByLabel('Encoding').selectOption('cp850');
  await page.getByLabel('Before fractions').selectOption(',');
  await page.getByRole('button', { name: 'Preview' }).click();
  await until(() => gateway.tasks[0]);
  const { preview, ...said } = gateway.tasks[0].input;
  assert.equal(preview, true);
  assert.deepEqual([said.encoding, said.decimal, said.dates], ['cp850', ',', undefined]);
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await until(() => gateway.tasks.find(({ input }) => !input.preview));
  assert.deepEqual(gateway.tasks.find(({ input }) => !input.preview).input, said);
  assert.equal(gateway.requests.filter((request) => request.startsWith('PUT')).length, 1);
});

test('every sheet of a workbook is imported where one says so, and of the next file it is not said', async () => {
  await open();
  await drop(page, 'Shop.xlsx', 'PK');
  await page.getByLabel('Sheet of a workbook').fill('Orders');
  await page.getByLabel('Every sheet into a table of its own').check();
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await until(() => gateway.tasks[0]);
  assert.deepEqual(gateway.tasks[0].input, { file: '01F/Shop.xlsx', table: 'shop', mode: 'replace', sheets: 'each' });
  // While one is sent, no other is taken.
  await page.locator('#drop:not([hidden])').waitFor();
  await drop(page, 'Next.xlsx', 'PK');
  assert.equal(await page.getByLabel('Every sheet into a table of its own').isChecked(), false);
});

test('a file is chosen and imported by keyboard alone', async () => {
  await open();
  await page.setInputFiles('#file', { name: 'x.tsv', mimeType: 'text/plain', buffer: Buffer.from('a\tb\n') });
  // Back over what else the form has, from its button.
  while ((await page.evaluate(() => document.activeElement?.id)) !== 'table') await page.keyboard.press('Shift+Tab');
  await page.keyboard.type('1 no name');
  await page.keyboard.press('Enter');
  assert.equal(gateway.requests.some((request) => request.startsWith('PUT')), false);
  await page.keyboard.press('Control+A');
  await page.keyboard.type('mine');
  await page.keyboard.press('Enter');
  await until(() => gateway.tasks[0]?.input.table, (table) => table === 'mine');
});

test('an upload that is refused says why, and the file stays chosen', async () => {
  gateway.answer = (request, response) => request.method === 'PUT' && (request.resume(), problem(response, 507, 'the storage is full'), true);
  await open();
  await drop(page, 'a.csv', 'a\n1\n');
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await page.getByRole('alert').getByText('the storage is full').waitFor();
  assert.equal(await page.locator('#file-name').innerText(), 'a.csv');
});

test('rows are updated by the columns that one names, and an upload that was stopped is not a failure', async () => {
  await open();
  await drop(page, 'a.csv.gz', 'a\n1\n');
  assert.equal(await page.getByLabel('Table', { exact: true }).inputValue(), 'a');
  await page.getByLabel('If it is there already').selectOption('Update its rows by key');
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  assert.equal(gateway.requests.some((request) => request.startsWith('PUT')), false); // no key, no import
  gateway.answer = (request) => request.method === 'PUT'; // never answers
  await page.getByLabel('Key columns').fill(' iata , state,');
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('alert').getByText('The upload was stopped.').waitFor();
  gateway.answer = () => false;
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await until(() => gateway.tasks[0]?.input, (input) => input && true);
  assert.deepEqual(gateway.tasks[0].input, { file: '01F/a.csv.gz', table: 'a', mode: 'upsert', key: ['iata', 'state'] });
  assert.deepEqual(parseColumns(',, a,b ,'), ['a', 'b']);
});

test('what is offered is started from the page, and what waits for an answer has a card as long as it does', async () => {
  gateway.functions = [{ kind: 'reports', title: 'Reports', input: {}, offers: [{ name: 'r', title: 'Airports by state', input: { report: 'r' } }] }];
  await open();
  const card = page.getByRole('region', { name: 'Waiting for you' });
  assert.equal(await card.isVisible(), false);
  await page.locator('summary', { hasText: 'Airports by state' }).click();
  await page.getByRole('button', { name: 'Start: Airports by state' }).click();
  await until(() => gateway.tasks[0]?.input, (input) => input && true);
  const question = { task: '01JD0000000000000000000001', step: 'approve', question: 'Publish?' };
  gateway.send(approvalAsked(question));
  await card.getByRole('button', { name: 'Approve: Publish?' }).click();
  await until(() => card.isVisible(), (visible) => !visible);
  await until(() => page.locator('bellwire-toasts .toast:not([inert])').count(), (count) => count === 0);
  assert.deepEqual(gateway.decisions.map(({ decision }) => decision), ['approve']);
});

test('a message is sent to a person and shown to them', async () => {
  await open();
  await page.getByRole('textbox', { name: 'Message' }).fill('<b>tea?</b>');
  await page.keyboard.press('Enter');
  await page.getByText('Sent to ada.').waitFor();
  await page.locator('bellwire-toasts .title', { hasText: '<b>tea?</b>' }).waitFor();
  await page.getByLabel('To', { exact: true }).selectOption('environment');
  await page.getByRole('textbox', { name: 'Message' }).fill('all of you');
  await page.keyboard.press('Enter');
  await page.getByText('Sent to everyone here.').waitFor();
  assert.match(gateway.log.at(-1).text, /"audience":"environment"/);
});

test('a short break is not worth a word, a longer one is said calmly', async () => {
  await open();
  await page.evaluate(() => {
    window.words = [];
    new MutationObserver(() => words.push(document.querySelector('#connection-words').textContent)).observe(document.querySelector('#connection-words'), { childList: true });
  });
  gateway.endStreams('retry: 100\n\n');
  await until(() => gateway.streams.size, (open) => open === 1);
  await page.locator('#connection[data-state=live]').waitFor();
  assert.deepEqual(await page.evaluate(() => words), []);
  gateway.streamHandlers.push((_, response) => problem(response, 503, 'stopping', { 'retry-after': '3' }));
  gateway.endStreams('retry: 0\n\n');
  await until(() => page.evaluate(() => words.at(-1)), (text) => /^The gateway is busy, next try in [123] s$/.test(text));
  await until(() => page.evaluate(() => words.at(-1)), (text) => text === 'Live');
});

test('nothing is loaded from elsewhere', async () => {
  const hosts = new Set();
  page.on('request', (request) => hosts.add(new URL(request.url()).origin));
  await open();
  assert.deepEqual([...hosts], [gateway.url]);
});

test('every field has a name and every picture is named or passed over', async () => {
  await open();
  await drop(page, 'a.csv', 'a\n');
  await page.getByLabel('If it is there already').selectOption('Update its rows by key');
  const nameless = await page.evaluate(() => [...document.querySelectorAll('input, select, textarea, button, img, svg')].filter((each) => {
    const named = each.labels?.length || each.textContent.trim() || each.ariaLabel;
    return !named && each.getAttribute('alt') !== '' && each.ariaHidden !== 'true';
  }).map((each) => each.outerHTML));
  assert.deepEqual(nameless, []);
});

test('nothing is cut off on a narrow phone', async () => {
  await page.setViewportSize({ width: 320, height: 640 });
  gateway.tasks = [{ id: 'a', kind: 'imports', title: 'a_very_long_name_without_any_space_in_it_at_all.csv', state: 'running', progress: 0.3 }];
  await open();
  await page.getByText('a_very_long_name').waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
});

test('a table’s name is made of a file’s', () => {
  const names = { 'Airports 2026 (final).csv': 'airports_2026_final', 'Größe.tsv': 'gro_e', '2024.csv': 't_2024', '数据.csv': 't_import', 'pg_x.csv': 't_pg_x', 'a.b.c': 'a_b', 'x.csv.gz': 'x', 'Zip codes.jsonl.ZST': 'zip_codes', 'a.xlsx': 'a' };
  for (const [file, table] of Object.entries(names)) assert.equal(tableNameFor(file), table);
});

test('a file that the address names is fetched once its reader has signed in, and nothing else is', async () => {
  const href = `/api/shared/${'0'.repeat(32)}/s%C3%A4les.csv`;
  gateway.answer = (request, response, pathname) => pathname === href && (response.end('a\n1\n'), true);
  await page.goto(`${gateway.url}/?user=ada#file=${encodeURIComponent(href)}`);
  const card = page.getByRole('region', { name: 'A file for you' });
  await card.getByText('säles.csv').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), card.getByRole('button', { name: 'Download' }).click()]);
  assert.equal(download.suggestedFilename(), 'säles.csv');
  for (const other of ['https://evil.example/x', '//evil.example/api/files/x', 'javascript:alert(1)', '/api/tasks', '/api/shared/../tasks', '']) {
    await page.evaluate((hash) => (location.hash = hash), `file=${encodeURIComponent(other)}`);
    await card.waitFor({ state: 'hidden' });
  }
});
