/** The stack of toasts: shows the newest few, counts the rest, and moves nothing under the pointer. */

import { make, makeButton } from '../element/dom.js';
import { animateIn, animateMoves, animateOut } from './animation.js';
import { fillCard, makeCard } from './card.js';
import { makeSwipeable } from './swipe.js';
import { durationOf, ToastTimer } from './timer.js';

/** @import { Decision } from '../module/approval.js' */
/** @import { Connection } from '../module/connection.js' */
/** @import { Toast } from '../module/event.js' */
/** @import { TOAST_LABELS } from './labels.js' */

const MAX_VISIBLE = 3;
/** The most toasts that are kept; the task list has them all. */
const MAX_TOASTS = 30;

/** @typedef {{ name: string, toast: Toast, card: HTMLLIElement, timer: ToastTimer, swiped: boolean }} Item */

/**
 * @typedef {object} StackContext
 * @property {() => typeof TOAST_LABELS} labels
 * @property {() => Connection | null} connection
 * @property {(name: string) => void} dismiss
 * @property {(name: string, decision: Decision) => Promise<void>} decide
 * @property {(name: string) => void} look goes to an approval in the page's list
 * @property {() => Element | null} activeElement in the shadow root
 * @property {() => boolean} isPaused true while nobody can read, so that timers stop
 * @property {() => void} restoreFocus to where it was before it came to the toasts
 * @property {() => void} onGrow
 */

export class ToastStack {
  element = make('div', 'stack');
  /** Oldest first. @type {Map<string, Item>} */
  #items = new Map();
  /** Toasts that arrived while the stack was expanded. @type {Item[]} */
  #queued = [];
  #list = make('ol', 'list');
  #more = makeButton('more', '', () => this.#showQueued());
  #context;
  #hovered = false;
  #wasExpanded = false;
  #swiping = 0;

