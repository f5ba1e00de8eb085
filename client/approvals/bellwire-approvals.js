/** `<bellwire-approvals>`: what workflows ask of one, until somebody has answered. It needs no refresh button. */

import { ApiError } from '../module/api.js';
import { ApprovalRow } from './row.js';
import { style } from './style.js';
import { APPROVAL_WORDS } from './labels.js';
import { make, takeEarly, wordsOf } from '../element/dom.js';
import { Loading } from '../element/list-loader.js';
import { Answered, keyOf, questionOf, readQuestion } from '../module/approval.js';

/** More than so many are not kept. */
const MOST = 200;
const TICK = 15_000;

/** @typedef {import('../module/approval.js').Question} Question */

/**
 * Set its `connection`. `words` may be set for another language. It has the attribute `data-empty` while there is
 * nothing in it to see or to do, so that a page may hide what it stands in.
 */
export class BellwireApprovals extends HTMLElement {
  #words = APPROVAL_WORDS;
  /** @type {import('../module/connection.js').Connection | null} */
  #connection = null;
  #loading = new Loading((connection, signal) => this.#load(connection, signal), (error) => this.#unloaded(error));
  /** @type {Map<string, Question>} */
  #questions = new Map();
  /** @type {Map<string, ApprovalRow>} */
  #rows = new Map();
  /** What was asked while the list was on its way. @type {Question[] | null} */
  #meanwhile = null;
  /** A list may come late from a pod that has not heard yet. */
  #answered = new Answered();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  #list = make('ol', 'list');
  #empty = make('p', 'note');
  #trouble = make('div', 'trouble');

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [style];
    this.#list.setAttribute('role', 'list');
    this.#trouble.role = 'status';
    this.#trouble.hidden = true;
    root.append(this.#trouble, this.#empty, this.#list);
  }

  connectedCallback() {
    for (const property of ['connection', 'words']) takeEarly(this, property);
    this.#list.ariaLabel = this.#words.list;
    this.#clock = setInterval(() => this.#render(), TICK); // "2 minutes ago" grows older
    this.#render();
  }

  disconnectedCallback() {
    clearInterval(this.#clock);
  }

  /** Whose questions are shown. @param {import('../module/connection.js').Connection | null} connection */
  set connection(connection) {
    this.#connection = connection;
    this.#questions.clear();
    this.#answered.clear();
    this.#say('');
    this.#render();
    const signal = this.#loading.follow(connection);
    connection?.addEventListener('event', (said) => this.#hear(/** @type {CustomEvent} */ (said).detail), { signal });
  }

  get connection() {
    return this.#connection;
  }

  /** Words for another language; those not given stay English. @param {Partial<typeof APPROVAL_WORDS>} words */
  set words(words) {
    this.#words = { ...APPROVAL_WORDS, ...words };
  }

  /** @param {import('../module/event-filter.js').BellwireEvent} event */
  #hear(event) {
    this.#answered.hear(event);
    const question = questionOf(event);
    if (question) {
      this.#meanwhile?.push(question);
      this.#add(question);
    }
    const left = [...this.#questions.values()].filter((each) => this.#answered.has(each));
    for (const each of left) this.#questions.delete(keyOf(each));
    if (question || left.length > 0) this.#render();
  }

  /** @param {import('../module/approval.js').Asked} asked */
  #forget(asked) {
    this.#answered.add(asked);
    this.#questions.delete(keyOf(asked));
  }

  /** @param {Question} question */
  #add(question) {
    const key = keyOf(question);
    // Asked again it is the same question, asked when it was asked first.
    if (this.#questions.has(key) || this.#questions.size >= MOST || this.#answered.has(question)) return;
    this.#questions.set(key, question);
  }

  /** @param {import('../module/connection.js').Connection} connection @param {AbortSignal} signal */
  async #load(connection, signal) {
    /** @type {Question[]} */
    const meanwhile = (this.#meanwhile = []);
    try {
      const listed = (await connection.api.approvals()).flatMap((each) => readQuestion(each) ?? []);
      if (signal.aborted) return;
      this.#questions.clear();
      for (const question of [...listed, ...meanwhile]) this.#add(question);
      this.#say('');
      this.#render();
    } finally {
      if (this.#meanwhile === meanwhile) this.#meanwhile = null;
    }
  }

  /** @param {unknown} error */
  #unloaded(error) {
    // A gateway without workflows has no such list: nothing is asked there.
    if (error instanceof ApiError && error.status === 404) return;
    this.#say(`${this.#words.unloaded}: ${wordsOf(error)}`, () => this.#loading.reload());
  }

  #render() {
    for (const [key, row] of this.#rows) if (!this.#questions.has(key)) this.#remove(key, row);
    for (const [key, question] of this.#questions) {
      let row = this.#rows.get(key);
      if (!row) {
        row = new ApprovalRow(question, { words: this.#words, decide: (...answer) => this.#decide(...answer) });
        this.#rows.set(key, row);
        this.#list.append(row.element);
      }
      row.show();
    }
    this.#empty.textContent = this.#words.empty;
    this.#empty.hidden = this.#questions.size > 0;
    this.toggleAttribute('data-empty', this.#questions.size === 0 && this.#trouble.hidden);
  }

  /** The focus of somebody who was there goes to what comes in its place. @param {string} key @param {ApprovalRow} row */
  #remove(key, { element }) {
    const hadFocus = element.contains(this.shadowRoot?.activeElement ?? null);
    const next = /** @type {HTMLElement | null} */ (element.nextElementSibling ?? element.previousElementSibling);
    this.#rows.delete(key);
    element.remove();
    if (hadFocus) next?.focus();
  }

  /** @param {Question} question @param {import('../module/approval.js').Decision} decision @param {string} [comment] */
  async #decide(question, decision, comment) {
    try {
      await this.#connection?.api.decide(question.task, question.step, decision, comment);
      this.#forget(question);
      this.#say('');
    } catch (error) {
      if (!(error instanceof ApiError) || ![403, 404, 409].includes(error.status)) throw error;
      // Another try would be answered the same: the question goes, what was said stays to be read.
      this.#questions.delete(keyOf(question));
      if (error.status !== 404) this.#answered.add(question);
      this.#say(this.#words.refused(question.question, error.message));
    }
    this.#render();
  }

  /** @param {string} words @param {() => void} [again] */
  #say(words, again) {
    this.#trouble.replaceChildren(words);
    this.#trouble.hidden = !words;
    if (again) {
      const button = make('button', 'again');
      button.textContent = this.#words.again;
      button.addEventListener('click', again);
      this.#trouble.append(button);
    }
    this.toggleAttribute('data-empty', this.#questions.size === 0 && !words);
  }
}

customElements.define('bellwire-approvals', BellwireApprovals);
