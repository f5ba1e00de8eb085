/** Whether anybody looks at this tab, and so whether it should hold a stream. */

/**
 * Fires `change` when `wanted` or `visible` changes, and `hurry` when a wait may be cut short.
 *
 * A visible tab wants its stream; a tab hidden for a while, put away for going back to, or frozen does not.
 * The cursor makes coming back cheap, and nobody is deaf because another tab sleeps.
 */
export class Attention extends EventTarget {
  /** Whether a stream should be held. */
  wanted = true;
  #hiddenAfter;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #listening = new AbortController();

  /** @param {number} hiddenAfter milliseconds that a hidden tab keeps its stream */
  constructor(hiddenAfter) {
    super();
    this.#hiddenAfter = hiddenAfter;
    const { signal } = this.#listening;
    document.addEventListener('visibilitychange', () => this.#look(), { signal });
    document.addEventListener('freeze', () => this.#set(false), { signal });
    document.addEventListener('resume', () => this.#look(), { signal });
    addEventListener('pagehide', () => this.#set(false), { signal });
    addEventListener('pageshow', () => this.#look(), { signal });
    addEventListener('online', () => this.dispatchEvent(new Event('hurry')), { signal });
    this.#look();
  }

  /** Whether the tab can be seen. */
  get visible() {
    return document.visibilityState === 'visible';
  }

  close() {
    clearTimeout(this.#timer);
    this.#listening.abort();
  }

  #look() {
    clearTimeout(this.#timer);
    if (!this.visible) this.#timer = setTimeout(() => this.#set(false), this.#hiddenAfter);
    this.#set(this.wanted || this.visible);
    if (this.visible) this.dispatchEvent(new Event('hurry'));
  }

  /** @param {boolean} wanted */
  #set(wanted) {
    this.wanted = wanted;
    this.dispatchEvent(new Event('change'));
  }
}
