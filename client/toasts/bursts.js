/** Folds a burst of like toasts into one: twelve reports that end together are one piece of news. */

/** More than so many of a kind are folded. */
const SINGLE = 3;
/** A burst goes on as long as the next comes within this many milliseconds. */
const PAUSE = 4_000;
const NAMED = 3;
/** So many titles of a burst are kept; the rest is counted. */
const KEPT = 100;

/** @typedef {import('../module/event-filter.js').Toast} Toast */
/** @typedef {import('../module/event-filter.js').BellwireEvent} BellwireEvent */

/**
 * @typedef {{ key: string, last: number, titles: Map<string, string>, beyond: number, folded: boolean }} Burst
 * @typedef {{ name: string, toast: Toast, replaces: string[] }} Shown
 */

/** Knows the bursts that go on. */
export class Bursts {
  /** @type {Map<string, Burst>} */
  #bursts = new Map();
  #words;

  /** @param {() => typeof import('./labels.js').TOAST_WORDS} words */
  constructor(words) {
    this.#words = words;
  }

  /**
   * What to show for a toast: itself, or its whole burst in place of those that came before.
   * @param {string} name @param {Toast} toast @param {BellwireEvent} [event]
   * @returns {Shown}
   */
  take(name, toast, event, now = performance.now()) {
    for (const [key, burst] of this.#bursts) if (now - burst.last > PAUSE) this.#bursts.delete(key);
    const key = likeness(toast, event);
    const burst = this.#bursts.get(key) ?? { key: `burst/${key}/${now}`, last: now, titles: new Map(), beyond: 0, folded: false };
    this.#bursts.set(key, burst);
    burst.last = now;
    burst.titles.set(name, toast.title);
    if (burst.titles.size > KEPT) {
      burst.titles.delete(/** @type {string} */ (burst.titles.keys().next().value));
      burst.beyond += 1;
    }
    if (burst.titles.size <= SINGLE) return { name, toast, replaces: [] };
    const replaces = burst.folded ? [] : [...burst.titles.keys()];
    burst.folded = true;
    return { name: burst.key, toast: this.#fold(burst, toast, event), replaces };
  }

  /** @param {string} name what a person has dismissed begins anew */
  forget(name) {
    for (const [key, burst] of this.#bursts) {
      burst.titles.delete(name);
      if (burst.key === name) this.#bursts.delete(key);
    }
  }

  /** @param {Burst} burst @param {Toast} toast @param {BellwireEvent} [event] @returns {Toast} */
  #fold(burst, toast, event) {
    const words = this.#words();
    const count = burst.titles.size + burst.beyond;
    const task = event?.data?.task;
    const title = task ? words.tasks(count, task.kind, task.state) : words.messages(count);
    const latest = [...burst.titles.values()].reverse().slice(0, NAMED);
    return { level: toast.level, title, body: words.list(latest, count - latest.length) };
  }
}

/** What makes two toasts alike. @param {Toast} toast @param {BellwireEvent} [event] */
function likeness(toast, event) {
  const task = event?.data?.task;
  return task ? `${event.type} ${task.kind} ${toast.level}` : `message ${toast.level}`;
}
