/** The delay before the next attempt to connect: exponential, with jitter. */

/** @import { StreamEnd } from './stream.js' */

const MIN_DELAY = 500;
const MAX_DELAY = 30_000;
/** A stream that lasted this long resets the count of failures. */
const STABLE_AFTER = 10_000;
/** The longest Retry-After that is followed. */
const MAX_RETRY_AFTER = 10 * 60_000;

/** Counts failed attempts; never gives up. */
export class RetryPolicy {
  #failed = 0;
  #random;

  /** @param {() => number} [random] from 0 to 1 */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * Milliseconds to wait after a stream has ended.
   * @param {Pick<StreamEnd, 'retryAfter' | 'retry' | 'duration'> & { reason: string }} end
   */
  nextDelay({ reason, retryAfter, retry, duration = 0 }) {
    if (duration >= STABLE_AFTER) this.#failed = 0;
    const jittered = this.#random() * Math.min(MAX_DELAY, MIN_DELAY * 2 ** Math.min(this.#failed, 10));
    this.#failed += 1;
    // All refused clients were given the same moment: spread them a little after it.
    if (retryAfter !== undefined) return Math.min(retryAfter, MAX_RETRY_AFTER) + this.#random() * MIN_DELAY;
    // A pod that ends a stream has already spread its clients with `retry:`.
    if (reason === 'ended' && retry !== undefined && this.#failed === 1) return Math.min(retry, MAX_DELAY);
    return jittered;
  }
}
