/** A toast's time: it stands still while somebody reads, and goes on with what was left. */

const SHORTEST = 6_000;
/** Slow readers manage about 15 characters a second. */
const PER_CHARACTER = 65;
const LONGEST = 30_000;

/**
 * How long a toast stays, in milliseconds; null where a person must take it away.
 * @param {import('../module/event-filter.js').Toast} toast
 */
export function durationOf({ level, title, body = '', action, decision }) {
  if (level === 'error' || action || decision) return null;
  const reading = 2_000 + PER_CHARACTER * (title.length + body.length);
  return Math.min(LONGEST, Math.max(SHORTEST, reading) + (level === 'warning' ? 4_000 : 0));
}

/** Counts down while it runs. */
export class ToastTimer {
  #left;
  #done;
  #since = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {number | null} duration milliseconds; null never ends @param {() => void} done */
  constructor(duration, done) {
    this.#left = duration;
    this.#done = done;
  }

  run() {
    if (this.#left === null || this.#timer !== undefined) return;
    this.#since = performance.now();
    this.#timer = setTimeout(this.#done, this.#left);
  }

  pause() {
    if (this.#left === null || this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#left = Math.max(0, this.#left - (performance.now() - this.#since));
  }
}
