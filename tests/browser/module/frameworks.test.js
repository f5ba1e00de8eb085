// The examples for React and Vue as they stand in `client/examples/`, in an app of each.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { inState, launch, listen, pageErrors, until } from '../browser.js';
import { FakeGateway, taskEvent, toast, token } from '../fake-gateway.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
let browser, context, gateway, errors;

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(async () => {
  gateway = await FakeGateway.start();
  context = await browser.newContext();
  errors = [];
});
afterEach(async () => {
  await context.close();
  await gateway.stop();
  assert.deepEqual(errors.flat(), []);
});

const task = (id, state, more = {}) => ({ id, kind: 'imports', title: `${id}.csv`, state, progress: 0, attempt: 1, sequence: 1, ...more });

/** The app as a bundler makes it; the package is the client of this tree. */
async function bundle(app) {
  const { outputFiles } = await build({
    entryPoints: [here(`apps/${app}`)], bundle: true, write: false, format: 'esm', jsx: 'automatic',
    alias: { '@bellwire/client': here('../../../client/bellwire.js') }, nodePaths: [here('../node_modules')],
    define: { 'process.env.NODE_ENV': '"development"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
  });
  return outputFiles[0].text;
}

/** A tab without the app, or with it over `window.connection`; the examples' connection lives outside of them. */
async function openTab(app) {
  const page = await context.newPage();
  errors.push(pageErrors(page));
  await page.goto(`${gateway.url}/blank`);
  await page.evaluate(async ([token]) => {
    const { connect } = await import('/client/bellwire.js');
    Object.assign(window, { connection: connect({ url: '/', token: () => token }), events: [] });
    connection.addEventListener('event', ({ detail }) => events.push(detail.id));
  }, [token()]);
  if (app) await page.addScriptTag({ type: 'module', content: app });
  await inState(page, 'live');
  return page;
}

for (const app of ['react.jsx', 'vue.js']) {
  const name = app.split('.')[0];
  let text;
  before(async () => (text = await bundle(app)));
  const line = (page) => page.locator('main p').innerText();
  const titles = (page) => page.locator('main li strong').allInnerTexts();

  test(`${name}: a task that had ended before the page listened is shown as ended`, async () => {
    gateway.tasks = [task('a', 'succeeded', { sequence: 9 })];
    const page = await openTab(text);
    await until(() => line(page), (now) => now === 'a.csv: succeeded');
  });

  test(`${name}: a task is followed to its end, and another when the id changes`, async () => {
    gateway.tasks = [task('a', 'queued', { attempt: 0, sequence: 0 }), task('b', 'failed')];
    const page = await openTab(text);
    await until(() => line(page), (now) => now === 'a.csv: queued');
    gateway.send(taskEvent(task('a', 'running', { sequence: 2, progress: 0.5 })));
    await until(() => page.locator('main progress').getAttribute('value'), (value) => value === '0.5');
    gateway.send(taskEvent(task('a', 'succeeded', { sequence: 3, progress: 1 })));
    await until(() => line(page), (now) => now === 'a.csv: succeeded');
    await page.evaluate(() => setId('b'));
    await until(() => line(page), (now) => now === 'b.csv: failed');
    gateway.send(taskEvent(task('a', 'failed', { attempt: 2 })));
    gateway.send(taskEvent(task('b', 'succeeded', { attempt: 2, sequence: 3 })));
    await until(() => line(page), (now) => now === 'b.csv: succeeded');
  });

  test(`${name}: a toast is shown once, in place of its task’s last, and dismissed in all tabs`, async () => {
    const page = await openTab(text);
    gateway.send(toast('Hello <b>Ada</b>'));
    gateway.send(taskEvent(task('x', 'running'), { level: 'info', title: 'x is running' }));
    gateway.send(taskEvent(task('x', 'succeeded', { sequence: 2 }), { level: 'success', title: 'x is done' }));
    await until(() => titles(page), (now) => now.join() === 'Hello <b>Ada</b>,x is done');
    await page.getByRole('button', { name: 'Dismiss: Hello' }).click();
    await until(() => titles(page), (now) => now.join() === 'x is done');
    const other = await openTab();
    await other.evaluate(() => connection.dismiss('task/x'));
    await until(() => titles(page), (now) => now.join() === '');
  });

  test(`${name}: while no component shows toasts they wait, and none is lost`, async () => {
    const page = await openTab(text);
    await until(() => page.locator('main ul').count(), (count) => count === 1);
    await page.evaluate(() => setShown(false));
    await until(() => page.locator('main ul').count(), (count) => count === 0);
    gateway.send(toast('said meanwhile'));
    await until(() => page.evaluate(() => events.length), (count) => count === 1);
    await page.evaluate(() => setShown(true));
    await until(() => titles(page), (now) => now.join() === 'said meanwhile');
  });
}
