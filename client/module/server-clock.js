/** The gateway's clock, for events that expire: the browser's own may be wrong by hours. */

/** The longest time (milliseconds) that an answer may take to tell the time well enough. */
const MAX_DOUBT = 10_000;
/** A `Date` header has whole seconds: on average it is half a second early. */
const ROUNDING = 500;

/** Follows the gateway's clock by the `Date` of its answers; until it has heard one, it is the browser's own. */
export class ServerClock {
  /** Milliseconds that the gateway is ahead of `performance.now()`. @type {number | null} */
  #ahead = null;
  #asked = 0;

  /** Call when a request is sent. */
  ask() {
    this.#asked = performance.now();
  }

  /** Takes the `Date` of the answer. @param {string | null} date null where it may not be read, as from another origin */
  answer(date) {
    const now = performance.now();
    const time = date === null ? NaN : Date.parse(date);
    if (!Number.isFinite(time) || now - this.#asked > MAX_DOUBT) return;
    this.#ahead = time + ROUNDING - (this.#asked + now) / 2;
  }

  /** The time on the gateway's clock, in milliseconds since 1970. */
  now() {
    return this.#ahead === null ? Date.now() : this.#ahead + performance.now();
  }
}
