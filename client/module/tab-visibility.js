/** The visibility of this tab, and with it whether the tab holds a stream. */

/**
 * Fires `change` when `active` or `visible` changes, and `wake` when a delay may be cut short.
 *
 * A visible tab is active; a tab that is hidden for a while, in the back/forward cache or frozen is not. The cursor
 * makes resuming cheap.
 */
export class TabVisibility extends EventTarget {
  /** True while the tab should hold a stream. */
  active = true;
  #hiddenAfter;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #listening = new AbortController();

  /** @param {number} hiddenAfter milliseconds that a hidden tab keeps its stream */
  constructor(hiddenAfter) {
    super();
    this.#hiddenAfter = hiddenAfter;
    const { signal } = this.#listening;
    document.addEventListener('visibilitychange', () => this.#update(), { signal });
    document.addEventListener('freeze', () => this.#setActive(false), { signal });
    document.addEventListener('resume', () => this.#update(), { signal });
    addEventListener('pagehide', () => this.#setActive(false), { signal });
    addEventListener('pageshow', () => this.#update(), { signal });
    addEventListener('online', () => this.dispatchEvent(new Event('wake')), { signal });
    this.#update();
  }

  get visible() {
    return document.visibilityState === 'visible';
  }

  close() {
    clearTimeout(this.#timer);
    this.#listening.abort();
  }

  #update() {
    clearTimeout(this.#timer);
    if (!this.visible) this.#timer = setTimeout(() => this.#setActive(false), this.#hiddenAfter);
    this.#setActive(this.active || this.visible);
    if (this.visible) this.dispatchEvent(new Event('wake'));
  }

  /** @param {boolean} active */
  #setActive(active) {
    this.active = active;
    this.dispatchEvent(new Event('change'));
  }
}
