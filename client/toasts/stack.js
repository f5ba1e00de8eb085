/** The toasts that are there: the newest few seen, the rest counted, and nothing moves under the pointer. */

import { make } from '../element/dom.js';
import { fillCard, makeCard } from './card.js';
import { enter, leave, settle } from './animation.js';
import { makeSwipeable } from './swipe.js';
import { durationOf, ToastTimer } from './timer.js';

const VISIBLE = 3;
/** More than so many are not kept; the task list has them all. */
const MOST = 30;

/** @typedef {import('../module/event-filter.js').Toast} Toast */
/** @typedef {{ name: string, toast: Toast, card: HTMLLIElement, timer: ToastTimer, swiped: boolean }} Item */

/**
 * What the stack asks of the element that it is in.
 * @typedef {object} Owner
 * @property {() => typeof import('./labels.js').TOAST_WORDS} words
 * @property {() => import('../module/connection.js').Connection | null} connection
 * @property {(name: string) => void} dismiss the person takes it away
 * @property {(name: string, decision: import('../module/approval.js').Decision) => Promise<void>} decide the person answers
 * @property {() => Element | null} focused what has the focus in here
 * @property {() => boolean} still whether nobody can read now, so that time must not pass
 * @property {() => void} giveFocusBack
 * @property {() => void} placed the stack has grown
 */

/** Holds the cards and their time. */
export class ToastStack {
  element = make('div', 'stack');
  /** Oldest first. @type {Map<string, Item>} */
  #items = new Map();
  /** What came while the person was at it. @type {Item[]} */
  #held = [];
  #list = make('ol', 'list');
  #more = /** @type {HTMLButtonElement} */ (make('button', 'more'));
  #owner;
  #hovered = false;
  #wasExpanded = false;
  #swiping = 0;

