import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { csvParse } from 'd3-dsv';
import { unzipSync } from 'fflate';
import { readSheet } from 'read-excel-file/node';

import { launch, pageErrors, until } from '../browser.js';
import { dataset, loadTables, openForm, pods, signIn, toastsOf, uniqueUser } from './pods.js';

/** By themselves, and not by the table that is imported from the same file. */
async function airportsByState(least) {
  const states = new Map();
  for (const { state, city } of csvParse(await readFile(dataset('airports.csv'), 'utf8'))) {
    if (!state) continue;
    const cities = states.get(state) ?? [];
    cities.push(city);
    states.set(state, cities);
  }
  return [...states].filter(([, cities]) => cities.length >= least).map(([state, cities]) => [state, cities.length]);
}

let browser, context;
before(async () => {
  browser = await launch();
  await loadTables();
});
after(() => browser.close());
beforeEach(async () => (context = await browser.newContext()));
afterEach(() => context.close());

const row = (page, title) => page.locator('bellwire-tasks .task', { hasText: title });

/** Starts the report by its form on one page, and downloads it by the toast on another. */
async function report(from, to, { least, format }) {
  const form = await openForm(from, 'Airports by state');
  await form.getByLabel('At least so many airports').fill(String(least));
  await form.getByLabel('Format').selectOption(format);
  await form.getByRole('button', { name: 'Start: Airports by state' }).click();
  await from.getByText('“Airports by state” has been started.').waitFor();
  await until(() => toastsOf(to), (titles) => titles.length === 1, 60_000);
  const [download] = await Promise.all([to.waitForEvent('download'), to.locator('bellwire-toasts .action').click()]);
  return download;
}

test('a report is asked for by its form on one pod; the toast’s download on the other opens as a workbook with its chart', async () => {
  const ada = uniqueUser('ada');
  const pages = [await signIn(context, pods[0], ada), await signIn(context, pods[1], ada)];
  const errors = pages.map(pageErrors);
  const download = await report(pages[0], pages[1], { least: 50, format: 'xlsx' });
  assert.equal(download.suggestedFilename(), 'airports-by-state_minimum-50.xlsx');
  const bytes = await readFile(await download.path());
  const [header, ...rows] = await readSheet(bytes);
  assert.deepEqual(header, ['State', 'Airports', 'Cities']);
  const counts = rows.map(([state, airports]) => [state, airports]);
  assert.deepEqual(new Map(counts), new Map(await airportsByState(50)));
  assert.ok(Object.keys(unzipSync(bytes)).some((name) => /^xl\/charts\/chart\d+\.xml$/.test(name)));
  for (const page of pages) {
    await row(page, 'Airports by state').getByText('Done').waitFor();
    await row(page, 'Airports by state').getByText('XLSX · At least so many airports: 50').waitFor();
    assert.match((await toastsOf(page))[0], /Airports by state/);
  }
  assert.deepEqual(errors, [[], []]);
});

test('a report as a page opens without Bellwire, with its table and its chart', async () => {
  const ada = uniqueUser('ada');
  const page = await signIn(context, pods[1], ada);
  const download = await report(page, page, { least: 100, format: 'html' });
  const target = `${await download.path()}.html`;
  await download.saveAs(target);
  const opened = await context.newPage();
  const asked = [];
  opened.on('request', (request) => asked.push(request.url()));
  await opened.goto(pathToFileURL(target).href);
  const shown = await opened.locator('tbody tr').evaluateAll((all) => all.map((each) => each.cells[0].textContent.trim()));
  assert.deepEqual([...shown].sort(), (await airportsByState(100)).map(([state]) => state).sort());
  assert.ok(await opened.locator('svg').count() > 0);
  assert.deepEqual(asked.map((url) => new URL(url).protocol), ['file:']);
});

test('what was asked for wrongly is said at the form or in the list, in words', async () => {
  const page = await signIn(context, pods[0], uniqueUser('ada'));
  const form = await openForm(page, 'Airports by state');
  const least = form.getByLabel('At least so many airports');
  await least.fill('');
  await form.getByRole('button', { name: 'Start: Airports by state' }).click();
  assert.equal(await least.evaluate((input) => input.matches(':invalid')), true);
  await least.fill('1.5');
  await form.getByRole('button', { name: 'Start: Airports by state' }).click();
  assert.equal(await least.evaluate((input) => input.validity.stepMismatch), true);
  await page.getByText('Nothing yet').waitFor();
});
