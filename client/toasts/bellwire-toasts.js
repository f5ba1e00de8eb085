/** `<bellwire-toasts>`: toasts in a corner of the page. */

import { make } from '../element/dom.js';
import { GatewayElement } from '../element/gateway-element.js';
import { toastName } from '../module/toast-name.js';
import { Announcer, topModal } from './announcer.js';
import { ToastBursts } from './bursts.js';
import { approvalToastName, decisionKind, questionText, stepToDecide, ToastDecisions } from './decisions.js';
import { TOAST_LABELS } from './labels.js';
import { ToastStack } from './stack.js';
import { style } from './style.js';

/** @import { Connection } from '../module/connection.js' */
/** @import { BellwireEvent, Toast } from '../module/event.js' */

const LEVELS = ['info', 'success', 'warning', 'error'];
/** The longest delay of a browser's timer. */
const MAX_TIMER = 2 ** 31 - 1;

/**
 * Set its `connection`, or call `show`; set `words` for another language. The attribute `hotkey` (F8) is the key that
 * focuses it.
 * @extends {GatewayElement<typeof TOAST_LABELS>}
 */
export class BellwireToasts extends GatewayElement {
  #connectionListeners = new AbortController();
  #pageListeners = new AbortController();
  #bursts = new ToastBursts(() => this.labels);
  /** The element that had the focus before the toasts. @type {HTMLElement | null} */
  #focusedBefore = null;
  #region = make('section', 'region');
  /** @type {ToastStack} */
  #stack;
  /** @type {ToastDecisions} */
  #decisions;
  #announcer;

