/** One open question with its two buttons. All it shows is text. */

import { make, setText, wordsOf } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { ago } from '../tasks/labels.js';

/** The longest comment. */
const LONGEST = 500;

/** @typedef {import('../module/approval.js').Question} Question */
/** @typedef {import('../module/approval.js').Decision} Decision */

/**
 * @typedef {object} ApprovalContext
 * @property {typeof import('./labels.js').APPROVAL_WORDS} words
 * @property {(question: Question, decision: Decision, comment?: string) => Promise<void>} decide fails with words for
 *   the person where they may try again
 */

let count = 0;

/** A row of the list; what somebody writes into it stays while others come and go. */
export class ApprovalRow {
  element = /** @type {HTMLLIElement} */ (make('li', 'asked'));
  #question;
  #text = make('h3', 'title');
  #run = make('span', 'run');
  #owner = make('span', 'owner');
  #time = /** @type {HTMLTimeElement} */ (make('time', 'time'));
  #comment = /** @type {HTMLInputElement} */ (make('input', 'comment'));
  #failed = make('p', 'failed');
  #buttons;
  #context;

  /** @param {Question} question @param {ApprovalContext} context */
  constructor(question, context) {
    this.#question = question;
    this.#context = context;
    const { words } = context;
    this.#text.id = `asked-${++count}`;
    for (const each of [this.#text, this.#run, this.#owner, this.#comment]) each.dir = 'auto';
    this.element.setAttribute('part', 'question');
    this.element.setAttribute('aria-labelledby', this.#text.id);
    this.element.tabIndex = -1;
    this.#failed.role = 'alert';
    this.#comment.type = 'text';
    this.#comment.maxLength = LONGEST;
    this.#comment.placeholder = this.#comment.ariaLabel = words.comment;
    this.#comment.setAttribute('aria-describedby', this.#text.id);
    this.#buttons = /** @type {const} */ (['approve', 'reject']).map((decision) => this.#button(decision));
    const [about, main, answer] = [make('p', 'about'), make('div', 'main'), make('div', 'answer')];
    about.append(this.#run, this.#owner, this.#time);
    answer.append(this.#comment, ...this.#buttons);
    main.append(this.#text, about, answer, this.#failed);
    this.element.append(icon('asked'), main);
  }

  /** Shows it, and how long ago it was asked by now. */
  show() {
    const { title, question, owner, asked } = this.#question;
    setText(this.#text, question);
    setText(this.#run, title === question ? '' : title);
    setText(this.#owner, owner && this.#context.words.by(owner));
    setText(this.#time, ago(asked));
    if (asked && !this.#time.dateTime) this.#time.dateTime = asked;
  }

  /** @param {Decision} decision */
  #button(decision) {
    const { words } = this.#context;
    const button = /** @type {HTMLButtonElement} */ (make('button', decision));
    button.type = 'button';
    button.textContent = words[decision];
    button.ariaLabel = words.decide(words[decision], this.#question.question);
    button.addEventListener('click', () => this.#decide(decision));
    return button;
  }

  /** @param {Decision} decision */
  async #decide(decision) {
    if (this.element.ariaBusy === 'true') return;
    this.#busy('true');
    setText(this.#failed, '');
    try {
      await this.#context.decide(this.#question, decision, this.#comment.value.trim() || undefined);
    } catch (error) {
      setText(this.#failed, wordsOf(error));
    }
    this.#busy(null);
  }

  /** Not `disabled`: that would drop the focus. @param {string | null} busy */
  #busy(busy) {
    for (const each of [this.element, ...this.#buttons]) each.ariaBusy = busy;
  }
}
