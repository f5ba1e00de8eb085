/** SignalR's JavaScript client in a page of another site, in Debian's Chromium. */

import { launch } from '../browser/browser.js';
import { Ear } from './ear.js';

let browser;

/** One browser for all; each connection has a page of its own. */
export async function connect(asked) {
  browser ??= launch();
  const ear = new Ear();
  const context = await (await browser).newContext();
  const page = await context.newPage();
  page.on('pageerror', (error) => ear.tell('log', String(error)));
  await page.exposeFunction('tell', ear.tell);
  await page.goto(`${new URL(asked.tokens).origin}/`);
  try {
    await page.evaluate(async (asked) => {
      const { open } = await import('/javascript.js');
      // As a page does it: the wrapper comes from the gateway.
      const { lossless } = await import(`${new URL(asked.hub).origin}/client/signalr.js`);
      const { MessagePackHubProtocol } = signalR.protocols.msgpack;
      window.connection = await open({ signalR, MessagePackHubProtocol, lossless }, asked, window.tell);
    }, asked);
  } catch (error) {
    await context.close();
    throw error;
  }
  return {
    ear,
    // An error's text would otherwise come with the page's stack.
    invoke: async (method, ...words) => {
      const { result, error } = await page.evaluate(
        ([method, words]) => connection.invoke(method, ...words).then((result) => ({ result }), ({ message }) => ({ error: message })),
        [method, words],
      );
      if (error !== undefined) throw new Error(error);
      return result;
    },
    stop: async () => {
      await page.evaluate(() => connection.stop());
      await context.close();
    },
  };
}

export async function close() {
  await (await browser)?.close();
}
