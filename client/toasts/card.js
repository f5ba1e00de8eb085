/** One toast on the screen. All it shows is text; its link is checked. */

import { icon } from '../element/icon.js';
import { linkTo } from '../element/link.js';
import { decisionButtons } from './decision-buttons.js';

/** @typedef {import('../module/event-filter.js').Toast} Toast */

/**
 * @typedef {object} CardContext
 * @property {typeof import('./labels.js').TOAST_WORDS} words
 * @property {import('../module/connection.js').Connection | null} connection
 * @property {() => void} onDismiss
 * @property {(decision: import('../module/approval.js').Decision) => Promise<void>} onDecide rejects with words for the person
 */

let count = 0;

/**
 * A new card, empty.
 * @returns {HTMLLIElement}
 */
export function makeCard() {
  const card = document.createElement('li');
  card.className = 'toast';
  card.setAttribute('part', 'toast');
  card.id = `toast-${++count}`;
  card.tabIndex = 0;
  card.setAttribute('aria-labelledby', `${card.id}-title`);
  return card;
}

/**
 * Fills a card, a new one or one whose toast was replaced. The focus stays where it was.
 * @param {HTMLLIElement} card @param {Toast} toast @param {CardContext} context
 */
export function fillCard(card, toast, context) {
  const { words, onDismiss } = context;
  const focused = /** @type {ShadowRoot} */ (card.getRootNode()).activeElement;
  const hadFocus = card.isConnected && focused !== card && card.contains(focused);
  card.dataset.level = toast.level;
  const title = line('p', 'title', toast.title);
  title.id = `${card.id}-title`;
  title.prepend(line('span', 'level', `${words[toast.level]}: `));
  const main = document.createElement('div');
  main.className = 'main';
  main.append(title);
  if (toast.body) main.append(line('p', 'body', toast.body));
  const failed = (/** @type {string} */ message) => sayFailed(main, message);
  const action = actionOf(toast, context, failed);
  if (action) main.append(action);
  if (toast.decision) main.append(decisionButtons(toast.title, context, failed));
  card.replaceChildren(icon(toast.level), main, closeButton(words.dismiss(toast.title), onDismiss));
  if (hadFocus) card.focus();
}

/** @param {HTMLElement} main @param {string} message */
function sayFailed(main, message) {
  main.querySelector('.failed')?.remove();
  if (!message) return;
  const words = line('p', 'failed', message);
  words.role = 'alert';
  main.append(words);
}

/** @param {Toast} toast @param {CardContext} context @param {(message: string) => void} failed */
function actionOf({ action }, { connection }, failed) {
  if (!action || typeof action.label !== 'string') return null;
  const link = linkTo(action.label, action.href, connection, failed);
  link?.classList.add('action');
  return link;
}

/** @param {string} name @param {() => void} onDismiss */
function closeButton(name, onDismiss) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'close';
  button.ariaLabel = name;
  button.append(icon('close'));
  // A mouse does not take the focus away from what the person was writing.
  button.addEventListener('mousedown', (event) => event.preventDefault());
  button.addEventListener('click', onDismiss);
  return button;
}

/** @param {'p' | 'span'} tag @param {string} name @param {string} text */
function line(tag, name, text) {
  const element = document.createElement(tag);
  element.className = name;
  element.dir = 'auto';
  element.textContent = text;
  return element;
}
