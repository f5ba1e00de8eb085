/** Waiting for one of several things, with a limit. */

import { setTimeout as pause } from 'node:timers/promises';

/** A time between so many times as long. @param {number} milliseconds @param {number} least @param {number} most */
export const jittered = (milliseconds, least, most) => milliseconds * (least + Math.random() * (most - least));

/**
 * What a promise comes to, or an error once it takes longer.
 * @template T @param {number} milliseconds @param {PromiseLike<T>} promise @param {string} words @returns {Promise<T>}
 */
export async function within(milliseconds, promise, words) {
  const over = new AbortController();
  const late = pause(milliseconds, undefined, { signal: over.signal }).then(() => {
    throw new Error(words);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}

/** Something that happens now and then, and that one waits for. */
export class Happening {
  #happened = false;
  /** @type {Set<() => void>} */
  #waiting = new Set();

  /** It happens; who waits goes on. */
  happen = () => {
    this.#happened = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  };

  get happened() {
    return this.#happened;
  }

  /** Forgets that it happened. */
  reset() {
    this.#happened = false;
  }

  /** Calls back once, when it happens; answers what forgets this. @param {() => void} go */
  once(go) {
    if (this.#happened) go();
    else this.#waiting.add(go);
    return () => this.#waiting.delete(go);
  }

  /** Waits until it has happened, at most so long; true if it has. @param {number} [milliseconds] */
  wait(milliseconds) {
    return anyOf([this], milliseconds);
  }
}

/**
 * Waits until one of them has happened, at most so long; true if one has. Nothing of it is left then.
 * @param {Happening[]} happenings @param {number} [milliseconds] @returns {Promise<boolean>}
 */
export function anyOf(happenings, milliseconds) {
  return new Promise((resolve) => {
    /** @type {(() => void)[]} */
    const forgets = [];
    const end = (/** @type {boolean} */ happened) => {
      clearTimeout(timer);
      for (const forget of forgets) forget();
      resolve(happened);
    };
    const timer = milliseconds === undefined ? undefined : setTimeout(() => end(false), milliseconds);
    for (const each of happenings) forgets.push(each.once(() => end(true)));
  });
}
