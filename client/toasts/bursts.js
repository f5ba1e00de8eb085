/** Folds a burst of similar toasts into one, such as those of twelve reports that end together. */

/** @import { BellwireEvent, Toast } from '../module/event.js' */
/** @import { TOAST_LABELS } from './labels.js' */

/** The most similar toasts that are shown one by one. */
const MAX_SINGLE = 3;
/** A burst ends after this many milliseconds without another toast. */
const MAX_GAP = 4_000;
/** The titles that a folded toast lists. */
const LISTED_TITLES = 3;
/** The most titles of a burst that are kept; more are only counted. */
const MAX_TITLES = 100;

/**
 * @typedef {{ key: string, last: number, titles: Map<string, string>, dropped: number, folded: boolean }} Burst
 * @typedef {{ name: string, toast: Toast, replaces: string[] }} FoldedToast
 */

export class ToastBursts {
  /** @type {Map<string, Burst>} */
  #bursts = new Map();
  #labels;

  /** @param {() => typeof TOAST_LABELS} labels */
  constructor(labels) {
    this.#labels = labels;
  }

  /**
   * Returns what to show for a toast: itself, or its burst, which replaces the toasts before it.
   * @param {string} name @param {Toast} toast @param {BellwireEvent} [event]
   * @returns {FoldedToast}
   */
  add(name, toast, event, now = performance.now()) {
    for (const [key, burst] of this.#bursts) if (now - burst.last > MAX_GAP) this.#bursts.delete(key);
    const key = burstKey(toast, event);
    const burst = this.#bursts.get(key) ?? { key: `burst/${key}/${now}`, last: now, titles: new Map(), dropped: 0, folded: false };
    this.#bursts.set(key, burst);
    burst.last = now;
    burst.titles.set(name, toast.title);
    if (burst.titles.size > MAX_TITLES) {
      burst.titles.delete(/** @type {string} */ (burst.titles.keys().next().value));
      burst.dropped += 1;
    }
    if (burst.titles.size <= MAX_SINGLE) return { name, toast, replaces: [] };
    const replaces = burst.folded ? [] : [...burst.titles.keys()];
    burst.folded = true;
    return { name: burst.key, toast: this.#foldedToast(burst, toast, event), replaces };
  }

  /** Forgets a dismissed toast or burst. @param {string} name */
  remove(name) {
    for (const [key, burst] of this.#bursts) {
      burst.titles.delete(name);
      if (burst.key === name) this.#bursts.delete(key);
    }
  }

  /** @param {Burst} burst @param {Toast} toast @param {BellwireEvent} [event] @returns {Toast} */
  #foldedToast(burst, toast, event) {
    const labels = this.#labels();
    const count = burst.titles.size + burst.dropped;
    const task = event?.data?.task;
    const title = task ? labels.tasks(count, task.kind, task.state) : labels.messages(count);
    const latest = [...burst.titles.values()].reverse().slice(0, LISTED_TITLES);
    return { level: toast.level, title, body: labels.list(latest, count - latest.length) };
  }
}

/** The key that similar toasts share. @param {Toast} toast @param {BellwireEvent} [event] */
function burstKey(toast, event) {
  const task = event?.data?.task;
  return task ? `${event.type} ${task.kind} ${toast.level}` : `message ${toast.level}`;
}
