/** Which clients of server-sent events, and how each is run. */

import { connectStream } from './chromium.js';
import { connect as inNode } from './eventsource.js';
import { connectWith } from './python.js';

/**
 * @typedef {object} StreamRow
 * @property {string} client
 * @property {'EventStream'} transport
 * @property {(asked: object) => Promise<object>} connect
 * @property {number} many so many events in order
 * @property {number} some so many before, during and after a cut
 * @property {number} pause milliseconds between two of them
 */

const usual = { transport: 'EventStream', many: 200, some: 20, pause: 10 };

/** @type {StreamRow[]} */
export const rows = [
  { ...usual, client: 'eventsource in Node', connect: inNode },
  { ...usual, client: '@microsoft/fetch-event-source in Chromium', connect: connectStream('fetch-event-source') },
  { ...usual, client: 'event-source-polyfill in Chromium', connect: connectStream('event-source-polyfill') },
  { ...usual, client: 'EventSource in Chromium', connect: connectStream('EventSource') },
  { ...usual, client: 'httpx-sse', connect: connectWith('with_httpx_sse.py') },
  { ...usual, client: 'sseclient-py', connect: connectWith('with_sseclient.py') },
];
