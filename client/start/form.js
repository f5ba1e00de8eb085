/** The form of one offer: sends its values as a task's input and shows what was wrong. */

import { errorMessage, make, makeButton, setBusy, setText } from '../element/dom.js';
import { ApiError, randomId } from '../module/api.js';
import { StartField } from './field.js';
import { buildInput, FieldError } from './input.js';

/** @import { Api, Offer } from '../module/api.js' */
/** @import { Connection } from '../module/connection.js' */
/** @import { Task } from '../module/task.js' */
/** @import { UploadContext } from './field.js' */
/** @import { START_LABELS } from './labels.js' */

/**
 * @typedef {object} FormContext
 * @property {string} kind
 * @property {Offer} offer
 * @property {typeof START_LABELS} labels
 * @property {() => Connection | null} connection
 * @property {(task: Task) => void} onStarted
 */

/** A refused form keeps its values. */
export class StartForm {
  element = make('form', 'form');
  #fields;
  #submit = make('button', 'submit');
  #stop;
  #status = make('p', 'status');
  #failed = make('p', 'failed');
  /** Aborts the current attempt. @type {AbortController | null} */
  #sending = null;
  /** The idempotency key of an input: another attempt after a lost response starts nothing twice. */
  #key = { input: '', key: '' };
  #context;

  /** @param {FormContext} context */
  constructor(context) {
    this.#context = context;
    const { offer, labels } = context;
    this.#fields = (offer.fields ?? []).map((field) => new StartField(field, labels));
    this.#submit.type = 'submit';
    this.#submit.textContent = labels.start;
    this.#submit.ariaLabel = `${labels.start}: ${offer.title}`;
    this.#stop = makeButton('stop', labels.stop, () => this.#sending?.abort(new ApiError(labels.stopped, 0)));
    this.#stop.hidden = true;
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
    if (this.#sending) return;
    const { kind, offer, labels, connection, onStarted } = this.#context;
    this.#begin();
    try {
      const api = connection()?.api;
      if (!api) throw new Error(labels.unconnected);
      const input = buildInput(offer, await this.#values(api));
      const task = await api.startTask(kind, input, { title: offer.title, idempotencyKey: this.#keyFor(input) });
      this.#key = { input: '', key: '' };
      onStarted(task);
    } catch (error) {
      this.#fail(errorMessage(error));
    } finally {
      this.#end();
    }
  }

  /** @param {Api} api @returns {Promise<[string, unknown][]>} */
  async #values(api) {
    /** @type {[string, unknown][]} */
    const values = [];
    for (const field of this.#fields) {
      try {
        values.push([field.path, await field.value(() => this.#uploadContext(api))]);
      } catch (error) {
        if (!(error instanceof FieldError)) throw error;
        this.#markInvalid(field);
        throw new FieldError(this.#context.labels.wrong(field.title, error.message));
      }
    }
    return values;
  }

  /** @param {Api} api @returns {UploadContext} */
  #uploadContext(api) {
    const { labels } = this.#context;
    this.#stop.hidden = false;
    const onProgress = (/** @type {string} */ name, /** @type {number} */ fraction) => setText(this.#status, labels.uploading(name, fraction));
    return { api, onProgress, signal: /** @type {AbortController} */ (this.#sending).signal };
  }

  /** @param {object} input */
  #keyFor(input) {
    const text = JSON.stringify(input);
    if (this.#key.input !== text) this.#key = { input: text, key: randomId() };
    return this.#key.key;
  }

  #begin() {
    this.#sending = new AbortController();
    setBusy(true, this.#submit);
    setText(this.#failed, '');
    for (const { control } of this.#fields) control.ariaInvalid = null;
  }

  #end() {
    this.#sending = null;
    setBusy(false, this.#submit);
    this.#stop.hidden = true;
    setText(this.#status, '');
  }

  /** @param {string} message */
  #fail(message) {
    setText(this.#failed, message);
    const named = this.#fields.find((field) => field.isNamedIn(message));
    if (named) this.#markInvalid(named);
  }

  /** @param {StartField} field */
  #markInvalid({ control }) {
    control.ariaInvalid = 'true';
    control.focus();
  }
}
