/** The time that a toast stays; it can be paused. */

/** @import { Toast } from '../module/event.js' */

const MIN_DURATION = 6_000;
/** Slow readers read about 15 characters a second. */
const PER_CHARACTER = 65;
const MAX_DURATION = 30_000;

/**
 * The milliseconds that a toast stays; null if a person must dismiss it.
 * @param {Toast} toast
 */
export function durationOf({ level, title, body = '', action, decision }) {
  if (level === 'error' || action || decision) return null;
  const reading = 2_000 + PER_CHARACTER * (title.length + body.length);
  return Math.min(MAX_DURATION, Math.max(MIN_DURATION, reading) + (level === 'warning' ? 4_000 : 0));
}

/** Counts down while it is not paused. */
export class ToastTimer {
  #left;
  #onEnd;
  #since = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {number | null} duration milliseconds; null never ends @param {() => void} onEnd */
  constructor(duration, onEnd) {
    this.#left = duration;
    this.#onEnd = onEnd;
  }

  run() {
    if (this.#left === null || this.#timer !== undefined) return;
    this.#since = performance.now();
    this.#timer = setTimeout(this.#onEnd, this.#left);
  }

  pause() {
    if (this.#left === null || this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#left = Math.max(0, this.#left - (performance.now() - this.#since));
  }
}
