/** The two buttons of a toast that asks. */

import { make } from '../element/dom.js';

/** What comes up under a finger that was on its way elsewhere must not be an answer. */
const GUARD = 500;
/** @type {import('../module/approval.js').Decision[]} */
const DECISIONS = ['approve', 'reject'];

/**
 * Approve and Reject; while one is on its way neither does anything.
 * @param {string} title
 * @param {Pick<import('./card.js').CardContext, 'words' | 'onDecide'>} context
 * @param {(message: string) => void} failed says why it did not come about; an empty text takes that away
 */
export function decisionButtons(title, { words, onDecide }, failed) {
  const row = make('div', 'decisions');
  const buttons = DECISIONS.map((decision) => {
    const button = /** @type {HTMLButtonElement} */ (make('button', `decide ${decision}`));
    button.type = 'button';
    button.textContent = words[decision];
    button.ariaLabel = words.decide(words[decision], title);
    button.disabled = true;
    button.addEventListener('click', () => press(decision));
    return button;
  });
  setTimeout(() => buttons.forEach((button) => (button.disabled = false)), GUARD);

  /** @param {import('../module/approval.js').Decision} decision */
  const press = async (decision) => {
    if (row.ariaBusy === 'true') return;
    mark('true');
    failed('');
    try {
      await onDecide(decision);
    } catch (error) {
      failed(error instanceof Error ? error.message : String(error));
    }
    mark(null);
  };
  /** Not `disabled`: that would drop the focus. @param {string | null} busy */
  const mark = (busy) => {
    for (const each of [row, ...buttons]) each.ariaBusy = busy;
  };
  row.append(...buttons);
  return row;
}
