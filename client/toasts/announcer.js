/** Speaks to screen readers: one announcement per word, whatever moves on the screen. */

/** A burst is spoken of once it has come to rest. */
const REST = 300;
/** Long enough to be read, then taken away so that nobody finds it again by browsing. */
const STAYS = 8_000;

/** Two live regions that are in the page, empty, before there is anything to say. */
export class Announcer {
  /** What waits to be said, by name: a newer word replaces it. @type {Map<string, { text: string, urgent: boolean }>} */
  #waiting = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #polite = region('status', 'polite');
  #assertive = region('alert', 'assertive');

  /** @param {ParentNode} root where the live regions are put */
  constructor(root) {
    root.append(this.#polite, this.#assertive);
  }

  /** @param {string} name @param {string} text @param {boolean} urgent whether it may interrupt */
  say(name, text, urgent) {
    this.#waiting.set(name, { text, urgent });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#speak(), REST);
  }

  #speak() {
    for (const { text, urgent } of this.#waiting.values()) {
      const line = document.createElement('div');
      line.textContent = text;
      this.#regionFor(urgent).append(line);
      setTimeout(() => line.remove(), STAYS);
    }
    this.#waiting.clear();
  }

  /** Outside an open modal dialog nothing is heard, so words are put into it. @param {boolean} urgent */
  #regionFor(urgent) {
    const inside = topModal()?.querySelector(`:scope > [data-bellwire-live="${urgent ? 'assertive' : 'polite'}"]`);
    return inside ?? (urgent ? this.#assertive : this.#polite);
  }

  /** Prepares a modal dialog that has just opened to be spoken in. @param {HTMLDialogElement} dialog */
  prepare(dialog) {
    if (dialog.querySelector(':scope > [data-bellwire-live]')) return;
    const regions = [region('status', 'polite'), region('alert', 'assertive')];
    dialog.append(...regions);
    dialog.addEventListener('close', () => regions.forEach((each) => each.remove()), { once: true });
  }
}

/** The dialog that makes the rest of the page inert. @returns {HTMLDialogElement | null} */
export function topModal() {
  return /** @type {HTMLDialogElement | null} */ ([...document.querySelectorAll('dialog:modal')].at(-1) ?? null);
}

/** @param {string} role @param {'polite' | 'assertive'} live */
function region(role, live) {
  const element = document.createElement('div');
  element.role = role;
  element.ariaLive = live;
  element.ariaAtomic = 'false';
  element.dataset.bellwireLive = live;
  // Set one by one: a style attribute would need a looser content policy.
  Object.assign(element.style, { position: 'absolute', inlineSize: '1px', blockSize: '1px', overflow: 'hidden', clipPath: 'inset(50%)', whiteSpace: 'nowrap' });
  return element;
}
