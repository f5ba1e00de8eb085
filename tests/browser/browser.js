/** Debian's Chromium, and what a test does with its tabs. */

import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** Starts a browser of its own, with more flags if need be; `BELLWIRE_TEST_CHROMIUM` names another than Debian's. */
export function launch(...more) {
  return chromium.launch({ executablePath: process.env.BELLWIRE_TEST_CHROMIUM ?? '/usr/bin/chromium', args: [...FLAGS, ...more] });
}

/** What the browser says about a page that is not as it should be, its own network errors aside. */
export function complaints(page) {
  const said = [];
  page.on('pageerror', (error) => said.push(error.stack ?? String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) said.push(message.text());
  });
  return said;
}

/** Tells a page that it is hidden, or seen again: headless tabs are all visible. */
export function setHidden(page, hidden) {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (hidden ? 'hidden' : 'visible') });
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

/** Waits until it is so; says what it was instead. */
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
 * Opens a connection in a page and keeps what it says in `heard`.
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

/** What a page has heard so far. */
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
