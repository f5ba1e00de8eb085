/** What is written with an answer: the fields of its form, and a comment. */

import { make } from '../element/dom.js';
import { StartField } from '../start/field.js';
import { parseValue } from '../start/input.js';

/** @import { Decision } from '../module/approval.js' */
/** @import { Field } from '../module/api.js' */
/** @import { APPROVAL_LABELS } from './labels.js' */
/** @import { Filled } from './row.js' */

const MAX_COMMENT = 500;

export class AnswerForm {
  element = make('form', 'form');
  comment = make('input', 'comment');
  #fields;

  /** @param {Field[]} fields @param {typeof APPROVAL_LABELS} labels @param {string} title the id of the element with the question */
  constructor(fields, labels, title) {
    this.comment.type = 'text';
    this.comment.dir = 'auto';
    this.comment.maxLength = MAX_COMMENT;
    this.comment.placeholder = this.comment.ariaLabel = labels.comment;
    this.comment.setAttribute('aria-describedby', title);
    // A file would be the file of whoever answers, which the run cannot read.
    this.#fields = fields.filter(({ type }) => type !== 'file').map((field) => ({ ...field, field: new StartField(field, labels.form) }));
    this.element.setAttribute('aria-labelledby', title);
    this.element.append(...this.#fields.map(({ field }) => field.element));
    this.element.hidden = this.#fields.length === 0;
    // Enter in a field neither approves nor rejects.
    this.element.addEventListener('submit', (event) => event.preventDefault());
  }

  /**
   * What was filled in; null if something is missing, which the browser then says at its field.
   * @param {Decision} decision a rejection needs no form
   * @returns {Filled | null}
   */
  read(decision) {
    const comment = this.comment.value.trim() || undefined;
    if (this.#fields.length === 0 || decision === 'reject') return { comment };
    if (!this.element.reportValidity()) return null;
    /** @type {Record<string, unknown>} */
    const answer = {};
    for (const { path, type, choices = [], field } of this.#fields) {
      const value = valueOf(field.control, type, choices);
      if (value !== undefined) Object.defineProperty(answer, path, { value, enumerable: true, configurable: true, writable: true });
    }
    return { comment, answer };
  }
}

/** @param {HTMLInputElement | HTMLSelectElement} control @param {Field['type']} type @param {unknown[]} choices */
function valueOf(control, type, choices) {
  if (control instanceof HTMLInputElement && control.type === 'checkbox') return control.checked;
  if (choices.length > 0) return control.value === '' ? undefined : choices[Number(control.value)];
  return parseValue(type, control.value);
}
