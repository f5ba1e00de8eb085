import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { buildInput, parseValue } from '../../../client/start/input.js';
import { inState, launch, listen, pageErrors, until } from '../browser.js';
import { FakeGateway, problem, token } from '../fake-gateway.js';

test('each value gets to its path, with the type of its field; what was left empty is left out', () => {
  const offer = { name: 'x', title: 'X', input: { report: 'sales', parameters: { fixed: 1 } } };
  const input = buildInput(offer, [['parameters.month', '2026-11'], ['parameters.deep.er', 3], ['format', undefined], ['list', [1]]]);
  assert.deepEqual(input, { report: 'sales', parameters: { fixed: 1, month: '2026-11', deep: { er: 3 } }, list: [1] });
  assert.deepEqual(offer.input, { report: 'sales', parameters: { fixed: 1 } });
});

test('a path that names the root of all objects is a path like any other', () => {
  const input = buildInput({ name: 'x', title: 'X', input: {} }, [['__proto__.polluted', 1], ['constructor.prototype.polluted', 2]]);
  assert.equal({}.polluted, undefined);
  assert.equal(JSON.stringify(input), '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}');
});

test('what was written becomes a value of its type, or words about why not', () => {
  for (const [type, written, value] of [
    ['text', ' as is ', ' as is '], ['text', '  ', undefined], ['integer', ' -7 ', -7], ['integer', '1e3', 1000], ['number', '0.5', 0.5],
    ['boolean', 'true', true], ['boolean', 'false', false], ['boolean', '', undefined], ['date', '2026-11-22', '2026-11-22'], ['month', '2026-11', '2026-11'],
  ]) assert.deepEqual(parseValue(type, written), value);
  assert.throws(() => parseValue('integer', '1.5'), /“1.5” is not a whole number/);
  assert.throws(() => parseValue('number', 'many'), /“many” is not a number/);
  assert.throws(() => parseValue('integer', '9007199254740993'), /too large/);
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

async function open(claims) {
  await page.goto(`${gateway.url}/blank`);
  await listen(page, { token: token(claims) });
  await page.evaluate(async () => {
    await import('/client/start.js');
    const start = document.createElement('bellwire-start');
    start.addEventListener('started', ({ detail }) => (window.started = detail.id));
    start.connection = connection;
    document.body.append(start);
  });
  await inState(page, 'live');
}

const field = (path, title, type, more = {}) => ({ path, title, type, ...more });
const SALES = {
  name: 'sales', title: 'Sales by month', description: 'What was sold, by region.', input: { report: 'sales' },
  fields: [
    field('parameters.month', 'Month', 'month', { default: '2026-11', required: true }),
    field('parameters.least', 'At least', 'integer', { hint: 'Regions with less are left out' }),
    field('parameters.share', 'Share', 'number'),
    field('parameters.day', 'Day', 'date'),
    field('parameters.name', 'Name', 'text', { required: true }),
    field('parameters.closed', 'With closed ones', 'boolean', { default: true }),
    field('parameters.tower', 'With a tower', 'boolean'),
    field('parameters.size', 'Size', 'integer', { choices: [1, 20], default: 20 }),
    field('format', 'Format', 'text', { choices: ['csv', 'xlsx'], required: true, default: 'xlsx' }),
  ],
};
const AIRPORTS = { name: 'airports', title: 'Airports', input: { definition: 'airports' }, fields: [field('file', 'File', 'file', { required: true })] };
const described = (...offers) => [{ kind: 'reports', title: 'Reports', input: {}, offers }];
const summary = (title) => page.locator('summary', { hasText: title });
const start = (title) => page.getByRole('button', { name: `Start: ${title}` });

test('a form is filled in by keyboard alone, and starts the task with values of the right types', async () => {
  gateway.functions = described(SALES);
  await open();
  await summary('Sales by month').focus();
  await page.keyboard.press('Enter');
  await page.getByText('What was sold, by region.').waitFor();
  assert.equal(await page.getByRole('textbox', { name: 'Month' }).inputValue(), '2026-11');
  await page.getByLabel('At least').fill('12');
  await page.getByLabel('Share').fill('0.25');
  await page.getByLabel('Day').fill('2026-11-22');
  await page.getByLabel('Name').fill('<b>north</b>');
  await page.getByLabel('With closed ones').press('Space');
  await page.getByLabel('With a tower').selectOption('Yes');
  await page.getByLabel('Size').selectOption('1');
  await page.getByLabel('Name').press('Enter');
  await page.getByText('“Sales by month” has been started.').waitFor();
  const [{ key, ...sent }] = gateway.starts;
  assert.deepEqual(sent, { kind: 'reports', title: 'Sales by month', input: {
    report: 'sales', format: 'xlsx',
    parameters: { month: '2026-11', least: 12, share: 0.25, day: '2026-11-22', name: '<b>north</b>', closed: false, tower: true, size: 1 },
  } });
  assert.match(key, /^[0-9a-f]{32}$/);
  assert.equal(await page.evaluate(() => document.querySelector('bellwire-start').shadowRoot.activeElement?.textContent), 'Sales by month');
  assert.equal(await page.evaluate(() => window.started), gateway.tasks[0].id);
});

test('what is not required and left empty is not sent, and what is required must be filled in', async () => {
  gateway.functions = described(SALES);
  await open();
  await summary('Sales by month').click();
  await start('Sales by month').click();
  assert.equal(await page.getByLabel('Name').evaluate((input) => input.matches(':invalid') && input.getRootNode().activeElement === input), true);
  assert.equal(gateway.starts.length, 0);
  await page.getByLabel('Name').fill('x');
  await page.getByLabel('Size').selectOption('—');
  await start('Sales by month').click();
  await until(() => gateway.starts[0]?.input, (input) => input && true);
  assert.deepEqual(gateway.starts[0].input, { report: 'sales', format: 'xlsx', parameters: { month: '2026-11', name: 'x', closed: true } });
});

test('what the gateway says of a field is said at the form, and the focus goes there', async () => {
  gateway.functions = described(SALES);
  gateway.answer = (request, response) => request.method === 'POST' && (request.resume(), problem(response, 400, 'input.parameters.least: 12 is above <5>'), true);
  await open();
  await summary('Sales by month').click();
  await page.getByLabel('Name').fill('x');
  await page.getByLabel('At least').fill('12');
  await start('Sales by month').click();
  await page.getByRole('alert').getByText('input.parameters.least: 12 is above <5>').waitFor();
  assert.equal(await page.getByLabel('At least').getAttribute('aria-invalid'), 'true');
  assert.equal(await page.evaluate(() => document.querySelector('bellwire-start').shadowRoot.activeElement?.value), '12');
  assert.equal(await page.getByLabel('Name').inputValue(), 'x');
  await page.getByLabel('At least').fill('3');
  assert.equal(await page.getByLabel('At least').getAttribute('aria-invalid'), null);
});

test('a number that the browser would round is not sent', async () => {
  gateway.functions = described(SALES);
  await open();
  await summary('Sales by month').click();
  await page.getByLabel('Name').fill('x');
  await page.getByLabel('At least').fill('9007199254740993');
  await start('Sales by month').click();
  await page.getByRole('alert').getByText('At least: “9007199254740993” is too large a number').waitFor();
  assert.equal(gateway.starts.length, 0);
});

test('a file is stored first, with its progress, and another try does not send it again', async () => {
  gateway.functions = [{ kind: 'imports', title: 'Imports', input: {}, offers: [AIRPORTS] }];
  let tries = 0;
  gateway.answer = (request, response, path) => path === '/api/tasks' && request.method === 'POST' && tries++ === 0 && (request.resume(), problem(response, 503, 'the broker is away'), true);
  await open();
  await summary('Airports').click();
  await page.getByLabel('File').setInputFiles({ name: 'a b.csv', mimeType: 'text/csv', buffer: Buffer.from('a\n1\n') });
  await start('Airports').click();
  await page.getByRole('alert').getByText('the broker is away').waitFor();
  await start('Airports').click();
  await page.getByText('“Airports” has been started.').waitFor();
  assert.deepEqual(gateway.starts[0].input, { definition: 'airports', file: '01F/a%20b.csv' });
  assert.equal(gateway.requests.filter((request) => request.startsWith('PUT')).length, 1);
});

test('an upload can be stopped', async () => {
  gateway.functions = [{ kind: 'imports', title: 'Imports', input: {}, offers: [AIRPORTS] }];
  gateway.answer = (request) => request.method === 'PUT'; // never answers
  await open();
  await summary('Airports').click();
  await page.getByLabel('File').setInputFiles({ name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from('a\n1\n') });
  await start('Airports').click();
  await page.locator('bellwire-start .status').getByText('Uploading a.csv').waitFor();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('alert').getByText('The upload was stopped.').waitFor();
  assert.equal(gateway.starts.length, 0);
});

test('another try after a lost answer has the same key, another filling-in another', async () => {
  gateway.functions = described(SALES);
  const keys = [];
  await page.route('**/api/tasks', (route, request) => {
    if (request.method() === 'POST') keys.push(request.headers()['idempotency-key']);
    return keys.length === 1 ? route.abort() : route.continue();
  });
  await open();
  await summary('Sales by month').click();
  await page.getByLabel('Name').fill('x');
  await start('Sales by month').click();
  await page.getByRole('alert').getByText('cannot be reached').waitFor();
  await start('Sales by month').click();
  await page.getByText('has been started').waitFor();
  await summary('Sales by month').click();
  await start('Sales by month').click();
  await until(() => keys.length, (count) => count === 3);
  assert.equal(keys[0], keys[1]);
  assert.notEqual(keys[1], keys[2]);
});

test('pressing twice starts once', async () => {
  gateway.functions = described(SALES);
  gateway.answer = async (request) => request.method === 'POST' && (await new Promise((resolve) => setTimeout(resolve, 150)), false);
  await open();
  await summary('Sales by month').click();
  await page.getByLabel('Name').fill('x');
  await start('Sales by month').dblclick();
  await page.getByText('has been started').waitFor();
  assert.equal(gateway.starts.length, 1);
});

test('what is offered later shows up after a gap, and what somebody is writing stays', async () => {
  gateway.functions = described(SALES);
  await open();
  await summary('Sales by month').click();
  await page.getByLabel('Name').fill('half');
  const gap = () => gateway.streams.forEach((stream) => stream.write('event: gap\ndata: {"reason":"remade"}\n\n'));
  gap();
  gateway.functions = described(SALES, { name: 'new', title: 'A new one', input: {} });
  gap();
  await summary('A new one').waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), 'half');
  assert.equal(await page.getByLabel('Name').isVisible(), true);
  gateway.functions = [];
  gap();
  await page.getByText('There is nothing to start here yet').waitFor();
});

