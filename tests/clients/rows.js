/** Which clients, over which transports, in which encodings; and what each of them can do. */

import * as chromium from './chromium.js';
import * as node from './node.js';
import { connectWith } from './python.js';

/**
 * @typedef {object} Row
 * @property {string} client
 * @property {'WebSockets' | 'ServerSentEvents' | 'LongPolling'} transport
 * @property {'JSON' | 'MessagePack'} encoding
 * @property {(asked: object) => Promise<object>} connect
 * @property {string[]} can `url`, `Resume`, `wrapper`: ways to come back; `skipNegotiation`, `statefulReconnect`
 * @property {string} keepsPlace the way that is taken where a sentence does not name one
 * @property {number} many so many events in order
 * @property {number} some so many before, during and after a cut
 * @property {number} pause milliseconds between two of them
 * @property {boolean} [oneAtATime] takes one message of an answer, and the next with the next answer
 */

const usual = { keepsPlace: 'url', many: 200, some: 20, pause: 10 };
const javascript = { ...usual, can: ['url', 'Resume', 'wrapper', 'statefulReconnect'] };
const overWebSockets = { ...javascript, can: [...javascript.can, 'skipNegotiation'] };
const python = { ...usual, can: ['url'] };

const inNode = { ...javascript, client: 'JavaScript in Node', connect: node.connect };
const inChromium = { ...javascript, client: 'JavaScript in Chromium', connect: chromium.connect };
const pysignalr = { ...python, client: 'pysignalr', connect: connectWith('with_pysignalr.py') };
const signalrcore = { ...python, client: 'signalrcore', connect: connectWith('with_signalrcore.py') };
// A message that shares an answer with another waits for the next answer: so few of them, and slowly.
const slowly = { many: 8, some: 5, pause: 150, oneAtATime: true };

/** What takes longest begins first. @type {Row[]} */
export const rows = [
  { ...signalrcore, ...slowly, transport: 'LongPolling', encoding: 'JSON' },
  { ...inNode, transport: 'WebSockets', encoding: 'JSON', can: overWebSockets.can },
  { ...inNode, transport: 'WebSockets', encoding: 'MessagePack', can: overWebSockets.can },
  { ...inNode, transport: 'ServerSentEvents', encoding: 'JSON' },
  { ...inNode, transport: 'LongPolling', encoding: 'JSON' },
  { ...inNode, transport: 'LongPolling', encoding: 'MessagePack' },
  { ...inChromium, transport: 'WebSockets', encoding: 'JSON', can: overWebSockets.can },
  { ...inChromium, transport: 'ServerSentEvents', encoding: 'JSON' },
  { ...pysignalr, transport: 'WebSockets', encoding: 'JSON' },
  { ...pysignalr, transport: 'WebSockets', encoding: 'MessagePack' },
  { ...signalrcore, transport: 'WebSockets', encoding: 'JSON' },
  { ...signalrcore, transport: 'WebSockets', encoding: 'MessagePack' },
  { ...signalrcore, transport: 'ServerSentEvents', encoding: 'JSON' },
];
