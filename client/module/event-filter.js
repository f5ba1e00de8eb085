/** Parses the events of a stream, and drops those that must not reach the page. */

import { eventKey, isExpired } from './event.js';

/** @import { BellwireEvent } from './event.js' */

/** The most events that are remembered to drop repeated ones. */
const MAX_SEEN = 1000;

/** @typedef {{ event: BellwireEvent } | { dropped: 'malformed' | 'environment' | 'expired' | 'repeated' }} FilterResult */

/** Filters the events of one environment. */
export class EventFilter {
  #environment;
  /** @type {Set<string>} */
  #seen = new Set();

  #now;

  /** @param {string} environment the only one whose events pass @param {() => number} now the time by which events expire */
  constructor(environment, now) {
    this.#environment = environment;
    this.#now = now;
  }

  /** @param {string} data a frame's data @returns {FilterResult} */
  check(data) {
    const event = parse(data);
    if (!event) return { dropped: 'malformed' };
    // Every other layer checks this too; production, test and QA share user ids, so it is checked here again.
    if (event.environment !== this.#environment) return { dropped: 'environment' };
    if (isExpired(event, this.#now())) return { dropped: 'expired' };
    const key = eventKey(event);
    if (this.#seen.has(key)) return { dropped: 'repeated' };
    this.#seen.add(key);
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(/** @type {string} */ (this.#seen.values().next().value));
    return { event };
  }
}

/** @param {string} data @returns {BellwireEvent | null} */
function parse(data) {
  try {
    const event = JSON.parse(data);
    const complete = ['id', 'source', 'type'].every((name) => typeof event?.[name] === 'string');
    return complete ? event : null;
  } catch {
    return null;
  }
}
