/** One field of a form: the control that asks for it, and the value that came of it. */

import { make } from '../element/dom.js';
import { valueOf } from './input.js';

/** @typedef {import('./input.js').Field} Field */
/** @typedef {typeof import('./labels.js').START_WORDS} Words */
/** @typedef {HTMLInputElement | HTMLSelectElement} Control */

/**
 * @typedef {object} Upload
 * @property {import('../module/api.js').Api} api
 * @property {AbortSignal} signal
 * @property {(name: string, part: number) => void} onProgress
 */

let count = 0;

/** A labelled control. */
export class StartField {
  element = make('div', 'field');
  control;
  #field;
  #words;
  /** The file that was stored last, so that another try does not send it again. @type {{ file: File, key: string } | null} */
  #stored = null;

  /** @param {Field} field @param {Words} words */
  constructor(field, words) {
    this.#field = field;
    this.#words = words;
    this.control = this.#control();
    const { control } = this;
    control.id = `field-${++count}`;
    control.required = Boolean(field.required) && !(control instanceof HTMLInputElement && control.type === 'checkbox');
    const label = /** @type {HTMLLabelElement} */ (make('label', 'label'));
    label.htmlFor = control.id;
    label.dir = 'auto';
    label.textContent = field.title || field.path;
    if (control.required) label.append(mark(words.required));
    this.element.classList.toggle('check', control.type === 'checkbox');
    this.element.append(label, control);
    if (field.hint) this.element.append(this.#hint(field.hint));
    control.addEventListener('input', () => (control.ariaInvalid = null));
  }

  /** Its words for people. */
  get title() {
    return this.#field.title || this.#field.path;
  }

  get path() {
    return this.#field.path;
  }

  /** Whether words of the gateway speak of this field. @param {string} message */
  isNamedIn(message) {
    const { path } = this.#field;
    return message.includes(path) || message.includes(`/${path.replaceAll('.', '/')}`);
  }

  /**
   * The value to send; a file is stored first.
   * @param {() => Upload} upload
   * @returns {Promise<unknown>} undefined where it was left empty
   */
  async value(upload) {
    const { control } = this;
    const { type, choices = [] } = this.#field;
    if (control instanceof HTMLInputElement && control.type === 'file') return this.#fileKey(control.files?.[0], upload);
    if (control instanceof HTMLInputElement && control.type === 'checkbox') return control.checked;
    if (choices.length > 0) return control.value === '' ? undefined : choices[Number(control.value)];
    return valueOf(type, control.value);
  }

  /** @param {File | undefined} file @param {() => Upload} upload */
  async #fileKey(file, upload) {
    if (!file) return undefined;
    if (this.#stored?.file === file) return this.#stored.key;
    const { api, signal, onProgress } = upload();
    const { key } = await api.upload(file, { signal, onProgress: (part) => onProgress(file.name, part) });
    this.#stored = { file, key };
    return key;
  }

  /** @returns {Control} */
  #control() {
    const { type, choices = [], default: begins, required } = this.#field;
    if (choices.length > 0) return this.#select(choices.map(label), choices.findIndex((choice) => isSame(choice, begins)));
    // Yes, no, or not said: a box that is not ticked could be either of the last two.
    if (type === 'boolean' && !required && typeof begins !== 'boolean') {
      const select = this.#select([this.#words.yes, this.#words.no], -1);
      [...select.options].slice(1).forEach((option, n) => (option.value = String(n === 0)));
      return select;
    }
    return input(type, begins);
  }

  /** @param {string[]} labels @param {number} chosen -1 for none */
  #select(labels, chosen) {
    const { required } = this.#field;
    const select = document.createElement('select');
    if (!required || chosen < 0) select.append(new Option(required ? this.#words.choose : this.#words.none, ''));
    labels.forEach((text, n) => select.append(new Option(text, String(n))));
    select.value = chosen < 0 ? '' : String(chosen);
    return select;
  }

  /** @param {string} text */
  #hint(text) {
    const hint = make('p', 'hint');
    hint.id = `${this.control.id}-hint`;
    hint.dir = 'auto';
    hint.textContent = text;
    this.control.setAttribute('aria-describedby', hint.id);
    return hint;
  }
}

/** @param {Field['type']} type @param {unknown} begins */
function input(type, begins) {
  const control = document.createElement('input');
  control.type = { text: 'text', integer: 'number', number: 'number', boolean: 'checkbox', date: 'date', month: 'month', file: 'file' }[type] ?? 'text';
  if (control.type === 'number') control.step = type === 'integer' ? '1' : 'any';
  // Where a browser knows no control for months it is a line of text.
  if (type === 'month') Object.assign(control, { pattern: '\\d{4}-\\d{2}', placeholder: 'YYYY-MM' });
  if (type === 'boolean') control.checked = begins === true;
  else if (type !== 'file' && begins !== undefined && begins !== null) control.value = String(begins);
  if (type === 'text') control.autocomplete = 'off';
  return control;
}

/** Seen as a star, heard as a word. @param {string} required */
function mark(required) {
  const star = make('span', 'star');
  star.textContent = ' *';
  star.ariaHidden = 'true';
  star.title = required;
  return star;
}

/** @param {unknown} choice */
function label(choice) {
  return typeof choice === 'string' ? choice : JSON.stringify(choice);
}

/** @param {unknown} a @param {unknown} b */
function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
