/** Toasts that ask: answered by their buttons, and gone once anybody has answered. */

import { ApiError } from '../module/api.js';
import { answerOf, endedOf, isAsked, keyOf, questionOf } from '../module/approval.js';

/** @typedef {import('../module/event-filter.js').Toast} Toast */

/**
 * What it needs of the element that shows them.
 * @typedef {object} Place
 * @property {() => typeof import('./labels.js').TOAST_WORDS} words
 * @property {() => import('../module/connection.js').Connection | null} connection
 * @property {import('./stack.js').ToastStack} stack
 * @property {(name: string) => void} dismiss takes one away, in the other tabs too
 * @property {(name: string, toast: Toast) => void} announce
 * @property {(name: string, text: string) => void} say to screen readers
 */

/** Answers for one person. */
export class Answering {
  #place;
  /** What is being answered from here, and whether somebody's answer to it was heard meanwhile. @type {Map<string, boolean>} */
  #under = new Map();

  /** @param {Place} place */
  constructor(place) {
    this.#place = place;
  }

  /**
   * Answers what a toast asks; fails with words for the person where they may try again.
   * @param {string} name @param {import('../module/approval.js').Decision} decision
   */
  async decide(name, decision) {
    const { stack, words, connection, dismiss, say } = this.#place;
    const toast = stack.toastOf(name);
    if (!toast?.decision) return;
    this.#under.set(name, false);
    try {
      const api = connection()?.api;
      if (!api) throw new Error(words().unconnected);
      await api.decide(toast.decision.task, toast.decision.step, decision);
      say(name, words().decided(decision, toast.title));
      dismiss(name);
    } catch (error) {
      if (!isFinal(error)) throw error;
      this.#sayInstead(name, toast, error.message);
    } finally {
      const heard = this.#under.get(name);
      this.#under.delete(name);
      if (heard) this.#remove(name);
    }
  }

  /** Takes away what an event answers or ends. @param {import('../module/event-filter.js').BellwireEvent} event */
  hear(event) {
    const answer = answerOf(event);
    if (answer) this.#answered(nameOfAsked(answer));
    const ended = endedOf(event);
    if (!ended) return;
    for (const name of this.#place.stack.names()) if (name.startsWith(`asked/${ended}/`)) this.#answered(name);
  }

  /** @param {string} name */
  #answered(name) {
    if (this.#under.has(name)) this.#under.set(name, true);
    else this.#remove(name);
  }

  /** Nothing more can be done about it: the words take the buttons' place, and go by themselves. @param {string} name @param {Toast} toast @param {string} body */
  #sayInstead(name, { title }, body) {
    const instead = /** @type {Toast} */ ({ level: 'warning', title, body });
    this.#place.stack.show(name, instead);
    this.#place.announce(name, instead);
  }

  /** Only what still asks: what is said in its place is there to be read. @param {string} name */
  #remove(name) {
    if (this.#place.stack.toastOf(name)?.decision) this.#place.dismiss(name);
  }
}

/**
 * What a toast's buttons answer. An event's must be the question that the event itself asks: nobody shall say yes to
 * one thing while reading of another.
 * @param {Toast} [toast] @param {import('../module/event-filter.js').BellwireEvent} [event]
 */
export function decisionOf(toast, event) {
  const asked = toast?.decision;
  if (!isAsked(asked)) return undefined;
  const question = event && questionOf(event);
  return !event || (question && keyOf(question) === keyOf(asked)) ? asked : undefined;
}

/** What a question's toast is known by. @param {import('../module/approval.js').Asked} asked */
export function nameOfAsked(asked) {
  return `asked/${keyOf(asked)}`;
}

/** Whether another try would be answered the same. @param {unknown} error @returns {error is ApiError} */
function isFinal(error) {
  return error instanceof ApiError && [403, 404, 409].includes(error.status);
}
