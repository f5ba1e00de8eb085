/** What every sentence about a client is made of: somebody who is connected, a program that publishes, and a line that is cut. */

import assert from 'node:assert/strict';

import { until } from '../browser/browser.js';
import { Publisher } from './publisher.js';

/** So long a client may take for what takes milliseconds when nothing else runs on the machine. */
export const PATIENCE = 40_000;

/**
 * Where a sentence is said; `closing` is done at its end.
 * @typedef {{ row: import('./rows.js').Row | import('./stream-rows.js').StreamRow, route: object, site: import('./site.js').Site, closing: (() => Promise<unknown>)[] }} Scene
 */

/** Opens a connection for somebody, and closes it when the sentence has ended. */
export async function connected({ row, route, site, closing }, user, more = {}) {
  const { transport, encoding } = row;
  route.transport = transport;
  const asked = { hub: `${route.url}/hub`, events: `${route.url}/events`, tokens: site.tokensOf(user), transport, encoding, ...more };
  const client = await inTime(row.connect(asked), () => `it did not connect to ${route.url}`);
  closing.push(() => client.stop());
  await until(() => client.ear.times('connected'), Boolean, PATIENCE);
  return client;
}

/** A program that publishes to somebody, to the end of the sentence at most. */
export function publishing({ closing }, user) {
  const publisher = new Publisher(user);
  closing.push(() => publisher.stop());
  return publisher;
}

/** What came of it, unless it takes too long. */
export function inTime(coming, words) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(words())), PATIENCE);
  });
  return Promise.race([coming, late]).finally(() => clearTimeout(timer));
}

export const heard = (client, count) => until(() => client.ear.numbers.length, (length) => length >= count, PATIENCE);

/** Everything arrived, in order and once. */
export async function nothingMissed(client, publisher) {
  const all = await publisher.stop();
  await until(() => client.ear.numbers.at(-1), (last) => last === all.at(-1), PATIENCE);
  assert.deepEqual(client.ear.numbers, all);
  assert.deepEqual(client.ear.gap, []);
}

/** Publishes on and on; the line is cut in the middle, and leads to the other pod when it is there again. */
export async function cutInTheMiddle(scene, client, publisher) {
  const { row, route } = scene;
  publisher.keepOn(row.pause);
  await heard(client, row.some);
  await route.away();
  const before = publisher.published;
  await until(() => publisher.published, (now) => now >= before + row.some, PATIENCE);
  await route.otherPod();
  await until(() => client.ear.times('connected'), (times) => times >= 2, PATIENCE);
  await heard(client, before + 2 * row.some);
}
