/** The form of one offer: filled in, sent, and told what was wrong with it. */

import { ApiError, randomId } from '../module/api.js';
import { make, setText, wordsOf } from '../element/dom.js';
import { FieldError, inputOf } from './input.js';
import { StartField } from './field.js';

/**
 * @typedef {object} FormContext
 * @property {string} kind
 * @property {import('./input.js').Offer} offer
 * @property {typeof import('./labels.js').START_WORDS} words
 * @property {() => import('../module/connection.js').Connection | null} connection
 * @property {(task: import('../module/task.js').Task) => void} onStarted
 */

/** What a person filled in stays when it was refused. */
export class StartForm {
  element = /** @type {HTMLFormElement} */ (make('form', 'form'));
  #fields;
  #submit = /** @type {HTMLButtonElement} */ (make('button', 'submit'));
  #stop = /** @type {HTMLButtonElement} */ (make('button', 'stop'));
  #status = make('p', 'status');
  #failed = make('p', 'failed');
  /** One try under way. @type {AbortController | null} */
  #under = null;
  /** Sent with the input it belongs to: another try after a lost answer starts nothing twice. */
  #key = { input: '', key: '' };
  #context;

  /** @param {FormContext} context */
  constructor(context) {
    this.#context = context;
    const { offer, words } = context;
    this.#fields = (offer.fields ?? []).map((field) => new StartField(field, words));
    this.#submit.type = 'submit';
    this.#submit.textContent = words.start;
    this.#submit.ariaLabel = `${words.start}: ${offer.title}`;
    this.#stop.type = 'button';
    this.#stop.textContent = words.stop;
    this.#stop.hidden = true;
    this.#stop.addEventListener('click', () => this.#under?.abort(new ApiError(words.stopped, 0)));
    this.#status.role = 'status';
    this.#failed.role = 'alert';
    const row = make('div', 'row');
    row.append(this.#submit, this.#stop, this.#status);
    this.element.append(...this.#fields.map(({ element }) => element), this.#failed, row);
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  async #send() {
    if (this.#under) return;
    const { kind, offer, words, connection, onStarted } = this.#context;
    this.#begin();
    try {
      const api = connection()?.api;
      if (!api) throw new Error(words.unconnected);
      const input = inputOf(offer, await this.#values(api));
      const task = await api.startTask(kind, input, { title: offer.title, idempotencyKey: this.#keyFor(input) });
      this.#key = { input: '', key: '' };
      onStarted(task);
    } catch (error) {
      this.#fail(wordsOf(error));
    } finally {
      this.#end();
    }
  }

  /** @param {import('../module/api.js').Api} api @returns {Promise<[string, unknown][]>} */
  async #values(api) {
    /** @type {[string, unknown][]} */
    const values = [];
    for (const field of this.#fields) {
      try {
        values.push([field.path, await field.value(() => this.#upload(api))]);
      } catch (error) {
        if (!(error instanceof FieldError)) throw error;
        this.#mark(field);
        throw new FieldError(this.#context.words.wrong(field.title, error.message));
      }
    }
    return values;
  }

  /** @param {import('../module/api.js').Api} api @returns {import('./field.js').Upload} */
  #upload(api) {
    const { words } = this.#context;
    this.#stop.hidden = false;
    const onProgress = (/** @type {string} */ name, /** @type {number} */ part) => setText(this.#status, words.uploading(name, part));
    return { api, onProgress, signal: /** @type {AbortController} */ (this.#under).signal };
  }

  /** @param {object} input */
  #keyFor(input) {
    const text = JSON.stringify(input);
    if (this.#key.input !== text) this.#key = { input: text, key: randomId() };
    return this.#key.key;
  }

  #begin() {
    this.#under = new AbortController();
    this.#submit.ariaBusy = 'true'; // not `disabled`: that would drop the focus
    setText(this.#failed, '');
    for (const { control } of this.#fields) control.ariaInvalid = null;
  }

  #end() {
    this.#under = null;
    this.#submit.ariaBusy = null;
    this.#stop.hidden = true;
    setText(this.#status, '');
  }

  /** @param {string} message */
  #fail(message) {
    setText(this.#failed, message);
    const named = this.#fields.find((field) => field.isNamedIn(message));
    if (named) this.#mark(named);
  }

  /** @param {StartField} field */
  #mark({ control }) {
    control.ariaInvalid = 'true';
    control.focus();
  }
}
