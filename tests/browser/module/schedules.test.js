import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { inState, launch, listen, pageErrors, until } from '../browser.js';
import { FakeGateway, problem, token } from '../fake-gateway.js';

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

const SALES = { kind: 'reports', name: 'sales.monthly', title: 'Sales of <b>last</b> month', owner: 'ada', cron: '0 6 1 * *', time_zone: 'Europe/Berlin', next: '2026-12-01T05:00:00Z', recipients: ['group:finance', 'boss@example.com'] };

async function open() {
  await page.goto(`${gateway.url}/blank`);
  await listen(page, { token: token(), hiddenAfter: 60_000 });
  await page.evaluate(async () => {
    await import('/client/schedules.js');
    const element = document.createElement('bellwire-schedules');
    element.connection = connection;
    document.body.append(element);
  });
  await inState(page, 'live');
}

const shown = () => page.locator('bellwire-schedules .schedule').allInnerTexts();
const isEmpty = () => page.locator('bellwire-schedules').evaluate((list) => list.hasAttribute('data-empty'));

test('what starts by itself is listed as text, paused, resumed and started now', async () => {
  gateway.schedules = [structuredClone(SALES)];
  await open();
  const [row] = await until(shown, (rows) => rows.length === 1);
  assert.ok(row.includes('Sales of <b>last</b> month') && row.includes('0 6 1 * * Europe/Berlin') && row.includes('next ') && row.includes('goes to group:finance, boss@example.com'), row);
  await page.getByRole('button', { name: 'Pause: Sales of <b>last</b> month' }).click();
  await page.getByText('paused by ada').waitFor();
  await page.getByRole('button', { name: 'Resume: Sales of <b>last</b> month' }).click();
  await page.getByRole('button', { name: 'Pause: Sales of <b>last</b> month' }).waitFor();
  await page.getByRole('button', { name: 'Start now: Sales of <b>last</b> month' }).click();
  const posts = await until(() => gateway.requests.filter((each) => each.startsWith('POST')), (all) => all.length === 3);
  assert.deepEqual(posts, ['pause', 'resume', 'run'].map((word) => `POST /api/schedules/reports/sales.monthly/${word}`));
});

test('without schedules the list says that it is empty, and what is refused is shown beside its schedule', async () => {
  await open();
  await until(isEmpty, (empty) => empty);
  gateway.schedules = [structuredClone(SALES)];
  await page.evaluate(() => Object.assign(document.querySelector('bellwire-schedules'), { connection }));
  await until(shown, (rows) => rows.length === 1);
  gateway.answer = (request, response) => request.method === 'POST' && (problem(response, 409, 'user:ada is not in gateway.schedules_for'), true);
  await page.getByRole('button', { name: /^Start now/ }).click();
  await page.getByText('user:ada is not in gateway.schedules_for').waitFor();
});
