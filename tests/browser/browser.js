/** Debian's Chromium, and the actions of tests on its tabs. */

import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** Starts a browser, with more flags if given; `BELLWIRE_TEST_CHROMIUM` names another than Debian's. */
export function launch(...more) {
  return chromium.launch({ executablePath: process.env.BELLWIRE_TEST_CHROMIUM ?? '/usr/bin/chromium', args: [...FLAGS, ...more] });
}

/** Collects a page's errors, without those of failed requests. */
export function pageErrors(page) {
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.stack ?? String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) errors.push(message.text());
  });
  return errors;
}

/** Makes a page hidden or visible: headless tabs are all visible. */
export function setHidden(page, hidden) {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (hidden ? 'hidden' : 'visible') });
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

/** Waits until a value is as expected; fails with the last value. */
export async function until(look, isSo = Boolean, limit = 10_000) {
  const deadline = performance.now() + limit;
  for (;;) {
    const seen = await look();
    if (isSo(seen)) return seen;
    if (performance.now() > deadline) throw new Error(`it did not come about; last seen: ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Opens a connection in a page and keeps its events in `heard`.
 * `options.token` is a token, or several to be given one after the other.
 */
export async function listen(page, options = {}) {
  await page.evaluate(async ({ token, ...options }) => {
    const { connect } = await import('/client/bellwire.js');
    const tokens = [token].flat();
    const heard = { event: [], toast: [], gap: [], state: [], dropped: [], dismissed: [], tokens: 0 };
    const give = async () => tokens[Math.min(heard.tokens++, tokens.length - 1)];
    const connection = connect({ url: '/', token: give, ...options });
    for (const type of ['event', 'toast', 'gap', 'state', 'dropped', 'dismissed']) {
      connection.addEventListener(type, ({ detail }) => heard[type].push(detail));
    }
    Object.assign(window, { connection, heard });
  }, options);
}

/** The events of a page's connection so far. */
export const heard = (page) => page.evaluate(() => window.heard);

/** Waits until a page's connection is in this state. */
export const inState = (page, state) => until(() => page.evaluate(() => window.connection.state.state), (now) => now === state);

/** Drops a file as a person does: on the page, not on the button. */
export const drop = (page, name, text) => page.evaluate(([name, text]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], name, { type: 'text/csv' }));
  for (const type of ['dragenter', 'dragover', 'drop']) {
    document.querySelector('main').dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
  }
}, [name, text]);
