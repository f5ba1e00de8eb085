/**
 * What every browser must have heard, and what it did hear: events that were accepted reach each of their audience once, in the
 * order in which one program published them.
 */

import { randomUUID } from 'node:crypto';

/** An event that was accepted (answered 202) is told to all of its audience. */
export class Reconciler {
  /** @type {Map<string, { publisher: number, number: number, browsers: Set<Browser> }>} accepted, by id */
  #accepted = new Map();
  #browsers;

  /** @param {import('./browsers.js').Browser[]} browsers */
  constructor(browsers) {
    this.#browsers = browsers;
  }

  get accepted() {
    return this.#accepted.size;
  }

  /** A new event for one browser, or for all; `accept` is called once it was. */
  event(publisher, number, browser) {
    const audience = browser ? `user:${browser.user}` : 'group:chaos';
    const event = { specversion: '1.0', id: randomUUID(), source: '/tests/chaos', type: 'tests.number', audience, data: { publisher, number } };
    const accept = () => this.#accepted.set(event.id, { publisher, number, browsers: new Set(browser ? [browser] : this.#browsers) });
    return { event, accept };
  }

  /** What a browser was to hear and has not. */
  missing(browser) {
    const heard = new Set(browser.heard.map(({ id }) => id));
    return [...this.#accepted].filter(([id, { browsers }]) => browsers.has(browser) && !heard.has(id)).map(([id]) => id);
  }

  get isComplete() {
    return this.#browsers.every((browser) => this.missing(browser).length === 0 || browser.gaps > 0);
  }

  /** The sums over all browsers since the last `clear`. */
  count() {
    const sums = { lost: 0, doubled: 0, disordered: 0, silent: 0, told: 0 };
    for (const browser of this.#browsers) {
      const missing = this.missing(browser).length;
      sums.lost += missing;
      // Who was told of a gap reads its lists anew; who was not has a hole that nobody sees.
      if (browser.gaps > 0) sums.told += 1;
      else sums.silent += missing;
      sums.doubled += browser.heard.length - new Set(browser.heard.map(({ id }) => id)).size;
      const last = new Map();
      for (const { publisher, number } of browser.heard) {
        if (number < (last.get(publisher) ?? -1)) sums.disordered += 1;
        last.set(publisher, number);
      }
    }
    return sums;
  }

  /** The longest time for which a browser heard nothing since `clear`, in milliseconds; everybody is spoken to all the time. */
  get longestSilence() {
    return Math.max(...this.#browsers.map((browser) => {
      const times = [browser.since, ...browser.heard.map(({ at }) => at)];
      return Math.max(...times.slice(1).map((at, index) => at - times[index]), 0);
    }));
  }

  /** Begins anew, once everybody has everything. */
  clear() {
    this.#accepted.clear();
    for (const browser of this.#browsers) browser.clear();
  }
}
