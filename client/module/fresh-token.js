/** Gives an open stream fresh tokens before the one that it has ends, so that it need not end with it. */

import { expiryOf } from './token.js';

/** The part of a token's rest after which a fresh one is asked for; at random, so that not all ask at once. */
const EARLIEST = 0.75;
const LATEST = 0.9;
/** The shortest wait, and the longest that a timer can wait. */
const MIN_WAIT = 500;
const MAX_WAIT = 2 ** 31 - 1;

/**
 * @typedef {object} FreshTokens
 * @property {URL} events the address of the stream
 * @property {string} name by which the gateway knows it
 * @property {string} token that it has
 * @property {(old: string) => Promise<string>} next gives a fresh token
 * @property {() => number} now the time on the gateway's clock
 * @property {AbortSignal} signal the end of the stream
 */

/**
 * Goes on until the stream ends, or there is no fresh token that the gateway takes: then the stream ends with its token,
 * and what follows the end is the caller's.
 * @param {FreshTokens} options
 */
export async function keepFresh({ events, name, token, next, now, signal }) {
  const url = new URL(`${events.pathname}/refresh`, events);
  url.searchParams.set('id', name);
  try {
    for (let old = token; ;) {
      const expiry = expiryOf(old);
      if (expiry === undefined) return;
      const part = EARLIEST + Math.random() * (LATEST - EARLIEST);
      await wait(Math.min(MAX_WAIT, Math.max(MIN_WAIT, (expiry - now()) * part)), signal);
      if (signal.aborted) return;
      const fresh = await next(old);
      if (fresh === old || signal.aborted) return;
      const headers = { authorization: `Bearer ${fresh}` };
      const answer = await fetch(url, { method: 'POST', headers, signal, cache: 'no-store', credentials: 'omit' });
      if (!answer.ok) return;
      old = fresh;
    }
  } catch {
    // No token, or no way to the gateway: the stream finds out by itself.
  }
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
function wait(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