test('while nothing is offered it is looked for again, for a worker may just be starting', async () => {
  await page.clock.install();
  await open();
  await page.getByText('There is nothing to start here yet').waitFor();
  gateway.functions = described(SALES);
  await page.clock.fastForward(11_000);
  await summary('Sales by month').waitFor();
  assert.equal(await page.getByText('There is nothing to start here yet').isVisible(), false);
});

test('what can be started is loaded again once the connection is live again', async () => {
  gateway.answer = (_, response, path) => path === '/api/functions' && (problem(response, 503, 'catching up'), true);
  await open();
  await until(() => page.locator('bellwire-start .trouble').innerText(), (text) => text.includes('catching up'));
  gateway.answer = () => false;
  gateway.functions = described(SALES);
  gateway.endStreams('retry: 0\n\n');
  await summary('Sales by month').waitFor();
  assert.equal(await page.locator('bellwire-start .trouble').isVisible(), false);
  gateway.functions = described(AIRPORTS); // no event tells of it
  gateway.endStreams('retry: 0\n\n');
  await summary('Airports').waitFor();
});

test('words and names of an offer are text, and one kind alone is shown where it is asked for', async () => {
  const evil = '<img src=x onerror="window.pwned = 1">';
  gateway.functions = [...described({ name: evil, title: evil, description: evil, input: {}, fields: [field('x', evil, 'text', { hint: evil, choices: [evil], default: evil })] }), { kind: 'imports', title: 'Imports', offers: [AIRPORTS] }];
  await open();
  await summary(evil).click();
  await page.getByRole('combobox', { name: evil }).waitFor();
  assert.equal(await page.locator('bellwire-start img').count(), 0);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  await page.evaluate(() => {
    const one = document.createElement('bellwire-start');
    one.setAttribute('kind', 'imports');
    one.connection = connection;
    document.body.append(one);
  });
  await until(() => page.locator('bellwire-start').nth(1).locator('summary').allInnerTexts(), (all) => all.join() === 'Airports');
});

test('every control has a name, and is described by its hint', async () => {
  gateway.functions = described(SALES, AIRPORTS);
  await open();
  await summary('Sales by month').click();
  await summary('Airports').evaluate((element) => element.parentElement.removeAttribute('name'));
  await summary('Airports').click();
  const nameless = await page.locator('bellwire-start :is(input, select)').evaluateAll((all) => all.filter((each) => !each.labels?.length).map((each) => each.outerHTML));
  assert.deepEqual(nameless, []);
  assert.equal(await page.getByLabel('At least').evaluate((input) => input.getRootNode().getElementById(input.getAttribute('aria-describedby')).textContent), 'Regions with less are left out');
});
