/** One field of a form: its control and its value. */

import { make } from '../element/dom.js';
import { parseValue } from './input.js';

/** @import { Api, Field } from '../module/api.js' */
/** @import { START_LABELS } from './labels.js' */

/** @typedef {typeof START_LABELS} Labels */
/** @typedef {HTMLInputElement | HTMLSelectElement} Control */

/**
 * @typedef {object} UploadContext
 * @property {Api} api
 * @property {AbortSignal} signal
 * @property {(name: string, fraction: number) => void} onProgress
 */

let count = 0;

/** A labelled control. */
export class StartField {
  element = make('div', 'field');
  control;
  #field;
  #labels;
  /** The file that was uploaded last, so that another attempt does not send it again. @type {{ file: File, key: string } | null} */
  #uploaded = null;

  /** @param {Field} field @param {Labels} labels */
  constructor(field, labels) {
    this.#field = field;
    this.#labels = labels;
    this.control = this.#makeControl();
    const { control } = this;
    control.id = `field-${++count}`;
    control.required = Boolean(field.required) && !(control instanceof HTMLInputElement && control.type === 'checkbox');
    const label = make('label', 'label');
    label.htmlFor = control.id;
    label.dir = 'auto';
    label.textContent = field.title || field.path;
    if (control.required) label.append(requiredMark(labels.required));
    this.element.classList.toggle('check', control.type === 'checkbox');
    this.element.append(label, control);
    if (field.hint) this.element.append(this.#hint(field.hint));
    control.addEventListener('input', () => (control.ariaInvalid = null));
  }

  /** The name that people see. */
  get title() {
    return this.#field.title || this.#field.path;
  }

  get path() {
    return this.#field.path;
  }

  /** True if a message of the gateway names this field. @param {string} message */
  isNamedIn(message) {
    const { path } = this.#field;
    return message.includes(path) || message.includes(`/${path.replaceAll('.', '/')}`);
  }

  /**
   * The value to send; a file is uploaded first.
   * @param {() => UploadContext} upload
   * @returns {Promise<unknown>} undefined if it is empty
   */
  async value(upload) {
    const { control } = this;
    const { type, choices = [] } = this.#field;
    if (control instanceof HTMLInputElement && control.type === 'file') return this.#uploadFile(control.files?.[0], upload);
    if (control instanceof HTMLInputElement && control.type === 'checkbox') return control.checked;
    if (choices.length > 0) return control.value === '' ? undefined : choices[Number(control.value)];
    return parseValue(type, control.value);
  }

  /** @param {File | undefined} file @param {() => UploadContext} upload */
  async #uploadFile(file, upload) {
    if (!file) return undefined;
    if (this.#uploaded?.file === file) return this.#uploaded.key;
    const { api, signal, onProgress } = upload();
    const { key } = await api.upload(file, { signal, onProgress: (fraction) => onProgress(file.name, fraction) });
    this.#uploaded = { file, key };
    return key;
  }

  /** @returns {Control} */
  #makeControl() {
    const { type, choices = [], default: initial, required } = this.#field;
    if (choices.length > 0) return this.#select(choices.map(choiceLabel), choices.findIndex((choice) => isSame(choice, initial)));
    // Yes, no or empty: an unchecked box could mean either of the last two.
    if (type === 'boolean' && !required && typeof initial !== 'boolean') {
      const select = this.#select([this.#labels.yes, this.#labels.no], -1);
      [...select.options].slice(1).forEach((option, index) => (option.value = String(index === 0)));
      return select;
    }
    return makeInput(type, initial);
  }

  /** @param {string[]} options @param {number} selected -1 for none */
  #select(options, selected) {
    const { required } = this.#field;
    const select = document.createElement('select');
    if (!required || selected < 0) select.append(new Option(required ? this.#labels.choose : this.#labels.none, ''));
    options.forEach((text, index) => select.append(new Option(text, String(index))));
    select.value = selected < 0 ? '' : String(selected);
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

/** @param {Field['type']} type @param {unknown} initial */
function makeInput(type, initial) {
  const control = document.createElement('input');
  control.type = { text: 'text', integer: 'number', number: 'number', boolean: 'checkbox', date: 'date', month: 'month', file: 'file' }[type] ?? 'text';
  if (control.type === 'number') control.step = type === 'integer' ? '1' : 'any';
  // A browser without a control for months shows a text field.
  if (type === 'month') Object.assign(control, { pattern: '\\d{4}-\\d{2}', placeholder: 'YYYY-MM' });
  if (type === 'boolean') control.checked = initial === true;
  else if (type !== 'file' && initial !== undefined && initial !== null) control.value = String(initial);
  if (type === 'text') control.autocomplete = 'off';
  return control;
}

/** A star with the label as its tooltip. @param {string} required */
function requiredMark(required) {
  const star = make('span', 'star');
  star.textContent = ' *';
  star.ariaHidden = 'true';
  star.title = required;
  return star;
}

/** @param {unknown} choice */
function choiceLabel(choice) {
  return typeof choice === 'string' ? choice : JSON.stringify(choice);
}

/** @param {unknown} a @param {unknown} b */
function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
