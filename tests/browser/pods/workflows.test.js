import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { readSheet } from 'read-excel-file/node';

import { launch, pageErrors, until } from '../browser.js';
import { dataset, ended, openForm, pods, request, signIn, start, toastsOf, uniqueUser, upload } from './pods.js';

const TITLE = 'Airports, once approved';
const REVIEWER = { groups: ['reviewers'] };
let browser, second, contexts;

before(async () => ([browser, second] = await Promise.all([launch(), launch()])));
after(() => Promise.all([browser, second].map((each) => each.close())));
beforeEach(() => (contexts = []));
afterEach(() => Promise.all(contexts.map((context) => context.close())));

/** Somebody's page in a browser of their own. */
async function sit(where, pod, user, claims) {
  const context = await where.newContext();
  contexts.push(context);
  return signIn(context, pod, user, claims);
}

const row = (page, title) => page.locator('bellwire-tasks .task', { hasText: title });
const step = (page, title) => page.locator('bellwire-tasks .step', { has: page.getByText(title, { exact: true }) });
const inState = (page, title, state, limit = 60_000) => until(() => step(page, title).getAttribute('data-state'), (now) => now === state, limit);
const openGraph = async (page, steps) => {
  const toggle = page.getByRole('button', { name: new RegExp(`of ${steps} steps$`) });
  await toggle.click({ timeout: 60_000 });
};
const waiting = (page) => page.getByRole('region', { name: 'Waiting for you' });

/** Remembers every state that a step's card shows. */
const watchStep = (page, title) => page.evaluate((title) => {
  window.states = [];
  const look = () => {
    for (const card of document.querySelector('bellwire-tasks').shadowRoot.querySelectorAll('.step')) {
      if (card.querySelector('.step-title').textContent === title && states.at(-1) !== card.dataset.state) states.push(card.dataset.state);
    }
  };
  new MutationObserver(look).observe(document.querySelector('bellwire-tasks').shadowRoot, { subtree: true, childList: true, attributes: true });
  look();
}, title);

/** Starts the same run as a program would. */
async function run(user, minimum = 10) {
  const [airports, zipcodes] = [await upload(pods[0], user, 'airports.csv'), await upload(pods[0], user, 'zipcodes.csv')];
  return start(pods[0], user, 'workflows', { workflow: 'airports-approved', input: { airports, zipcodes, minimum } }, TITLE);
}

/** Waits until a run asks; everybody here is asked in the same group, so its own question is picked. */
const asked = (user, id) => until(async () => {
  const { approvals } = await (await request(pods[1], user, '/api/approvals', { claims: REVIEWER })).json();
  return approvals.find(({ task }) => task === id);
}, Boolean, 90_000);

const decide = (pod, user, id, body, claims) => request(pod, user, `/api/tasks/${id}/steps/approve`, { method: 'POST', body, claims });

