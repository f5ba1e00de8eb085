/** `<bellwire-toasts>`: what Bellwire has to say, in a corner of the page. */

import { Announcer, topModal } from './announcer.js';
import { make, takeEarly } from './element.js';
import { nameOf } from './inbox.js';
import { Bursts } from './toast-burst.js';
import { fillCard, makeCard } from './toast-card.js';
import { enter, leave, settle } from './toast-motion.js';
import { style } from './toast-style.js';
import { makeSwipeable } from './toast-swipe.js';
import { durationOf, ToastTimer } from './toast-timer.js';
import { TOAST_WORDS } from './toast-words.js';

const VISIBLE = 3;
/** More than so many are not kept; the task list has them all. */
const MOST = 30;
const LEVELS = ['info', 'success', 'warning', 'error'];

/** @typedef {import('./inbox.js').Toast} Toast */
/** @typedef {import('./inbox.js').BellwireEvent} BellwireEvent */
/** @typedef {{ name: string, toast: Toast, card: HTMLLIElement, timer: ToastTimer, swiped: boolean }} Item */

/**
 * Set its `connection`, or call `show`. Attributes: `hotkey` (F8) is the key that reaches it.
 * `words` may be set for another language.
 */
export class BellwireToasts extends HTMLElement {
  #words = TOAST_WORDS;
  /** @type {import('./connection.js').Connection | null} */
  #connection = null;
  #listening = new AbortController();
  #placed = new AbortController();
  /** Oldest first. @type {Map<string, Item>} */
  #items = new Map();
  /** What came while the person was at it: nothing moves under the pointer. @type {Item[]} */
  #held = [];
  #bursts = new Bursts(() => this.#words);
  #hovered = false;
  #wasExpanded = false;
  #swiping = 0;
  /** Where the focus was before it came here. @type {HTMLElement | null} */
  #cameFrom = null;
  #region;
  #stack;
  #list;
  #more;
  #announcer;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [style];
    this.#region = make('section', 'region');
    this.#region.popover = 'manual';
    this.#region.tabIndex = -1;
    this.#stack = make('div', 'stack');
    this.#more = /** @type {HTMLButtonElement} */ (make('button', 'more'));
    this.#more.type = 'button';
    this.#more.hidden = true;
    this.#list = make('ol', 'list');
    this.#list.setAttribute('role', 'list'); // without bullets some screen readers no longer see a list
    this.#stack.append(this.#more, this.#list);
    this.#region.append(this.#stack);
    root.append(this.#region);
    this.#announcer = new Announcer(this.#region);
    this.#listen();
  }

