/** Approvals: steps of workflows that wait for a person's decision. An event names a step, never an address. */

import { isEnd } from './task.js';

/** @import { Field } from './api.js' */
/** @import { BellwireEvent } from './event.js' */

const TASK = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const STEP = /^[a-z0-9_-]{1,64}$/;
const DIGEST = /^[A-Za-z0-9_-]{43}$/;
/** The most closed approvals that are remembered, so that a late event does not open one again. */
const MAX_CLOSED = 1000;
/** The most files, values or fields of one approval. */
const MAX_LISTED = 200;

/** @typedef {{ task: string, step: string, digest?: string }} StepRef a step that waits for a decision; the digest names its question */
/** @typedef {'approve' | 'reject'} Decision */
/**
 * @typedef {object} ApprovalDetails
 * @property {string} title of the run
 * @property {string} question
 * @property {string} owner who started the run
 * @property {string} [asked] when
 * @property {string} [until] the time by which it must be answered
 * @property {number} needed how many people must approve
 * @property {string[]} approvedBy who has
 * @property {{ title: string, value: string }[]} shown values that belong to it
 * @property {{ name: string, href: string }[]} files that it is about
 * @property {Field[]} fields of the form that is filled in with an approval
 */
/** @typedef {StepRef & ApprovalDetails} Approval */
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
  const { task, step, digest, title, question, owner, asked: at, details, ...listed } = /** @type {StepRef & { [name: string]: unknown }} */ (value);
  // An event has its details apart, and the keys of files instead of links.
  const { until, needed, approved_by: approvedBy, shown, files, fields } = /** @type {Record<string, unknown>} */ (details ?? listed);
  const number = Number(needed);
  return {
    task, step, digest, title: text(title), question: text(question) || text(title), owner: text(owner), asked: text(at ?? asked),
    until: text(until) || undefined,
    needed: Number.isSafeInteger(number) && number > 0 ? number : 1,
    approvedBy: list(approvedBy ?? listed.approved_by).filter((each) => typeof each === 'string'),
    shown: list(shown).flatMap((each) => (typeof each?.title === 'string' && typeof each.value === 'string' ? { title: each.title, value: each.value } : [])),
    files: list(files).flatMap((each) => readFile(each, { task, step }) ?? []),
    fields: list(fields).filter((each) => typeof each?.path === 'string' && typeof each.type === 'string'),
  };
}

/** A file of an approval: as the list has it, or by its key. @param {any} file @param {StepRef} step */
function readFile(file, { task, step }) {
  if (typeof file?.name === 'string' && typeof file.href === 'string') return { name: file.name, href: file.href };
  const [, id, name] = /^([A-Za-z0-9-]{1,64})\/([^/]+)$/.exec(text(file)) ?? [];
  return id ? { name, href: `/api/tasks/${task}/steps/${step}/files/${id}/${encodeURIComponent(name)}` } : null;
}

/** The approval that an event asks for, or null; an answer must be able to name it by its digest. @param {BellwireEvent} event */
export function approvalOf({ type, time, data }) {
  const isAsked = type === 'bellwire.approval.asked' && data?.digest !== undefined;
  return isAsked ? readApproval({ .../** @type {object} */ (data.question ?? {}), digest: data.digest, approved_by: data.approved_by }, time) : null;
}

/** True for an approval that is more than yes or no to a sentence: its values, files or form must be seen. @param {Approval} approval */
export function hasMore({ shown, files, fields }) {
  return shown.length + files.length + fields.length > 0;
}

/** The step whose question an event closes without an answer, or null. @param {BellwireEvent} event @returns {StepRef | null} */
export function closedStepOf({ type, data }) {
  const closed = data?.closed;
  return type === 'bellwire.approval.closed' && isStepRef(closed) ? closed : null;
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
  /** Those that more than one person must approve, and who has. @type {Map<string, { needed: number, by: Set<string> }>} */
  #counted = new Map();

  /**
   * Closes the approvals that an event decides, closes or ends.
   * @param {BellwireEvent} event @returns {string | undefined} the key of what it has closed: of a step, or a task's id
   */
  update(event) {
    const approval = approvalOf(event);
    if (approval) this.count(approval);
    const decided = decisionOf(event);
    const key = closedStepOf(event) ?? (decided && this.#isDecidedBy(decided) ? decided : null);
    const closed = key ? stepKey(key) : (endedTaskOf(event) ?? undefined);
    if (closed) this.#add(closed);
    return closed;
  }

  /** Notes how many must approve. @param {Approval} approval */
  count(approval) {
    if (approval.needed < 2) return;
    const key = stepKey(approval);
    const by = new Set([...(this.#counted.get(key)?.by ?? []), ...approval.approvedBy]);
    this.#counted.set(key, { needed: approval.needed, by });
    if (this.#counted.size > MAX_CLOSED) this.#counted.delete(/** @type {string} */ (this.#counted.keys().next().value));
  }

  /** @param {ApprovalDecision} answer */
  #isDecidedBy(answer) {
    const counted = this.#counted.get(stepKey(answer));
    if (answer.decision !== 'approve' || !counted) return true;
    counted.by.add(answer.by);
    return counted.by.size >= counted.needed;
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
    this.#counted.clear();
  }
}

/** @param {unknown} value @returns {any[]} */
function list(value) {
  return Array.isArray(value) ? value.slice(0, MAX_LISTED) : [];
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value : '';
}
