/** Connections to the broker, made again and again: only this part reconnects, the client's own recovery is off. */

import amqp from 'amqplib';

import { words } from './errors.js';
import { Happening, jittered, within } from './waiting.js';

/** @typedef {import('amqplib').ChannelModel} Connection */
/** @typedef {import('./log.js').Log} Log */

/** Limit for everything that the broker answers at once. */
export const ANSWER = 20_000;
const SHORTEST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

/** One connection, which does not come back by itself. @param {string} url @param {string} purpose */
export async function connect(url, purpose) {
  const properties = { connection_name: `bellwire worker: ${purpose}` };
  const connection = await amqp.connect(url, { clientProperties: properties, timeout: ANSWER, noDelay: true });
  // Told again by what waits for an answer, or by 'close'.
  connection.on('error', () => {});
  return connection;
}

/** Closes a connection, whatever state it is in. @param {Connection} connection */
export async function close(connection) {
  try {
    await within(5_000, connection.close(), 'it does not close');
  } catch {
    // A socket without an answer is all that is left of it.
    /** @type {any} */ (connection).connection.stream.destroy();
  }
}

/**
 * Runs sessions, each on a connection of its own, until `ended`, which they heed.
 * @param {string} url @param {string} purpose @param {Log} log @param {Happening} ended
 * @param {(connection: Connection) => Promise<void>} session fails soon once its connection is lost
 */
export async function keepConnected(url, purpose, log, ended, session) {
  for (let pause = SHORTEST_PAUSE; !ended.happened; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    const started = performance.now();
    try {
      const connection = await connect(url, purpose);
      /** @type {Promise<never>} */
      const lost = new Promise((_, reject) => connection.once('close', (error) => reject(error ?? new Error('the connection was lost'))));
      lost.catch(() => {});
      try {
        await Promise.race([session(connection), lost]);
        if (ended.happened) return;
      } finally {
        await close(connection);
      }
    } catch (error) {
      if (ended.happened) return;
      log.warn(`lost the broker (${purpose}), connecting again: ${words(error)}`);
    }
    if (performance.now() - started > LONGEST_PAUSE) pause = SHORTEST_PAUSE;
    await ended.wait(jittered(pause, 0.5, 1.5));
  }
}

/**
 * A channel, what happens when it is closed, and then the broker's reason.
 * @template {import('amqplib').Channel} C @param {Promise<C>} opening
 */
export async function watched(opening) {
  const channel = await within(ANSWER, opening, 'the broker opens no channel');
  const closed = new Happening();
  /** @type {{ error?: Error }} */
  const reason = {};
  channel.on('error', (error) => (reason.error = error));
  channel.on('close', closed.happen);
  return { channel, closed, reason };
}
