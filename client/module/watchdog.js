/** Notices silence: a connection that is dead without having ended. */

const PATIENCE = 2.5;
/** Never more patient than this by its own guess. */
const LONGEST = 150_000;

/** Barks when nothing came for two and a half heartbeats. */
export class Watchdog {
  #configured;
  /** Rises with each bark: what looks dead may be a gateway with a slower heartbeat. */
  #guess;
  /** What the gateway's own heartbeats have taught. */
  #learned = 0;
  #bark = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #last = 0;
  #beats = 0;

  /** @param {number} heartbeat milliseconds between two heartbeats of the gateway */
  constructor(heartbeat) {
    this.#configured = this.#guess = PATIENCE * heartbeat;
  }

  /** @param {() => void} bark called once, when it has been silent for too long */
  start(bark) {
    this.#bark = bark;
    this.#beats = 0;
    this.#last = performance.now();
    this.#wait();
  }

  /**
   * Something came.
   * @param {boolean} heartbeat whether a heartbeat was in it
   */
  feed(heartbeat) {
    const now = performance.now();
    // The first comes at once, when the stream begins; it tells nothing of the rhythm.
    if (heartbeat && ++this.#beats > 1) {
      this.#learned = Math.min(LONGEST, Math.max(this.#learned, PATIENCE * (now - this.#last)));
      this.#guess = this.#configured;
    }
    this.#last = now;
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #wait() {
    const left = this.#last + Math.max(this.#guess, this.#learned) - performance.now();
    this.#timer = setTimeout(() => this.#look(), Math.max(0, left));
  }

  #look() {
    if (performance.now() - this.#last < Math.max(this.#guess, this.#learned) - 1) return this.#wait();
    this.#guess = Math.max(this.#configured, Math.min(this.#guess * 1.5, LONGEST));
    this.#bark();
  }
}