  constructor() {
    super(TOAST_LABELS, style);
    this.#stack = new ToastStack({
      labels: () => this.labels,
      connection: () => this.connection,
      dismiss: (name) => this.dismiss(name),
      decide: (name, decision) => this.#decisions.decide(name, decision),
      look: (name) => this.#decisions.open(name),
      activeElement: () => this.root.activeElement,
      isPaused: () => document.hidden || !document.hasFocus() || topModal() !== null,
      restoreFocus: () => this.#restoreFocus(),
      onGrow: () => this.#avoidFocusedField(),
    });
    this.#decisions = new ToastDecisions({
      labels: () => this.labels,
      connection: () => this.connection,
      stack: this.#stack,
      dismiss: (name) => this.dismiss(name),
      announceToast: (name, toast) => this.#announce(name, toast),
      announce: (name, text) => this.#announcer.announce(name, text, false),
    });
    this.#region.popover = 'manual';
    this.#region.tabIndex = -1;
    this.#region.role = 'region';
    this.#region.append(this.#stack.element);
    this.root.append(this.#region);
    this.#announcer = new Announcer(this.#region);
    this.#region.addEventListener('focusin', (event) => this.#focusMoved(event));
    this.#region.addEventListener('focusout', () => setTimeout(() => this.#stack.arrange()));
    this.#region.addEventListener('keydown', (event) => this.#handleKey(event));
  }

  /** @protected @param {Connection | null} connection */
  connectionChanged(connection) {
    this.#connectionListeners.abort();
    this.#connectionListeners = new AbortController();
    const { signal } = this.#connectionListeners;
    connection?.addEventListener('toast', ({ detail: { toast, event } }) => this.show(toast, { event }), { signal });
    connection?.addEventListener('event', ({ detail }) => this.#decisions.update(detail), { signal });
    connection?.addEventListener('dismissed', ({ detail }) => this.#stack.remove(detail.name), { signal });
  }

  /** @protected */
  labelsChanged() {
    this.#region.ariaLabel = this.labels.region;
  }

  connectedCallback() {
    super.connectedCallback();
    this.labelsChanged();
    this.#region.showPopover(); // open, and empty, before the first toast
    this.#pageListeners = new AbortController();
    this.#listenToPage(this.#pageListeners.signal);
  }

  disconnectedCallback() {
    this.#pageListeners.abort();
  }

  /**
   * Shows a toast, in place of one of the same name.
   * @param {Toast} toast
   * @param {{ name?: string, event?: BellwireEvent }} [options]
   */
  show(toast, { event, name = nameOf(toast, event) } = {}) {
    if (typeof toast?.title !== 'string' || !toast.title.trim()) return;
    const level = LEVELS.includes(toast.level) ? toast.level : 'info';
    const body = typeof toast.body === 'string' ? toast.body : undefined;
    const decision = stepToDecide(toast, event);
    if (decision && event && this.#decisions.isClosed(decision)) return; // a reminder of what one has answered
    const text = decision ? questionText({ ...toast, body }, event, this.labels) : { body };
    /** @type {Toast} */
    const checked = { ...toast, ...text, level, decision, asks: decision && decisionKind(event) };
    // A toast that asks for a decision is never folded into a burst.
    const shown = checked.decision ? { name, toast: checked, replaces: [] } : this.#bursts.add(name, checked, event);
    if (this.#stack.show(shown.name, shown.toast)) this.#announce(shown.name, shown.toast);
    for (const folded of shown.replaces) this.#stack.remove(folded);
    if (event?.expirytime) this.#removeAt(shown.name, Date.parse(event.expirytime));
  }

  /** Dismisses a toast, in the other tabs too. @param {string} name */
  dismiss(name) {
    this.#bursts.remove(name);
    this.connection?.dismiss(name);
    this.#stack.remove(name);
  }

  /** @param {string} name @param {number} end */
  #removeAt(name, end) {
    const left = end - (this.connection?.now?.() ?? Date.now());
    if (left < MAX_TIMER) setTimeout(() => this.#stack.remove(name), left);
  }

  /** @param {string} name @param {Toast} toast */
  #announce(name, { level, title, body, action, decision }) {
    const text = [`${this.labels[level]}: ${title}`, body, action?.label, decision && this.labels.asks].filter(Boolean).join('. ');
    // Only an error that the user must act on may interrupt.
    this.#announcer.announce(name, text, level === 'error' && action !== undefined);
  }

  /** @param {AbortSignal} signal */
  #listenToPage(signal) {
    const options = { signal, capture: true };
    const updateTimers = () => this.#stack.updateTimers();
    document.addEventListener('keydown', (event) => this.#handleHotkey(event), { signal });
    document.addEventListener('visibilitychange', updateTimers, { signal });
    addEventListener('blur', updateTimers, { signal });
    addEventListener('focus', updateTimers, { signal });
    document.addEventListener('focusin', () => this.#avoidFocusedField(), options);
    // A dialog or popover that opens covers the toasts: raise them above it.
    const isLayer = (/** @type {EventTarget | null} */ target) => target instanceof Element && target.matches('dialog, [popover]');
    document.addEventListener('toggle', ({ target }) => isLayer(target) && this.#raise(), options);
    const dialogs = new MutationObserver((changes) => changes.some(({ target }) => isLayer(target)) && this.#raise());
    dialogs.observe(document, { subtree: true, attributeFilter: ['open'] });
    signal.addEventListener('abort', () => dialogs.disconnect());
  }

  #raise() {
    const dialog = topModal();
    if (dialog) this.#announcer.prepare(dialog);
    const focused = this.root.activeElement;
    this.#region.hidePopover();
    this.#region.showPopover();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
    this.#stack.updateTimers();
  }

  /** @param {KeyboardEvent} event */
  #handleHotkey(event) {
    if (event.key !== (this.getAttribute('hotkey') ?? 'F8') || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    (this.#stack.newestCard ?? this.#region).focus();
  }

  /** @param {FocusEvent} event */
  #focusMoved({ relatedTarget }) {
    const inside = relatedTarget instanceof Node && this.#region.contains(relatedTarget);
    if (!inside && relatedTarget instanceof HTMLElement) this.#focusedBefore = relatedTarget;
    this.#stack.arrange();
  }

  #restoreFocus() {
    const [before, { activeElement }] = [this.#focusedBefore, this.root];
    this.#focusedBefore = null;
    if (before?.isConnected) before.focus();
    else if (activeElement instanceof HTMLElement) activeElement.blur();
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
    const name = this.#stack.nameOf(this.root.activeElement);
    if (name === undefined) this.#restoreFocus();
    else this.dismiss(name);
  }

  /** Moves the toasts to the other end of the page if they cover the focused field. */
  #avoidFocusedField() {
    const field = document.activeElement;
    if (!this.#stack.newestCard || !field?.matches('input, textarea, select, [contenteditable]')) return;
    const [a, b] = [field.getBoundingClientRect(), this.#stack.bounds];
    const covered = a.right > b.left && a.left < b.right && a.bottom > b.top && a.top < b.bottom;
    if (!covered) return;
    if (this.#region.dataset.at === 'top') delete this.#region.dataset.at;
    else this.#region.dataset.at = 'top';
  }
}

/** The name of a toast: one per task, for progress and end, and one per approval. @param {Toast} toast @param {BellwireEvent} [event] */
function nameOf(toast, event) {
  const step = stepToDecide(toast, event);
  if (step) return approvalToastName(step);
  if (!event) return `own/${performance.now()}/${Math.random()}`;
  return toastName(event);
}

customElements.define('bellwire-toasts', BellwireToasts);
