/** Selects the toasts that this tab shows: it is visible, and no other tab has shown them. */

import { approvalOf, ClosedApprovals } from './approval.js';
import { eventKey, isExpired } from './event.js';
import { ToastClaims } from './toast-claims.js';

/** The most events that wait in a hidden tab; the oldest are dropped, as the task list has them too. */
const MAX_WAITING = 200;

/** @import { BellwireEvent, Toast } from './event.js' */
/** @import { Identity } from './token.js' */

/**
 * @typedef {object} ToastTarget
 * @property {() => number} now the time by which events expire
 * @property {() => boolean} isVisible true while the tab is visible and shows toasts
 * @property {(toast: Toast, event: BellwireEvent) => void} show
 * @property {(name: string) => void} onDismissed a toast was dismissed in another tab
 */

/** Shows each toast in one tab of the browser. */
export class ToastDelivery {
  /** @type {BellwireEvent[]} */
  #waiting = [];
  #claiming = false;
  /** An approval that is decided while its toast waits is not shown any more. */
  #closed = new ClosedApprovals();
  #claims;
  #target;
  #channel;

  /** @param {Identity} identity @param {ToastTarget} target */
  constructor(identity, target) {
    this.#claims = new ToastClaims(identity);
    this.#target = target;
    this.#channel = new BroadcastChannel(`bellwire:dismissed:${identity.environment}:${identity.user}`);
    this.#channel.onmessage = ({ data }) => typeof data === 'string' && target.onDismissed(data);
  }

  /** Shows an event's toast, at once or when the tab becomes visible. @param {BellwireEvent} event */
  add(event) {
    this.#closed.update(event);
    if (!event.data?.toast) return;
    this.#waiting.push(event);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.flush();
  }

  /** Claims and shows the waiting toasts if the tab is visible. */
  async flush() {
    if (this.#claiming) return;
    this.#claiming = true;
    // All waiting events are claimed at once: a burst costs one transaction.
    while (this.#waiting.length > 0 && this.#target.isVisible()) {
      const batch = this.#waiting.splice(0).filter((event) => !isExpired(event, this.#target.now()) && this.#isOpen(event));
      const claimed = await this.#claims.claim(batch.map(eventKey));
      for (const event of batch) {
        const toast = event.data?.toast;
        if (toast && claimed.has(eventKey(event)) && this.#isOpen(event)) this.#target.show(toast, event);
      }
    }
    this.#claiming = false;
  }

  /** @param {BellwireEvent} event */
  #isOpen(event) {
    const approval = approvalOf(event);
    return !approval || !this.#closed.has(approval);
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
