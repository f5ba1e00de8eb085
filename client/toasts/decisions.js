/** Decides approvals from their toasts, and removes the toasts once anybody has decided. */

import { ApiError } from '../module/api.js';
import { approvalOf, ClosedApprovals, hasMore, isStepRef, stepKey } from '../module/approval.js';

/** @import { Decision, StepRef } from '../module/approval.js' */
/** @import { Connection } from '../module/connection.js' */
/** @import { BellwireEvent, Toast } from '../module/event.js' */
/** @import { TOAST_LABELS } from './labels.js' */
/** @import { ToastStack } from './stack.js' */

/**
 * @typedef {object} DecisionsContext
 * @property {() => typeof TOAST_LABELS} labels
 * @property {() => Connection | null} connection
 * @property {ToastStack} stack
 * @property {(name: string) => void} dismiss removes a toast, in the other tabs too
 * @property {(name: string, toast: Toast) => void} announceToast
 * @property {(name: string, text: string) => void} announce to screen readers
 */

export class ToastDecisions {
  #context;
  /** The toasts whose decision is being sent, and whether an event has closed them meanwhile. @type {Map<string, boolean>} */
  #sending = new Map();
  #closed = new ClosedApprovals();

  /** @param {DecisionsContext} context */
  constructor(context) {
    this.#context = context;
  }

  /**
   * Sends a decision; rejects with a message for the user if they may try again.
   * @param {string} name of the toast @param {Decision} decision
   */
  async decide(name, decision) {
    const { stack, labels, connection, dismiss, announce } = this.#context;
    const toast = stack.toastOf(name);
    if (!toast?.decision) return;
    this.#sending.set(name, false);
    try {
      const api = connection()?.api;
      if (!api) throw new Error(labels().unconnected);
      const { task, step, digest } = toast.decision;
      await api.decide(task, step, decision, undefined, digest);
      this.#closed.add(toast.decision);
      announce(name, labels().decided(decision, toast.title));
      dismiss(name);
    } catch (error) {
      if (!(error instanceof ApiError && error.isFinal)) throw error;
      this.#showRefusal(name, toast, error.message);
    } finally {
      const closed = this.#sending.get(name);
      this.#sending.delete(name);
      if (closed) this.#remove(name);
    }
  }

  /** Removes the toasts that an event decides or ends. @param {BellwireEvent} event */
  update(event) {
    const closed = this.#closed.update(event);
    if (!closed) return;
    for (const name of this.#context.stack.names()) if (`${name}/`.startsWith(`asked/${closed}/`)) this.#close(name);
  }

  /** True if an approval is closed, or answered here. @param {StepRef} step */
  isClosed(step) {
    return this.#closed.has(step);
  }

  /** Goes to the approval in the page's list, which shows all that belongs to it; rejects with a message if there is none. @param {string} name */
  open(name) {
    const list = /** @type {(Element & { open?: (key: string) => boolean }) | null} */ (document.querySelector('bellwire-approvals'));
    if (!list?.open?.(name.slice('asked/'.length))) throw new Error(this.#context.labels().unlisted);
  }

  /** @param {string} name */
  #close(name) {
    if (this.#sending.has(name)) this.#sending.set(name, true);
    else this.#remove(name);
  }

  /** Replaces a toast by one without buttons, which disappears by itself. @param {string} name @param {Toast} toast @param {string} body */
  #showRefusal(name, { title }, body) {
    /** @type {Toast} */
    const refusal = { level: 'warning', title, body };
    this.#context.stack.show(name, refusal);
    this.#context.announceToast(name, refusal);
  }

  /** Removes a toast unless its refusal is shown. @param {string} name */
  #remove(name) {
    if (this.#context.stack.toastOf(name)?.decision) this.#context.dismiss(name);
  }
}

/**
 * The step that a toast's buttons decide. A toast of an event must name the step that the event itself asks for, so
 * that nobody approves one thing while reading of another.
 * @param {Toast} [toast] @param {BellwireEvent} [event] @returns {StepRef | undefined}
 */
export function stepToDecide(toast, event) {
  const step = toast?.decision;
  if (!isStepRef(step)) return undefined;
  if (!event) return step;
  const approval = approvalOf(event);
  return approval && approval.task === step.task && approval.step === step.step ? approval : undefined;
}

/**
 * What a toast says that asks for a decision: the question itself, whatever its event would have it say.
 * @param {Toast} toast @param {BellwireEvent | undefined} event @param {typeof TOAST_LABELS} labels
 */
export function questionText({ title, body }, event, labels) {
  const approval = event && approvalOf(event);
  if (!approval) return { title, body };
  if (title === approval.question) return { title, body: undefined };
  const asking = labels.asking(approval.owner, approval.title);
  const again = /** @type {unknown} */ (event.data?.again);
  return { title: again === 'reminder' || again === 'escalation' ? labels.again[again](asking) : asking, body: approval.question };
}

/** What the buttons of an approval's toast must know of it. @param {BellwireEvent} [event] */
export function decisionKind(event) {
  const approval = event && approvalOf(event);
  return { hasMore: Boolean(approval && hasMore(approval)), hasForm: Boolean(approval && approval.fields.length > 0) };
}

/** The name of an approval's toast. @param {StepRef} step */
export function approvalToastName(step) {
  return `asked/${stepKey(step)}`;
}
