/** Announces toasts to screen readers, independently of what moves on the screen. */

/** Milliseconds without a new message after which a burst is announced. */
const QUIET_TIME = 300;
/** Milliseconds that a message stays: long enough to be read, but not to be found later by browsing. */
const LIFETIME = 8_000;

/** Two live regions, which must be in the page before their first message. */
export class Announcer {
  /** Messages to announce, by name; a newer one replaces an older. @type {Map<string, { text: string, urgent: boolean }>} */
  #waiting = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #polite = region('status', 'polite');
  #assertive = region('alert', 'assertive');

  /** @param {ParentNode} root of the live regions */
  constructor(root) {
    root.append(this.#polite, this.#assertive);
  }

  /** @param {string} name @param {string} text @param {boolean} urgent true if it may interrupt */
  announce(name, text, urgent) {
    this.#waiting.set(name, { text, urgent });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), QUIET_TIME);
  }

  #flush() {
    for (const { text, urgent } of this.#waiting.values()) {
      const line = document.createElement('div');
      line.textContent = text;
      this.#regionFor(urgent).append(line);
      setTimeout(() => line.remove(), LIFETIME);
    }
    this.#waiting.clear();
  }

  /** The region of an open modal dialog if there is one: screen readers ignore what is outside it. @param {boolean} urgent */
  #regionFor(urgent) {
    const inside = topModal()?.querySelector(`:scope > [data-bellwire-live="${urgent ? 'assertive' : 'polite'}"]`);
    return inside ?? (urgent ? this.#assertive : this.#polite);
  }

  /** Adds live regions to a modal dialog that has just opened. @param {HTMLDialogElement} dialog */
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
