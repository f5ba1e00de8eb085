/** The two buttons of a toast that asks for a decision. */

import { errorMessage, make, makeButton, setBusy } from '../element/dom.js';

/** @import { Decision } from '../module/approval.js' */
/** @import { TOAST_LABELS } from './labels.js' */

/** Milliseconds for which new buttons are disabled, so that a click meant for something else decides nothing. */
const GUARD_TIME = 500;
/** @type {Decision[]} */
const DECISIONS = ['approve', 'reject'];

/**
 * @typedef {object} DecisionContext
 * @property {typeof TOAST_LABELS} labels
 * @property {(decision: Decision) => Promise<void>} onDecide rejects with a message for the user
 * @property {() => void} onLook throws a message for the user
 */

/**
 * Approve and Reject; both do nothing while a decision is being sent. What has more than a sentence can be looked at in the
 * list, and what has a form is approved there alone.
 * @param {{ title: string, hasMore?: boolean, hasForm?: boolean }} asked
 * @param {DecisionContext} context
 * @param {(message: string) => void} onError an empty message removes the last one
 */
export function decisionButtons({ title, hasMore, hasForm }, { labels, onDecide, onLook }, onError) {
  const row = make('div', 'decisions');
  const look = () => {
    try {
      onLook();
    } catch (error) {
      onError(errorMessage(error));
    }
  };
  const buttons = DECISIONS.filter((decision) => decision !== 'approve' || !hasForm).map((decision) => {
    const button = makeButton(`decide ${decision}`, labels[decision], () => press(decision));
    button.ariaLabel = labels.decide(labels[decision], title);
    button.disabled = true;
    return button;
  });
  setTimeout(() => buttons.forEach((button) => (button.disabled = false)), GUARD_TIME);

  /** @param {Decision} decision */
  const press = async (decision) => {
    if (row.ariaBusy === 'true') return;
    setBusy(true, row, ...buttons);
    onError('');
    try {
      await onDecide(decision);
    } catch (error) {
      onError(errorMessage(error));
    }
    setBusy(false, row, ...buttons);
  };
  if (hasMore) {
    const button = makeButton('decide look', labels.look, look);
    button.ariaLabel = labels.lookAt(title);
    row.append(button);
  }
  row.append(...buttons);
  return row;
}