  /** @param {Owner} owner */
  constructor(owner) {
    this.#owner = owner;
    this.#more.type = 'button';
    this.#more.hidden = true;
    this.#list.setAttribute('role', 'list'); // without bullets some screen readers no longer see a list
    this.element.append(this.#more, this.#list);
    this.element.addEventListener('pointerenter', (event) => event.pointerType === 'mouse' && this.#hover(true));
    this.element.addEventListener('pointerleave', () => this.#hover(false));
    this.#more.addEventListener('click', () => this.#open());
  }

  /**
   * Shows a toast, or changes the one of this name where it stands.
   * @param {string} name @param {Toast} toast
   * @returns {boolean} whether it says something that was not there
   */
  show(name, toast) {
    const known = this.#items.get(name) ?? this.#held.find((item) => item.name === name);
    if (known) return this.#replace(known, toast);
    this.#add(name, toast);
    return true;
  }

  /** @param {string} name */
  async remove(name) {
    this.#held = this.#held.filter((item) => item.name !== name);
    const item = this.#items.get(name);
    if (!item) return this.arrange();
    this.#items.delete(name);
    item.timer.pause();
    this.#moveFocusFrom(item.card);
    item.card.inert = true;
    await leave(item.card, item.swiped);
    settle(this.#cards(), () => item.card.remove());
    this.arrange();
  }

  /** What is shown, or held back, under this name. @param {string} name */
  toastOf(name) {
    return (this.#items.get(name) ?? this.#held.find((item) => item.name === name))?.toast;
  }

  /** What all that is shown or held back is known by. */
  names() {
    return [...this.#items.keys(), ...this.#held.map((item) => item.name)];
  }

  /** The card of the newest. */
  get newest() {
    return this.#cards().at(-1);
  }

  /** Where the toasts are on the screen. */
  get place() {
    return this.#list.getBoundingClientRect();
  }

  /** The name of the toast that this is in. @param {Element | null} element */
  nameOf(element) {
    const card = element?.closest('.toast');
    return [...this.#items.values()].find((item) => item.card === card)?.name;
  }

  /** Shows the newest few, or all of them to somebody who is at it. */
  arrange() {
    const expanded = this.#isExpanded();
    if (!expanded) this.#placeHeld();
    const cards = this.#cards();
    const hidden = expanded ? 0 : Math.max(0, cards.length - VISIBLE);
    settle(cards.slice(hidden), () => cards.forEach((card, n) => (card.hidden = n < hidden)));
    if (expanded !== this.#wasExpanded) this.#list.scrollTop = this.#list.scrollHeight; // the newest stay where they were
    this.#wasExpanded = expanded;
    const count = expanded ? this.#held.length : hidden;
    this.#more.hidden = count === 0;
    this.#more.textContent = expanded ? this.#owner.words().fresh(count) : this.#owner.words().more(count);
    this.tick();
  }

  /** Time runs only while somebody can read and does not. */
  tick() {
    const still = this.#isExpanded() || this.#swiping > 0 || this.#owner.still();
    for (const { timer } of this.#items.values()) {
      if (still) timer.pause();
      else timer.run();
    }
  }

  /** @param {string} name @param {Toast} toast */
  #add(name, toast) {
    const card = makeCard();
    const item = { name, toast, card, timer: this.#timerFor(name, toast), swiped: false };
    fillCard(card, toast, this.#contextOf(name));
    makeSwipeable(card, {
      may: () => !item.toast.decision, // a question is not wiped away by accident
      onStart: () => this.#swipe(1),
      onEnd: (gone) => {
        this.#swipe(-1);
        item.swiped = gone;
        if (gone) this.#owner.dismiss(name);
      },
    });
    if (this.#isExpanded()) this.#held = [...this.#held, item].slice(-MOST);
    else this.#place(item);
    this.arrange();
  }

  /** @param {Item} item @param {Toast} toast @returns {boolean} */
  #replace(item, toast) {
    item.timer.pause();
    item.timer = this.#timerFor(item.name, toast);
    const says = item.toast.title !== toast.title;
    item.toast = toast;
    fillCard(item.card, toast, this.#contextOf(item.name));
    this.tick();
    return says;
  }

  /** @param {Item} item */
  #place(item) {
    settle(this.#cards(), () => this.#list.append(item.card));
    enter(item.card);
    this.#items.set(item.name, item);
    while (this.#items.size > MOST) this.remove(this.#leastNeeded());
    this.#owner.placed();
  }

  /** The oldest that asks nothing, or else the oldest. @returns {string} */
  #leastNeeded() {
    const all = [...this.#items.values()];
    return (all.find((item) => !item.toast.decision) ?? all[0]).name;
  }

  #placeHeld() {
    for (const item of this.#held.splice(0)) this.#place(item);
  }

  /** What came while the person was at it, for one who asks for it. */
  #open() {
    this.#placeHeld();
    this.newest?.focus();
    this.arrange();
  }

  /** The focus of somebody who dismisses by keyboard goes to the next toast, or back. @param {HTMLElement} card */
  #moveFocusFrom(card) {
    if (!card.contains(this.#owner.focused())) return;
    const order = [...this.#list.children];
    const at = order.indexOf(card);
    const open = this.#cards().filter((each) => !each.hidden);
    const next = open.find((each) => order.indexOf(each) > at) ?? open.at(-1);
    if (next) next.focus();
    else this.#owner.giveFocusBack();
  }

  /** In the list's order, without those that are leaving. */
  #cards() {
    return [...this.#items.values()].map((item) => item.card);
  }

  /** Whether the person is at it. */
  #isExpanded() {
    return this.#hovered || this.element.contains(this.#owner.focused());
  }

  /** @param {boolean} hovered */
  #hover(hovered) {
    this.#hovered = hovered;
    this.arrange();
  }

  /** @param {number} more */
  #swipe(more) {
    this.#swiping += more;
    this.tick();
  }

  /** @param {string} name @param {Toast} toast */
  #timerFor(name, toast) {
    return new ToastTimer(durationOf(toast), () => this.remove(name));
  }

  /** @param {string} name */
  #contextOf(name) {
    return { words: this.#owner.words(), connection: this.#owner.connection(), onDismiss: () => this.#owner.dismiss(name), onDecide: (/** @type {import('../module/approval.js').Decision} */ decision) => this.#owner.decide(name, decision) };
  }
}
