/** One open approval with its two buttons. All it shows is text. */

import { errorMessage, make, makeButton, setBusy, setText } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { timeAgo } from '../element/time.js';

/** @import { Approval, Decision } from '../module/approval.js' */
/** @import { APPROVAL_LABELS } from './labels.js' */

const MAX_COMMENT = 500;

/**
 * @typedef {object} ApprovalContext
 * @property {typeof APPROVAL_LABELS} labels
 * @property {(approval: Approval, decision: Decision, comment?: string) => Promise<void>} decide rejects with a message for
 *   the user if they may try again
 */

let count = 0;

/** A row of the list; a comment being written stays while other rows come and go. */
export class ApprovalRow {
  element = make('li', 'asked');
  #approval;
  #title = make('h3', 'title');
  #run = make('span', 'run');
  #owner = make('span', 'owner');
  #time = make('time', 'time');
  #comment = make('input', 'comment');
  #failed = make('p', 'failed');
  #buttons;
  #context;

  /** @param {Approval} approval @param {ApprovalContext} context */
  constructor(approval, context) {
    this.#approval = approval;
    this.#context = context;
    const { labels } = context;
    this.#title.id = `asked-${++count}`;
    for (const each of [this.#title, this.#run, this.#owner, this.#comment]) each.dir = 'auto';
    this.element.setAttribute('part', 'question');
    this.element.setAttribute('aria-labelledby', this.#title.id);
    this.element.tabIndex = -1;
    this.#failed.role = 'alert';
    this.#comment.type = 'text';
    this.#comment.maxLength = MAX_COMMENT;
    this.#comment.placeholder = this.#comment.ariaLabel = labels.comment;
    this.#comment.setAttribute('aria-describedby', this.#title.id);
    this.#buttons = /** @type {const} */ (['approve', 'reject']).map((decision) => this.#button(decision));
    const [about, main, answer] = [make('p', 'about'), make('div', 'main'), make('div', 'answer')];
    about.append(this.#run, this.#owner, this.#time);
    answer.append(this.#comment, ...this.#buttons);
    main.append(this.#title, about, answer, this.#failed);
    this.element.append(icon('asked'), main);
  }

  /** Shows the approval and its age. */
  update() {
    const { title, question, owner, asked } = this.#approval;
    setText(this.#title, question);
    setText(this.#run, title === question ? '' : title);
    setText(this.#owner, owner && this.#context.labels.by(owner));
    setText(this.#time, timeAgo(asked));
    if (asked && !this.#time.dateTime) this.#time.dateTime = asked;
  }

  /** @param {Decision} decision */
  #button(decision) {
    const { labels } = this.#context;
    const button = makeButton(decision, labels[decision], () => this.#decide(decision));
    button.ariaLabel = labels.decide(labels[decision], this.#approval.question);
    return button;
  }

  /** @param {Decision} decision */
  async #decide(decision) {
    if (this.element.ariaBusy === 'true') return;
    setBusy(true, this.element, ...this.#buttons);
    setText(this.#failed, '');
    try {
      await this.#context.decide(this.#approval, decision, this.#comment.value.trim() || undefined);
    } catch (error) {
      setText(this.#failed, errorMessage(error));
    }
    setBusy(false, this.element, ...this.#buttons);
  }
}
