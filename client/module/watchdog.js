/** Detects a connection that is dead without having ended. */

/** Heartbeats that may be missing. */
const TOLERANCE = 2.5;
/** The longest timeout that is derived from observation. */
const MAX_TIMEOUT = 150_000;

/** Fires when nothing arrived for two and a half heartbeats. */
export class Watchdog {
  #configured;
  /** Grows each time it fires: the gateway may have a slower heartbeat. */
  #timeout;
  /** The timeout by the gateway's observed heartbeats. */
  #observed = 0;
  #onSilence = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #last = 0;
  #beats = 0;

  /** @param {number} heartbeat milliseconds between two heartbeats of the gateway */
  constructor(heartbeat) {
    this.#configured = this.#timeout = TOLERANCE * heartbeat;
  }

  /** @param {() => void} onSilence called once, after too long a silence */
  start(onSilence) {
    this.#onSilence = onSilence;
    this.#beats = 0;
    this.#last = performance.now();
    this.#schedule();
  }

  /**
   * Notes that bytes arrived.
   * @param {boolean} heartbeat true if they contained a heartbeat
   */
  feed(heartbeat) {
    const now = performance.now();
    // The first comes at once, when the stream opens, and says nothing about the interval.
    if (heartbeat && ++this.#beats > 1) {
      this.#observed = Math.min(MAX_TIMEOUT, Math.max(this.#observed, TOLERANCE * (now - this.#last)));
      this.#timeout = this.#configured;
    }
    this.#last = now;
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #schedule() {
    const left = this.#last + Math.max(this.#timeout, this.#observed) - performance.now();
    this.#timer = setTimeout(() => this.#check(), Math.max(0, left));
  }

  #check() {
    if (performance.now() - this.#last < Math.max(this.#timeout, this.#observed) - 1) return this.#schedule();
    this.#timeout = Math.max(this.#configured, Math.min(this.#timeout * 1.5, MAX_TIMEOUT));
    this.#onSilence();
  }
}
