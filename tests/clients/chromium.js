/** JavaScript's clients in a page of another site, in Debian's Chromium. */

import { launch } from '../browser/browser.js';
import { Ear } from './ear.js';

let browser;

/** A connection of SignalR's. */
export async function connect(asked) {
  const { ear, page, stop } = await opened(asked, async (asked) => {
    const { open } = await import('/javascript.js');
    // As a page does it: the wrapper comes from the gateway.
    const { lossless } = await import(`${new URL(asked.hub).origin}/client/signalr.js`);
    const { MessagePackHubProtocol } = signalR.protocols.msgpack;
    window.connection = await open({ signalR, MessagePackHubProtocol, lossless }, asked, window.tell);
  });
  return {
    ear,
    stop,
    // An error's text would otherwise come with the page's stack.
    invoke: async (method, ...words) => {
      const { result, error } = await page.evaluate(
        ([method, words]) => connection.invoke(method, ...words).then((result) => ({ result }), ({ message }) => ({ error: message })),
        [method, words],
      );
      if (error !== undefined) throw new Error(error);
      return result;
    },
  };
}

/** A stream of server-sent events. @param {string} client its name in `programs/streams.js` */
export const connectStream = (client) => (asked) => opened({ ...asked, client }, async ({ client, ...asked }) => {
  const { open } = await import('/streams.js');
  const { fetchEventSource } = await import('/fetch-event-source/index');
  window.connection = await open(client, { fetchEventSource, EventSource, EventSourcePolyfill }, asked, window.tell);
});

/** One browser for all; each connection has a page of its own, where `open` sets `window.connection`. */
async function opened(asked, open) {
  browser ??= launch();
  const ear = new Ear();
  const context = await (await browser).newContext();
  const page = await context.newPage();
  page.on('pageerror', (error) => ear.tell('log', String(error)));
  await page.exposeFunction('tell', ear.tell);
  await page.goto(`${new URL(asked.tokens).origin}/`);
  const stop = async () => {
    await page.evaluate(() => window.connection?.stop());
    await context.close();
  };
  try {
    await page.evaluate(open, asked);
  } catch (error) {
    await context.close();
    throw error;
  }
  return { ear, page, stop };
}

export async function close() {
  await (await browser)?.close();
}