test('a workflow asks somebody else, in another browser on the other pod, and goes on with their answer', async () => {
  const [ada, bob, eve] = ['ada', 'bob', 'eve'].map(uniqueUser);
  const mine = await sit(browser, pods[0], ada);
  const [theirs, other] = [await sit(second, pods[1], bob, REVIEWER), await sit(second, pods[1], eve)];
  const errors = [mine, theirs, other].map(pageErrors);
  const form = await openForm(mine, TITLE);
  await form.getByLabel('Airports (airports.csv)').setInputFiles(fileURLToPath(dataset('airports.csv')));
  await form.getByLabel('Zip codes (zipcodes.csv)').setInputFiles(fileURLToPath(dataset('zipcodes.csv')));
  await form.getByLabel('Only states with at least so many airports').fill('50');
  await form.getByRole('button', { name: `Start: ${TITLE}` }).click();
  await mine.getByText(`“${TITLE}” has been started.`).waitFor({ timeout: 60_000 });
  await openGraph(mine, 6);
  await watchStep(mine, 'Write the workbook');

  await inState(mine, 'A reviewer approves', 'asked', 90_000);
  for (const done of ['Load the airports', 'Load the zip codes', 'Draw airports by state', 'Compare them with zip codes']) await inState(mine, done, 'succeeded');
  await inState(mine, 'Write the workbook', 'waiting');
  assert.equal(await mine.locator('bellwire-toasts .decide').count(), 0); // who started it is not asked
  const toast = theirs.locator('bellwire-toasts .toast', { hasText: ada });
  await toast.waitFor();
  assert.match(await toast.innerText(), /3,?376 airports and 42,?049 zip codes were loaded/);
  await waiting(theirs).locator('.asked', { hasText: '3376 airports' }).waitFor();
  assert.equal(await waiting(other).isVisible(), false);

  await toast.getByRole('button', { name: /^Approve/ }).click();
  await until(() => toast.count(), (count) => count === 0);
  await until(() => waiting(theirs).isVisible(), (visible) => !visible);
  await inState(mine, 'Write the workbook', 'succeeded');
  assert.deepEqual(await mine.evaluate(() => states), ['waiting', 'running', 'succeeded']);
  await row(mine, TITLE).locator('.state', { hasText: /^Done$/ }).waitFor();
  assert.match(await step(mine, 'A reviewer approves').innerText(), new RegExp(bob));
  const done = mine.locator('bellwire-toasts .toast', { hasText: `${TITLE} is done` });
  const [download] = await Promise.all([mine.waitForEvent('download'), done.locator('.action').click()]);
  const [header, ...rows] = await readSheet(await readFile(await download.path()));
  assert.equal(header[0], 'State');
  assert.ok(rows.length > 10 && rows.every(([, airports]) => airports >= 50));
  assert.deepEqual(await toastsOf(other), []);
  assert.deepEqual(errors, [[], [], []]);
});

test('a rejection in the list, with its comment, ends the run, and its graph says who and why', async () => {
  const [ada, bob] = ['ada', 'bob'].map(uniqueUser);
  const mine = await sit(browser, pods[1], ada);
  const theirs = await sit(second, pods[0], bob, REVIEWER);
  const id = await run(ada);
  await asked(bob, id);
  const question = waiting(theirs).locator('.asked', { hasText: ada });
  await question.locator('.comment').fill('<b>too few</b>');
  await question.getByRole('button', { name: /^Reject/ }).click();
  await until(() => question.count(), (count) => count === 0);
  await row(mine, TITLE).locator('.state', { hasText: /^Rejected$/ }).waitFor();
  await openGraph(mine, 6);
  await inState(mine, 'A reviewer approves', 'rejected');
  const words = await step(mine, 'A reviewer approves').innerText();
  assert.ok(words.includes(bob) && words.includes('<b>too few</b>'), words);
  assert.notEqual(await step(mine, 'Write the workbook').getAttribute('data-state'), 'succeeded');
  assert.equal((await ended(pods[0], ada, id, 'failed')).state, 'failed');
});

test('of two who answer at once on two pods one is told that the other was first, and who is not asked may not', async () => {
  const [ada, bob, carol, eve] = ['ada', 'bob', 'carol', 'eve'].map(uniqueUser);
  const id = await run(ada);
  await asked(bob, id);
  const refused = await decide(pods[0], eve, id, { decision: 'approve' });
  assert.equal(refused.status, 403);
  const answers = await Promise.all([
    decide(pods[0], bob, id, { decision: 'approve' }, REVIEWER),
    decide(pods[1], carol, id, { decision: 'reject' }, REVIEWER),
  ]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
  const [late, first] = answers[0].status === 409 ? [answers[0], carol] : [answers[1], bob];
  assert.ok((await late.json()).detail.startsWith(first));
  await ended(pods[1], ada, id, first === bob ? 'succeeded' : 'failed');
});

test('a step that is done for each of several counts them in its card', async () => {
  const ada = uniqueUser('ada');
  const page = await sit(browser, pods[0], ada);
  const weather = await upload(pods[1], ada, 'seattle-weather.csv');
  await start(pods[1], ada, 'workflows', { workflow: 'weather-by-year', input: { weather } });
  await openGraph(page, 2);
  await inState(page, 'Report each year', 'succeeded', 90_000);
  assert.match(await step(page, 'Report each year').innerText(), /Done, 4 of 4/);
  assert.equal(await page.locator('bellwire-tasks .task').count(), 1); // its steps are in its graph alone
});
