/** How long to wait before the next try. The policy of reconnecting is in this file alone. */

const FIRST = 500;
const LONGEST = 30_000;
/** A stream that lived this long was well; the count begins anew. */
const WELL = 10_000;
/** A Retry-After beyond this is not believed. */
const LONGEST_ASKED = 10 * 60_000;

/** Counts tries that went wrong, without end. */
export class Retry {
  #failed = 0;
  #random;

  /** @param {() => number} random from 0 to 1 */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * Milliseconds to wait after this ending.
   * @param {import('./stream.js').Ending} ending
   */
  pause(ending) {
    if ((ending.lived ?? 0) >= WELL) this.#failed = 0;
    const jittered = this.#random() * Math.min(LONGEST, FIRST * 2 ** Math.min(this.#failed, 10));
    this.#failed += 1;
    if (ending.retryAfter !== undefined) {
      // All who were refused were told the same moment: come a little after it, not all at once.
      return Math.min(ending.retryAfter, LONGEST_ASKED) + this.#random() * FIRST;
    }
    // A pod that ends a stream has already spread its clients with `retry:`.
    if (ending.reason === 'ended' && ending.retry !== undefined && this.#failed === 1) {
      return Math.min(ending.retry, LONGEST);
    }
    return jittered;
  }
}