  /** Whose toasts are shown. @param {import('./connection.js').Connection | null} connection */
  set connection(connection) {
    this.#listening.abort();
    this.#listening = new AbortController();
    this.#connection = connection;
    const { signal } = this.#listening;
    connection?.addEventListener('toast', (said) => {
      const { toast, event } = /** @type {CustomEvent} */ (said).detail;
      this.show(toast, { event });
    }, { signal });
    connection?.addEventListener('dismissed', (said) => {
      this.#remove(/** @type {CustomEvent} */ (said).detail.name);
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
    takeEarly(this, 'connection');
    takeEarly(this, 'words');
    this.#region.role = 'region';
    this.#region.ariaLabel = this.#words.region;
    this.#region.showPopover(); // there, and empty, before the first toast
    this.#placed = new AbortController();
    this.#listenToPage(this.#placed.signal);
  }

  disconnectedCallback() {
    this.#placed.abort();
    for (const item of this.#items.values()) item.timer.pause();
  }

  /**
   * Shows a toast; one of the same name is replaced where it stands.
   * @param {Toast} toast
   * @param {{ name?: string, event?: BellwireEvent }} [about]
   */
  show(toast, { event, name = nameFor(event) } = {}) {
    if (typeof toast?.title !== 'string' || !toast.title.trim()) return;
    const level = LEVELS.includes(toast.level) ? toast.level : 'info';
    const body = typeof toast.body === 'string' ? toast.body : undefined;
    const shown = this.#bursts.take(name, { ...toast, level, body }, event);
    const known = this.#items.get(shown.name) ?? this.#held.find((item) => item.name === shown.name);
    if (known) this.#replace(known, shown.toast);
    else this.#add(shown.name, shown.toast);
    for (const folded of shown.replaces) this.#remove(folded);
    if (event?.expirytime) this.#removeAt(shown.name, Date.parse(event.expirytime));
  }

  /** Takes a toast away, in the other tabs too. @param {string} name */
  dismiss(name) {
    this.#bursts.forget(name);
    this.#connection?.dismiss(name);
    this.#remove(name);
  }

  /** @param {string} name @param {Toast} toast */
  #add(name, toast) {
    const card = makeCard();
    card.setAttribute('part', 'toast');
    const item = { name, toast, card, timer: this.#timerFor(name, toast), swiped: false };
    fillCard(card, toast, this.#contextOf(name));
    makeSwipeable(card, {
      onStart: () => this.#swipe(1),
      onEnd: (gone) => {
        this.#swipe(-1);
        item.swiped = gone;
        if (gone) this.dismiss(name);
      },
    });
    this.#announce(name, toast);
    if (this.#isExpanded()) this.#held.push(item);
    else this.#place(item);
    this.#arrange();
  }

  /** @param {Item} item */
  #place(item) {
    settle(this.#cards(), () => this.#list.append(item.card));
    enter(item.card);
    this.#items.set(item.name, item);
    for (const name of this.#items.keys()) {
      if (this.#items.size <= MOST) break;
      this.#remove(name);
    }
    this.#keepClear();
  }

  /** In place and quietly: it is spoken of only where its words are others. @param {Item} item @param {Toast} toast */
  #replace(item, toast) {
    item.timer.pause();
    item.timer = this.#timerFor(item.name, toast);
    const before = item.toast;
    item.toast = toast;
    fillCard(item.card, toast, this.#contextOf(item.name));
    if (before.title !== toast.title) this.#announce(item.name, toast);
    this.#tick();
  }

  /** @param {string} name */
  async #remove(name) {
    this.#held = this.#held.filter((item) => item.name !== name);
    const item = this.#items.get(name);
    if (!item) return this.#arrange();
    this.#items.delete(name);
    item.timer.pause();
    this.#moveFocusFrom(item.card);
    item.card.inert = true;
    await leave(item.card, item.swiped);
    settle(this.#cards(), () => item.card.remove());
    this.#arrange();
  }

  /** The focus of somebody who dismisses by keyboard goes to the next toast, or back. @param {HTMLElement} card */
  #moveFocusFrom(card) {
    if (!card.contains(this.#focused())) return;
    const order = [...this.#list.children];
    const at = order.indexOf(card);
    const open = this.#cards().filter((each) => each !== card && !each.hidden);
    const next = open.find((each) => order.indexOf(each) > at) ?? open.at(-1);
    if (next) next.focus();
    else this.#giveFocusBack();
  }

  #giveFocusBack() {
    const back = this.#cameFrom;
    this.#cameFrom = null;
    if (back?.isConnected) back.focus();
    else /** @type {HTMLElement | null} */ (this.#focused())?.blur();
  }

  /** Shows the newest few, or all of them to somebody who is at it. */
  #arrange() {
    const expanded = this.#isExpanded();
    if (!expanded) for (const item of this.#held.splice(0)) this.#place(item);
    const cards = this.#cards();
    const hidden = expanded ? 0 : Math.max(0, cards.length - VISIBLE);
    settle(cards.slice(hidden), () => cards.forEach((card, n) => (card.hidden = n < hidden)));
    if (expanded !== this.#wasExpanded) this.#list.scrollTop = this.#list.scrollHeight; // the newest stay where they were
    this.#wasExpanded = expanded;
    const count = expanded ? this.#held.length : hidden;
    this.#more.hidden = count === 0;
    this.#more.textContent = expanded ? this.#words.fresh(count) : this.#words.more(count);
    this.#tick();
  }

  /** Time runs only while somebody can read and does not. */
  #tick() {
    const still = this.#isExpanded() || this.#swiping > 0 || document.hidden || !document.hasFocus() || topModal() !== null;
    for (const item of this.#items.values()) {
      if (still) item.timer.pause();
      else item.timer.run();
    }
  }

  #listen() {
    this.#stack.addEventListener('pointerenter', (event) => event.pointerType === 'mouse' && this.#hover(true));
    this.#stack.addEventListener('pointerleave', () => this.#hover(false));
    this.#region.addEventListener('focusin', ({ relatedTarget }) => {
      const inside = relatedTarget instanceof Node && this.#region.contains(relatedTarget);
      if (!inside && relatedTarget instanceof HTMLElement) this.#cameFrom = relatedTarget;
      this.#arrange();
    });
    this.#region.addEventListener('focusout', () => setTimeout(() => this.#arrange()));
    this.#region.addEventListener('keydown', (event) => this.#key(event));
    this.#more.addEventListener('click', () => this.#open());
  }

  /** @param {AbortSignal} signal */
  #listenToPage(signal) {
    const options = { signal, capture: true };
    document.addEventListener('keydown', (event) => this.#hotkey(event), { signal });
    document.addEventListener('visibilitychange', () => this.#tick(), { signal });
    addEventListener('blur', () => this.#tick(), { signal });
    addEventListener('focus', () => this.#tick(), { signal });
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
    const focused = this.#focused();
    this.#region.hidePopover();
    this.#region.showPopover();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
    this.#tick();
  }

  /** @param {KeyboardEvent} event */
  #hotkey(event) {
    if (event.key !== (this.getAttribute('hotkey') ?? 'F8') || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const focused = document.activeElement;
    if (focused instanceof HTMLElement && focused !== this && focused !== document.body) this.#cameFrom = focused;
    (this.#cards().at(-1) ?? this.#region).focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
    const card = /** @type {HTMLElement | null} */ (this.#focused())?.closest('.toast');
    const item = [...this.#items.values()].find((each) => each.card === card);
    if (item) this.dismiss(item.name);
    else this.#giveFocusBack();
  }

  /** What came while the person was at it, for one who asks for it. */
  #open() {
    for (const item of this.#held.splice(0)) this.#place(item);
    this.#cards().at(-1)?.focus();
    this.#arrange();
  }

  /** Never over the field that somebody writes in: the toasts go to the other end of the page. */
  #keepClear() {
    const field = document.activeElement;
    if (!(field instanceof HTMLElement) || field === this || !field.matches('input, textarea, select, [contenteditable]')) return;
    const [a, b] = [field.getBoundingClientRect(), this.#list.getBoundingClientRect()];
    const covered = a.right > b.left && a.left < b.right && a.bottom > b.top && a.top < b.bottom && b.height > 0;
    if (!covered) return;
    if (this.#region.dataset.at === 'top') delete this.#region.dataset.at;
    else this.#region.dataset.at = 'top';
  }

  /** @param {boolean} hovered */
  #hover(hovered) {
    this.#hovered = hovered;
    this.#arrange();
  }

  /** @param {number} more */
  #swipe(more) {
    this.#swiping += more;
    this.#tick();
  }

  #isExpanded() {
    return this.#hovered || this.#region.contains(this.#focused());
  }

  #focused() {
    return /** @type {ShadowRoot} */ (this.shadowRoot).activeElement;
  }

  /** The cards of the list in its order, without those that are leaving. */
  #cards() {
    return [...this.#items.values()].map((item) => item.card);
  }

  /** @param {string} name @param {Toast} toast */
  #timerFor(name, toast) {
    return new ToastTimer(durationOf(toast), () => this.#remove(name));
  }

  /** @param {string} name @param {number} end */
  #removeAt(name, end) {
    const left = end - Date.now();
    if (left < 2 ** 31) setTimeout(() => this.#remove(name), left);
  }

  /** @param {string} name */
  #contextOf(name) {
    return { words: this.#words, connection: this.#connection, onDismiss: () => this.dismiss(name) };
  }

  /** @param {string} name @param {Toast} toast */
  #announce(name, { level, title, body, action }) {
    const text = [`${this.#words[level]}: ${title}`, body, action?.label].filter(Boolean).join('. ');
    this.#announcer.say(name, text, level === 'error' && action !== undefined);
  }
}

/** Progress and end of one task are one toast. @param {BellwireEvent} [event] */
function nameFor(event) {
  if (!event) return `own/${performance.now()}/${Math.random()}`;
  const task = event.data?.task;
  return task ? `task/${task.id}` : nameOf(event);
}

customElements.define('bellwire-toasts', BellwireToasts);
