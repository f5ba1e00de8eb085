/** Approvals: steps of workflows that wait for a person's decision. An event names a step, never an address. */

import { isEnd } from './task.js';

/** @import { BellwireEvent } from './event.js' */

const TASK = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const STEP = /^[a-z0-9_-]{1,64}$/;
const DIGEST = /^[A-Za-z0-9_-]{43}$/;
/** The most closed approvals that are remembered, so that a late event does not open one again. */
const MAX_CLOSED = 1000;

/** @typedef {{ task: string, step: string, digest?: string }} StepRef a step that waits for a decision; the digest names its question */
/** @typedef {'approve' | 'reject'} Decision */
/** @typedef {StepRef & { title: string, question: string, owner: string, asked?: string }} Approval */
/** @typedef {StepRef & { decision: Decision, by: string, comment?: string }} ApprovalDecision */

/** True for a step that is named as the API names one: only then may it be part of a path. @param {unknown} value @returns {value is StepRef} */
export function isStepRef(value) {
  const { task, step, digest } = /** @type {Partial<Record<keyof StepRef, unknown>>} */ (value ?? {});
  const isNamed = typeof task === 'string' && TASK.test(task) && typeof step === 'string' && STEP.test(step);
  return isNamed && (digest === undefined || (typeof digest === 'string' && DIGEST.test(digest)));
}

/** The key that identifies the question of a step. @param {StepRef} step */
export function stepKey({ task, step, digest }) {
  return digest ? `${task}/${step}/${digest}` : `${task}/${step}`;
}

/**
 * Reads an approval, with all of it as text; null if the value is none.
 * @param {unknown} value @param {string} [asked] its time, if it has none itself
 * @returns {Approval | null}
 */
export function readApproval(value, asked) {
  if (!isStepRef(value)) return null;
  const { task, step, digest, title, question, owner, asked: at } = /** @type {StepRef & Partial<Record<keyof Approval, unknown>>} */ (value);
  return { task, step, digest, title: text(title), question: text(question) || text(title), owner: text(owner), asked: text(at ?? asked) };
}

/** The approval that an event asks for, or null; an answer must be able to name it by its digest. @param {BellwireEvent} event */
export function approvalOf({ type, time, data }) {
  const isAsked = type === 'bellwire.approval.asked' && data?.digest !== undefined;
  return isAsked ? readApproval({ .../** @type {object} */ (data.question ?? {}), digest: data.digest }, time) : null;
}

/** The decision that an event reports, or null. @param {BellwireEvent} event @returns {ApprovalDecision | null} */
export function decisionOf({ type, data }) {
  const answer = data?.answer;
  return type === 'bellwire.approval.decided' && isStepRef(answer) ? /** @type {ApprovalDecision} */ (answer) : null;
}

/** The id of the task that an event reports as ended, or null: its approvals are closed. @param {BellwireEvent} event */
export function endedTaskOf({ type, data }) {
  const task = data?.task;
  return type.startsWith('bellwire.task.') && typeof task?.id === 'string' && isEnd(task.state) ? task.id : null;
}

/** The approvals that are decided or whose run has ended, as far as this tab knows. */
export class ClosedApprovals {
  /** @type {Set<string>} */
  #keys = new Set();

  /** Closes the approvals that an event decides or ends. @param {BellwireEvent} event */
  update(event) {
    const decided = decisionOf(event);
    const ended = endedTaskOf(event);
    if (decided) this.add(decided);
    if (ended) this.#add(ended);
  }

  /** @param {StepRef} step */
  add(step) {
    this.#add(stepKey(step));
  }

  /** @param {string} key */
  #add(key) {
    this.#keys.add(key);
    if (this.#keys.size > MAX_CLOSED) this.#keys.delete(/** @type {string} */ (this.#keys.values().next().value));
  }

  /** @param {StepRef} step */
  has(step) {
    return this.#keys.has(stepKey(step)) || this.#keys.has(step.task);
  }

  clear() {
    this.#keys.clear();
  }
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value : '';
}
