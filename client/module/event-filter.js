/** What a stream's frame is worth: an event to give out, or a reason to drop it. It knows no network. */

/** So many events are remembered to tell one that comes twice. */
const REMEMBERED = 1000;

/**
 * A CloudEvent as the gateway delivers it.
 * @typedef {object} BellwireEvent
 * @property {string} id
 * @property {string} source with `id` it identifies the event
 * @property {string} type such as `bellwire.task.succeeded`
 * @property {string} environment
 * @property {string} [cursor]
 * @property {string} [subject]
 * @property {string} [time]
 * @property {string} [expirytime]
 * @property {{ task?: import('./task.js').Task, toast?: Toast, [more: string]: unknown }} [data]
 */

/**
 * What a person sees. All of it is text.
 * @typedef {object} Toast
 * @property {'info' | 'success' | 'warning' | 'error'} level
 * @property {string} title
 * @property {string} [body]
 * @property {{ label: string, href: string }} [action]
 * @property {import('./approval.js').Asked} [decision] the question that its buttons answer
 */

/**
 * @typedef {{ event: BellwireEvent } | { dropped: 'malformed' | 'environment' | 'expired' | 'repeated' }} Verdict
 */

/** What identifies an event. @param {BellwireEvent} event */
export function nameOf(event) {
  return `${event.source}\u0000${event.id}`;
}

/** Whether it must not be shown any more. @param {BellwireEvent} event */
export function hasExpired(event, now = Date.now()) {
  return event.expirytime !== undefined && Date.parse(event.expirytime) <= now;
}

/** Judges what comes in, for one environment. */
export class Inbox {
  #environment;
  /** @type {Set<string>} */
  #seen = new Set();

  /** @param {string} environment the only one whose events are let in */
  constructor(environment) {
    this.#environment = environment;
  }

  /** @param {string} data a frame's data @returns {Verdict} */
  judge(data) {
    const event = parse(data);
    if (!event) return { dropped: 'malformed' };
    // Every other layer checks this too; production, test and QA share user ids, so it is checked here again.
    if (event.environment !== this.#environment) return { dropped: 'environment' };
    if (hasExpired(event)) return { dropped: 'expired' };
    const name = nameOf(event);
    if (this.#seen.has(name)) return { dropped: 'repeated' };
    this.#seen.add(name);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(/** @type {string} */ (this.#seen.values().next().value));
    return { event };
  }
}

/** @param {string} data @returns {BellwireEvent | null} */
function parse(data) {
  try {
    const event = JSON.parse(data);
    const whole = ['id', 'source', 'type'].every((name) => typeof event?.[name] === 'string');
    return whole ? event : null;
  } catch {
    return null;
  }
}
