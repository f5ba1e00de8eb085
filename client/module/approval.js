/** What a workflow asks somebody and how that is answered. An event names a step, never an address. */

import { isEnd } from './task.js';

export const ASKED = 'bellwire.approval.asked';
export const DECIDED = 'bellwire.approval.decided';

const TASK = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const STEP = /^[a-z0-9_-]{1,64}$/;
/** So many answered questions are remembered, that one heard late is not asked again. */
const REMEMBERED = 1000;

/** @typedef {import('./event-filter.js').BellwireEvent} BellwireEvent */
/** @typedef {{ task: string, step: string }} Asked a step that waits for an answer */
/** @typedef {'approve' | 'reject'} Decision */
/** @typedef {Asked & { title: string, question: string, owner: string, asked?: string }} Question */
/** @typedef {Asked & { decision: Decision, by: string, comment?: string }} Answer */

/** Whether a step is named as the API names one: only then may it get into a path. @param {any} value @returns {value is Asked} */
export function isAsked(value) {
  return typeof value?.task === 'string' && TASK.test(value.task) && typeof value.step === 'string' && STEP.test(value.step);
}

/** What a question is known by. @param {Asked} asked */
export function keyOf({ task, step }) {
  return `${task}/${step}`;
}

/**
 * A question as something to show: all of it text, or null where it is none.
 * @param {any} value @param {string} [asked] when, if it does not say so itself
 * @returns {Question | null}
 */
export function readQuestion(value, asked) {
  if (!isAsked(value)) return null;
  const { task, step, title, question, owner, asked: at } = /** @type {any} */ (value);
  return { task, step, title: text(title), question: text(question) || text(title), owner: text(owner), asked: text(at ?? asked) };
}

/** The question that an event asks, or null. @param {BellwireEvent} event */
export function questionOf({ type, time, data }) {
  return type === ASKED ? readQuestion(data?.question, time) : null;
}

/** What an event answers, or null. @param {BellwireEvent} event @returns {Answer | null} */
export function answerOf({ type, data }) {
  const answer = /** @type {any} */ (data?.answer);
  return type === DECIDED && isAsked(answer) ? /** @type {Answer} */ (answer) : null;
}

/** The task that an event says has ended, or null: a run that has ended asks nothing more. @param {BellwireEvent} event */
export function endedOf({ type, data }) {
  const task = data?.task;
  return type.startsWith('bellwire.task.') && typeof task?.id === 'string' && isEnd(task.state) ? task.id : null;
}

/** The questions that nobody need answer any more, as far as this tab has heard. */
export class Answered {
  /** @type {Set<string>} */
  #keys = new Set();

  /** Takes what an event answers or ends. @param {BellwireEvent} event */
  hear(event) {
    const answer = answerOf(event);
    const ended = endedOf(event);
    if (answer) this.#add(keyOf(answer));
    if (ended) this.#add(ended);
  }

  /** @param {Asked} asked */
  add(asked) {
    this.#add(keyOf(asked));
  }

  /** @param {string} key */
  #add(key) {
    this.#keys.add(key);
    if (this.#keys.size > REMEMBERED) this.#keys.delete(/** @type {string} */ (this.#keys.values().next().value));
  }

  /** @param {Asked} asked */
  has(asked) {
    return this.#keys.has(keyOf(asked)) || this.#keys.has(asked.task);
  }

  clear() {
    this.#keys.clear();
  }
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value : '';
}
