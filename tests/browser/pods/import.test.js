import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { drop, launch, pageErrors, until } from '../browser.js';
import { dataset, openForm, pods, signIn, toastsOf, uniqueUser } from './pods.js';

const AIRPORTS = dataset('airports.csv');
let browser, context;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => (context = await browser.newContext()));
afterEach(() => context.close());

/** Remembers every value that a task's progress bar shows. */
const watchProgress = (page) => page.evaluate(() => {
  window.progress = [];
  const look = () => {
    const bar = document.querySelector('bellwire-tasks').shadowRoot.querySelector('.bar:not([hidden])');
    if (bar) progress.push(Number(bar.ariaValueNow));
  };
  new MutationObserver(look).observe(document.querySelector('bellwire-tasks').shadowRoot, { subtree: true, childList: true, attributes: true });
});

const row = (page, title) => page.locator('bellwire-tasks .task', { hasText: title });
const table = (name) => `${name}_${Date.now().toString(36)}`;

test('a CSV dropped on the page of one pod is imported; its toast and its row are on the pages of both pods', async () => {
  const ada = uniqueUser('ada');
  const pages = [await signIn(context, pods[0], ada), await signIn(context, pods[1], ada)];
  const errors = pages.map(pageErrors);
  await drop(pages[0], 'airports.csv', await readFile(AIRPORTS, 'utf8'));
  const name = table('airports');
  await pages[0].getByLabel('Table', { exact: true }).fill(name);
  await pages[0].getByRole('button', { name: 'Import', exact: true }).click();
  for (const page of pages) {
    await until(() => toastsOf(page), (titles) => titles.length === 1, 30_000);
    assert.match((await toastsOf(page))[0], new RegExp(`${name} is imported`));
    await row(page, 'airports.csv').getByText(`3,376 rows · 7 columns · in ${name}`).waitFor();
    assert.equal(await row(page, 'airports.csv').locator('.state').innerText(), 'Done');
  }
  const later = await signIn(context, pods[1], ada);
  await row(later, 'airports.csv').getByText('3,376 rows').waitFor();
  assert.deepEqual(await toastsOf(later), []);
  assert.deepEqual(errors, [[], []]);
});

test('the progress of a large import is seen on the pages of both pods and never goes back', async () => {
  const ada = uniqueUser('ada');
  const pages = [await signIn(context, pods[0], ada), await signIn(context, pods[1], ada)];
  for (const page of pages) await watchProgress(page);
  const [header, ...rows] = (await readFile(AIRPORTS, 'utf8')).trimEnd().split('\n');
  const large = [header, ...Array(100).fill(rows).flat()].join('\n'); // 337,600 rows, 21 MB
  await drop(pages[0], 'large.csv', large);
  await pages[0].getByLabel('Table', { exact: true }).fill(table('large'));
  await pages[0].getByRole('button', { name: 'Import', exact: true }).click();
  for (const page of pages) {
    await until(() => toastsOf(page), (titles) => titles.length === 1, 120_000);
    await row(page, 'large.csv').getByText('337,600 rows').waitFor();
    const seen = await page.evaluate(() => window.progress);
    assert.ok(seen.some((percent) => percent > 0 && percent < 100), JSON.stringify(seen));
    assert.deepEqual(seen, seen.toSorted ? seen.toSorted((a, b) => a - b) : [...seen].sort((a, b) => a - b));
  }
});

test('a file that cannot be imported says why in the list and in a toast that stays', async () => {
  const page = await signIn(context, pods[0], uniqueUser('ada'));
  await drop(page, 'broken.csv', 'a,b\n1,"never closed\n');
  await page.getByLabel('Table', { exact: true }).fill(table('broken'));
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await until(() => row(page, 'broken.csv').locator('.state').allTextContents(), (state) => ['Failed', 'Done'].includes(state[0]), 30_000);
  assert.ok((await row(page, 'broken.csv').locator('.result').innerText()).length > 10);
  await until(() => toastsOf(page), (titles) => titles.length === 1);
});

test('a large import is cancelled from the other pod’s page', async () => {
  const ada = uniqueUser('ada');
  const pages = [await signIn(context, pods[0], ada), await signIn(context, pods[1], ada)];
  const [header, ...rows] = (await readFile(AIRPORTS, 'utf8')).trimEnd().split('\n');
  await drop(pages[0], 'stop me.csv', [header, ...Array(200).fill(rows).flat()].join('\n'));
  await pages[0].getByLabel('Table', { exact: true }).fill(table('stopped'));
  await pages[0].getByRole('button', { name: 'Import', exact: true }).click();
  await pages[1].getByRole('button', { name: 'Cancel: stop me.csv' }).click({ timeout: 60_000 });
  for (const page of pages) {
    await until(() => row(page, 'stop me.csv').locator('.state').allTextContents(), (state) => state[0] === 'Cancelled', 30_000);
  }
});

test('a definition is imported by its form; a row that breaks its rules is kept aside with words', async () => {
  const page = await signIn(context, pods[1], uniqueUser('ada'));
  const [header, ...rows] = (await readFile(AIRPORTS, 'utf8')).trimEnd().split('\n');
  const buffer = Buffer.from([header, ...rows, 'ZZZ,Nowhere,Nowhere,TX,USA,123.5,-90'].join('\n'));
  const form = await openForm(page, 'Airports');
  await form.getByLabel('File').setInputFiles({ name: 'airports.csv', mimeType: 'text/csv', buffer });
  await form.getByLabel('What happens to the rows that are there').selectOption('replace');
  await form.getByRole('button', { name: 'Start: Airports' }).click();
  await until(() => toastsOf(page), (titles) => titles.length === 1, 60_000);
  assert.match((await toastsOf(page))[0], /^Warning: airports is imported/);
  await row(page, 'Airports').getByText(/3,376 rows · 7 columns · in airports .*1 rejected\s+line 3378: .*latitude/).waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), row(page, 'Airports').getByRole('button', { name: /^Rejected rows/ }).click()]);
  assert.match(await readFile(await download.path(), 'utf8'), /Nowhere/);
});
