/** One open approval with all that belongs to it, its form and its two buttons. All it shows is text. */

import { errorMessage, make, makeButton, setBusy, setText } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { makeLink } from '../element/link.js';
import { pointInTime, timeAgo } from '../element/time.js';
import { AnswerForm } from './answer-form.js';

/** @import { Approval, Decision } from '../module/approval.js' */
/** @import { Connection } from '../module/connection.js' */
/** @import { APPROVAL_LABELS } from './labels.js' */

/** @typedef {{ comment?: string, answer?: Record<string, unknown> }} Filled */
/**
 * @typedef {object} ApprovalContext
 * @property {typeof APPROVAL_LABELS} labels
 * @property {Connection | null} connection
 * @property {(approval: Approval, decision: Decision, filled: Filled) => Promise<void>} decide rejects with a message for
 *   the user if they may try again
 */

let count = 0;

/** A row of the list; what is being written stays while other rows come and go. */
export class ApprovalRow {
  element = make('li', 'asked');
  #approval;
  #title = make('h3', 'title');
  #run = make('span', 'run');
  #owner = make('span', 'owner');
  #time = make('time', 'time');
  #until = make('time', 'until');
  #approved = make('p', 'approved');
  #failed = make('p', 'failed');
  #form;
  #buttons;
  #context;

  /** @param {Approval} approval @param {ApprovalContext} context */
  constructor(approval, context) {
    this.#approval = approval;
    this.#context = context;
    const { labels } = context;
    this.#title.id = `asked-${++count}`;
    for (const each of [this.#title, this.#run, this.#owner, this.#approved]) each.dir = 'auto';
    this.element.setAttribute('part', 'question');
    this.element.setAttribute('aria-labelledby', this.#title.id);
    this.element.tabIndex = -1;
    this.#failed.role = 'alert';
    this.#form = new AnswerForm(approval.fields, labels, this.#title.id);
    this.#buttons = /** @type {const} */ (['approve', 'reject']).map((decision) => this.#button(decision));
    const [about, main, answer] = [make('p', 'about'), make('div', 'main'), make('div', 'answer')];
    about.append(this.#run, this.#owner, this.#until, this.#time);
    answer.append(this.#form.comment, ...this.#buttons);
    main.append(this.#title, about, this.#approved, ...this.#shown(), ...this.#files(), this.#form.element, answer, this.#failed);
    this.element.append(icon('asked'), main);
  }

  /** Shows the approval, its age, and who has approved. @param {Approval} approval */
  update(approval) {
    this.#approval = approval;
    const { title, question, owner, asked, until, needed, approvedBy } = approval;
    const { labels } = this.#context;
    setText(this.#title, question);
    setText(this.#run, title === question ? '' : title);
    setText(this.#owner, owner && labels.by(owner));
    setText(this.#time, timeAgo(asked));
    if (asked && !this.#time.dateTime) this.#time.dateTime = asked;
    setText(this.#until, until ? labels.until(pointInTime(until)) : '');
    if (until) this.#until.dateTime = until;
    setText(this.#approved, needed > 1 ? labels.approvals(approvedBy, needed) : '');
  }

  /** The values that belong to it. */
  #shown() {
    const { shown } = this.#approval;
    if (shown.length === 0) return [];
    const list = make('dl', 'shown');
    for (const { title, value } of shown) {
      const [name, text] = [make('dt', ''), make('dd', '')];
      [name.textContent, text.textContent, name.dir, text.dir] = [title, value, 'auto', 'auto'];
      list.append(name, text);
    }
    return [list];
  }

  /** The files that it is about. */
  #files() {
    const { files } = this.#approval;
    if (files.length === 0) return [];
    const { labels, connection } = this.#context;
    const list = make('ul', 'files');
    list.setAttribute('role', 'list');
    list.ariaLabel = labels.files;
    for (const { name, href } of files) {
      const [item, link] = [make('li', ''), makeLink(name, href, connection, (message) => setText(this.#failed, message))];
      if (!link) continue;
      link.ariaLabel = labels.download(name);
      item.append(link);
      list.append(item);
    }
    return [list];
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
    setText(this.#failed, '');
    try {
      const filled = this.#form.read(decision);
      if (!filled) return;
      setBusy(true, this.element, ...this.#buttons);
      await this.#context.decide(this.#approval, decision, filled);
    } catch (error) {
      setText(this.#failed, errorMessage(error));
    } finally {
      setBusy(false, this.element, ...this.#buttons);
    }
  }
}
