/** Which toasts this tab shows: those that it can show to somebody and that no other tab has shown. */

import { Claims } from './toast-claims.js';
import { hasExpired, nameOf } from './event-filter.js';
import { Answered, questionOf } from './approval.js';

/** So many wait in a hidden tab; the oldest are left out, as the task list has them too. */
const MOST_WAITING = 200;

/** @typedef {import('./event-filter.js').BellwireEvent} BellwireEvent */

/**
 * @typedef {object} Screen
 * @property {() => boolean} visible whether the person can see this tab, and it shows toasts
 * @property {(event: BellwireEvent) => void} show
 * @property {(name: string) => void} dismissed a toast was dismissed in another tab
 */

/** A tab's part in showing each toast once per browser. */
export class Showing {
  /** @type {BellwireEvent[]} */
  #waiting = [];
  #claiming = false;
  /** A question that is answered while its toast waits is not shown any more. */
  #answered = new Answered();
  #claims;
  #screen;
  #channel;

  /** @param {import('./token.js').Identity} identity @param {Screen} screen */
  constructor(identity, screen) {
    this.#claims = new Claims(identity);
    this.#screen = screen;
    this.#channel = new BroadcastChannel(`bellwire:dismissed:${identity.environment}:${identity.user}`);
    this.#channel.onmessage = ({ data }) => typeof data === 'string' && screen.dismissed(data);
  }

  /** Shows what an event has to show, now or when the tab is seen. @param {BellwireEvent} event */
  offer(event) {
    this.#answered.hear(event);
    if (!event.data?.toast) return;
    this.#waiting.push(event);
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
    this.flush();
  }

  /** Claims and shows what waits, if somebody can see it. */
  async flush() {
    if (this.#claiming) return;
    this.#claiming = true;
    // In this tab's turn all that waits is claimed at once: a burst costs one transaction.
    while (this.#waiting.length > 0 && this.#screen.visible()) {
      const batch = this.#waiting.splice(0).filter((event) => !hasExpired(event) && this.#isOpen(event));
      const mine = await this.#claims.take(batch.map(nameOf));
      for (const event of batch) if (mine.has(nameOf(event)) && this.#isOpen(event)) this.#screen.show(event);
    }
    this.#claiming = false;
  }

  /** @param {BellwireEvent} event */
  #isOpen(event) {
    const question = questionOf(event);
    return !question || !this.#answered.has(question);
  }

  /** @param {string} name */
  dismiss(name) {
    this.#channel.postMessage(name);
  }

  close() {
    this.#waiting = [];
    this.#channel.close();
    this.#claims.close();
  }
}