  /** @param {StackContext} context */
  constructor(context) {
    this.#context = context;
    this.#more.hidden = true;
    this.#list.setAttribute('role', 'list'); // without bullets some screen readers no longer see a list
    this.element.append(this.#more, this.#list);
    this.element.addEventListener('pointerenter', (event) => event.pointerType === 'mouse' && this.#setHovered(true));
    this.element.addEventListener('pointerleave', () => this.#setHovered(false));
  }

  /**
   * Shows a toast, in place of the one of this name if there is one.
   * @param {string} name @param {Toast} toast
   * @returns {boolean} true if its title is new
   */
  show(name, toast) {
    const item = this.#find(name);
    if (item) return this.#replace(item, toast);
    this.#add(name, toast);
    return true;
  }

  /** @param {string} name */
  async remove(name) {
    this.#queued = this.#queued.filter((item) => item.name !== name);
    const item = this.#items.get(name);
    if (!item) return this.arrange();
    this.#items.delete(name);
    item.timer.pause();
    this.#moveFocusFrom(item.card);
    item.card.inert = true;
    await animateOut(item.card, item.swiped);
    animateMoves(this.#cards(), () => item.card.remove());
    this.arrange();
  }

  /** The toast of this name, shown or queued. @param {string} name */
  toastOf(name) {
    return this.#find(name)?.toast;
  }

  /** The names of all toasts, shown or queued. */
  names() {
    return [...this.#items.keys(), ...this.#queued.map((item) => item.name)];
  }

  get newestCard() {
    return this.#cards().at(-1);
  }

  get bounds() {
    return this.#list.getBoundingClientRect();
  }

  /** The name of the toast that contains an element. @param {Element | null} element */
  nameOf(element) {
    const card = element?.closest('.toast');
    return [...this.#items.values()].find((item) => item.card === card)?.name;
  }

  /** Shows the newest few, or all while the stack is expanded. */
  arrange() {
    const expanded = this.#isExpanded();
    if (!expanded) this.#placeQueued();
    const cards = this.#cards();
    const hidden = expanded ? 0 : Math.max(0, cards.length - MAX_VISIBLE);
    animateMoves(cards.slice(hidden), () => cards.forEach((card, index) => (card.hidden = index < hidden)));
    if (expanded !== this.#wasExpanded) this.#list.scrollTop = this.#list.scrollHeight; // the newest keep their position
    this.#wasExpanded = expanded;
    const count = expanded ? this.#queued.length : hidden;
    this.#more.hidden = count === 0;
    this.#more.textContent = expanded ? this.#context.labels().fresh(count) : this.#context.labels().more(count);
    this.updateTimers();
  }

  /** Runs the timers, or pauses them while somebody reads or nobody can. */
  updateTimers() {
    const paused = this.#isExpanded() || this.#swiping > 0 || this.#context.isPaused();
    for (const { timer } of this.#items.values()) {
      if (paused) timer.pause();
      else timer.run();
    }
  }

  /** @param {string} name @param {Toast} toast */
  #add(name, toast) {
    const card = makeCard();
    const item = { name, toast, card, timer: this.#timerFor(name, toast), swiped: false };
    fillCard(card, toast, this.#cardContext(name));
    makeSwipeable(card, {
      isAllowed: () => !item.toast.decision, // an approval must not be dismissed by accident
      onStart: () => this.#countSwipe(1),
      onEnd: (dismissed) => {
        this.#countSwipe(-1);
        item.swiped = dismissed;
        if (dismissed) this.#context.dismiss(name);
      },
    });
    if (this.#isExpanded()) this.#queued = [...this.#queued, item].slice(-MAX_TOASTS);
    else this.#place(item);
    this.arrange();
  }

  /** @param {Item} item @param {Toast} toast @returns {boolean} */
  #replace(item, toast) {
    item.timer.pause();
    item.timer = this.#timerFor(item.name, toast);
    const isNew = item.toast.title !== toast.title;
    item.toast = toast;
    fillCard(item.card, toast, this.#cardContext(item.name));
    this.updateTimers();
    return isNew;
  }

  /** @param {Item} item */
  #place(item) {
    animateMoves(this.#cards(), () => this.#list.append(item.card));
    animateIn(item.card);
    this.#items.set(item.name, item);
    while (this.#items.size > MAX_TOASTS) this.remove(this.#leastImportant());
    this.#context.onGrow();
  }

  /** The name of the oldest toast, if possible of one without a decision. @returns {string} */
  #leastImportant() {
    const all = [...this.#items.values()];
    return (all.find((item) => !item.toast.decision) ?? all[0]).name;
  }

  #placeQueued() {
    for (const item of this.#queued.splice(0)) this.#place(item);
  }

  #showQueued() {
    this.#placeQueued();
    this.newestCard?.focus();
    this.arrange();
  }

  /** Moves the focus from a removed card to the next, or back to the page. @param {HTMLElement} card */
  #moveFocusFrom(card) {
    if (!card.contains(this.#context.activeElement())) return;
    const order = [...this.#list.children];
    const index = order.indexOf(card);
    const visible = this.#cards().filter((each) => !each.hidden);
    const next = visible.find((each) => order.indexOf(each) > index) ?? visible.at(-1);
    if (next) next.focus();
    else this.#context.restoreFocus();
  }

  /** The cards in the list's order, without those being removed. */
  #cards() {
    return [...this.#items.values()].map((item) => item.card);
  }

  /** True while the pointer or the focus is in the stack. */
  #isExpanded() {
    return this.#hovered || this.element.contains(this.#context.activeElement());
  }

  /** @param {boolean} hovered */
  #setHovered(hovered) {
    this.#hovered = hovered;
    this.arrange();
  }

  /** @param {1 | -1} change */
  #countSwipe(change) {
    this.#swiping += change;
    this.updateTimers();
  }

  /** @param {string} name @param {Toast} toast */
  #timerFor(name, toast) {
    return new ToastTimer(durationOf(toast), () => this.remove(name));
  }

  /** @param {string} name */
  #cardContext(name) {
    const { labels, connection, dismiss, decide, look } = this.#context;
    const onDecide = (/** @type {Decision} */ decision) => decide(name, decision);
    return { labels: labels(), connection: connection(), onDismiss: () => dismiss(name), onDecide, onLook: () => look(name) };
  }

  /** @param {string} name */
  #find(name) {
    return this.#items.get(name) ?? this.#queued.find((item) => item.name === name);
  }
}
