/** `<bellwire-toasts>`: what Bellwire has to say, in a corner of the page. */

import { Announcer, topModal } from './announcer.js';
import { make, takeEarly } from '../element/dom.js';
import { nameOf } from '../module/event-filter.js';
import { Bursts } from './bursts.js';
import { Answering, decisionOf, nameOfAsked } from './decisions.js';
import { ToastStack } from './stack.js';
import { style } from './style.js';
import { TOAST_WORDS } from './labels.js';

const LEVELS = ['info', 'success', 'warning', 'error'];
/** The longest that a timer of the browser can wait. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** @typedef {import('../module/event-filter.js').Toast} Toast */
/** @typedef {import('../module/event-filter.js').BellwireEvent} BellwireEvent */

/**
 * Set its `connection`, or call `show`. Attributes: `hotkey` (F8) is the key that reaches it.
 * `words` may be set for another language.
 */
export class BellwireToasts extends HTMLElement {
  #words = TOAST_WORDS;
  /** @type {import('../module/connection.js').Connection | null} */
  #connection = null;
  #listening = new AbortController();
  #placed = new AbortController();
  #bursts = new Bursts(() => this.#words);
  /** Where the focus was before it came here. @type {HTMLElement | null} */
  #cameFrom = null;
  #region = make('section', 'region');
  /** @type {ToastStack} */
  #stack;
  /** @type {Answering} */
  #answering;
  #announcer;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [style];
    this.#stack = new ToastStack({
      words: () => this.#words,
      connection: () => this.#connection,
      dismiss: (name) => this.dismiss(name),
      decide: (name, decision) => this.#answering.decide(name, decision),
      focused: () => root.activeElement,
      still: () => document.hidden || !document.hasFocus() || topModal() !== null,
      giveFocusBack: () => this.#giveFocusBack(),
      placed: () => this.#keepClear(),
    });
    this.#answering = new Answering({
      words: () => this.#words,
      connection: () => this.#connection,
      stack: this.#stack,
      dismiss: (name) => this.dismiss(name),
      announce: (name, toast) => this.#announce(name, toast),
      say: (name, text) => this.#announcer.say(name, text, false),
    });
    this.#region.popover = 'manual';
    this.#region.tabIndex = -1;
    this.#region.role = 'region';
    this.#region.append(this.#stack.element);
    root.append(this.#region);
    this.#announcer = new Announcer(this.#region);
    this.#region.addEventListener('focusin', (event) => this.#focusCame(event));
    this.#region.addEventListener('focusout', () => setTimeout(() => this.#stack.arrange()));
    this.#region.addEventListener('keydown', (event) => this.#key(event));
  }

  /** Whose toasts are shown. @param {import('../module/connection.js').Connection | null} connection */
  set connection(connection) {
    this.#listening.abort();
    this.#listening = new AbortController();
    this.#connection = connection;
    const { signal } = this.#listening;
    connection?.addEventListener('toast', (said) => {
      const { toast, event } = /** @type {CustomEvent} */ (said).detail;
      this.show(toast, { event });
    }, { signal });
    connection?.addEventListener('event', (said) => {
      this.#answering.hear(/** @type {CustomEvent} */ (said).detail);
    }, { signal });
    connection?.addEventListener('dismissed', (said) => {
      this.#stack.remove(/** @type {CustomEvent} */ (said).detail.name);
    }, { signal });
  }

  get connection() {
    return this.#connection;
  }

  /** Words for another language; those not given stay English. @param {Partial<typeof TOAST_WORDS>} words */
  set words(words) {
    this.#words = { ...TOAST_WORDS, ...words };
    this.#region.ariaLabel = this.#words.region;
  }

  connectedCallback() {
    for (const property of ['connection', 'words']) takeEarly(this, property);
    this.#region.ariaLabel = this.#words.region;
    this.#region.showPopover(); // there, and empty, before the first toast
    this.#placed = new AbortController();
    this.#listenToPage(this.#placed.signal);
  }

  disconnectedCallback() {
    this.#placed.abort();
  }

  /**
   * Shows a toast; one of the same name is replaced where it stands.
   * @param {Toast} toast
   * @param {{ name?: string, event?: BellwireEvent }} [about]
   */
  show(toast, { event, name = nameFor(toast, event) } = {}) {
    if (typeof toast?.title !== 'string' || !toast.title.trim()) return;
    const level = LEVELS.includes(toast.level) ? toast.level : 'info';
    const body = typeof toast.body === 'string' ? toast.body : undefined;
    const whole = { ...toast, level, body, decision: decisionOf(toast, event) };
    // A question stands for itself: it is not folded into a burst.
    const shown = whole.decision ? { name, toast: whole, replaces: [] } : this.#bursts.take(name, whole, event);
    if (this.#stack.show(shown.name, shown.toast)) this.#announce(shown.name, shown.toast);
    for (const folded of shown.replaces) this.#stack.remove(folded);
    if (event?.expirytime) this.#removeAt(shown.name, Date.parse(event.expirytime));
  }

  /** Takes a toast away, in the other tabs too. @param {string} name */
  dismiss(name) {
    this.#bursts.forget(name);
    this.#connection?.dismiss(name);
    this.#stack.remove(name);
  }

  /** @param {string} name @param {number} end */
  #removeAt(name, end) {
    const left = end - Date.now();
    if (left < LONGEST_TIMER) setTimeout(() => this.#stack.remove(name), left);
  }

  /** @param {string} name @param {Toast} toast */
  #announce(name, { level, title, body, action, decision }) {
    const text = [`${this.#words[level]}: ${title}`, body, action?.label, decision && this.#words.asks].filter(Boolean).join('. ');
    // Only what the person must act on may interrupt.
    this.#announcer.say(name, text, level === 'error' && action !== undefined);
  }

  /** @param {AbortSignal} signal */
  #listenToPage(signal) {
    const options = { signal, capture: true };
    const tick = () => this.#stack.tick();
    document.addEventListener('keydown', (event) => this.#hotkey(event), { signal });
    document.addEventListener('visibilitychange', tick, { signal });
    addEventListener('blur', tick, { signal });
    addEventListener('focus', tick, { signal });
    document.addEventListener('focusin', () => this.#keepClear(), options);
    // A dialog or popover that opens is laid over everything before it: lie over it again.
    const isLayer = (/** @type {any} */ target) => target instanceof Element && target.matches('dialog, [popover]');
    document.addEventListener('toggle', ({ target }) => isLayer(target) && this.#raise(), options);
    const dialogs = new MutationObserver((changes) => changes.some(({ target }) => isLayer(target)) && this.#raise());
    dialogs.observe(document, { subtree: true, attributeFilter: ['open'] });
    signal.addEventListener('abort', () => dialogs.disconnect());
  }

  #raise() {
    const dialog = topModal();
    if (dialog) this.#announcer.prepare(dialog);
    const focused = this.shadowRoot?.activeElement;
    this.#region.hidePopover();
    this.#region.showPopover();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
    this.#stack.tick();
  }

  /** @param {KeyboardEvent} event */
  #hotkey(event) {
    if (event.key !== (this.getAttribute('hotkey') ?? 'F8') || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    (this.#stack.newest ?? this.#region).focus();
  }

  /** @param {FocusEvent} event */
  #focusCame({ relatedTarget }) {
    const inside = relatedTarget instanceof Node && this.#region.contains(relatedTarget);
    if (!inside && relatedTarget instanceof HTMLElement) this.#cameFrom = relatedTarget;
    this.#stack.arrange();
  }

  #giveFocusBack() {
    const back = this.#cameFrom;
    this.#cameFrom = null;
    if (back?.isConnected) back.focus();
    else /** @type {HTMLElement | null} */ (this.shadowRoot?.activeElement)?.blur();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
    const name = this.#stack.nameOf(this.shadowRoot?.activeElement ?? null);
    if (name === undefined) this.#giveFocusBack();
    else this.dismiss(name);
  }

  /** Never over the field that somebody writes in: the toasts go to the other end of the page. */
  #keepClear() {
    const field = document.activeElement;
    if (!this.#stack.newest || !field?.matches('input, textarea, select, [contenteditable]')) return;
    const [a, b] = [field.getBoundingClientRect(), this.#stack.place];
    const covered = a.right > b.left && a.left < b.right && a.bottom > b.top && a.top < b.bottom;
    if (!covered) return;
    if (this.#region.dataset.at === 'top') delete this.#region.dataset.at;
    else this.#region.dataset.at = 'top';
  }
}

/** Progress and end of one task are one toast, and so is a question. @param {Toast} toast @param {BellwireEvent} [event] */
function nameFor(toast, event) {
  const asked = decisionOf(toast, event);
  if (asked) return nameOfAsked(asked);
  if (!event) return `own/${performance.now()}/${Math.random()}`;
  const id = event.data?.task?.id;
  return typeof id === 'string' ? `task/${id}` : nameOf(event);
}

customElements.define('bellwire-toasts', BellwireToasts);
