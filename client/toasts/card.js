/** The card of one toast. All it shows is text; its link is checked. */

import { make, makeButton } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { makeLink } from '../element/link.js';
import { decisionButtons } from './decision-buttons.js';

/** @import { Connection } from '../module/connection.js' */
/** @import { Toast } from '../module/event.js' */
/** @import { DecisionContext } from './decision-buttons.js' */

/** @typedef {DecisionContext & { connection: Connection | null, onDismiss: () => void }} CardContext */

let count = 0;

/**
 * An empty card.
 */
export function makeCard() {
  const card = make('li', 'toast');
  card.setAttribute('part', 'toast');
  card.id = `toast-${++count}`;
  card.tabIndex = 0;
  card.setAttribute('aria-labelledby', `${card.id}-title`);
  return card;
}

/**
 * Shows a toast in a card, in place of the toast before. A focus inside moves to the card.
 * @param {HTMLLIElement} card @param {Toast} toast @param {CardContext} context
 */
export function fillCard(card, toast, context) {
  const { labels, onDismiss } = context;
  const focused = /** @type {ShadowRoot} */ (card.getRootNode()).activeElement;
  const hadFocus = card.isConnected && focused !== card && card.contains(focused);
  card.dataset.level = toast.level;
  const title = line('p', 'title', toast.title);
  title.id = `${card.id}-title`;
  title.prepend(line('span', 'level', `${labels[toast.level]}: `));
  const main = make('div', 'main');
  main.append(title);
  if (toast.body) main.append(line('p', 'body', toast.body));
  const onError = (/** @type {string} */ message) => showError(main, message);
  const action = actionLink(toast, context, onError);
  if (action) main.append(action);
  if (toast.decision) main.append(decisionButtons({ title: toast.title, ...toast.asks }, context, onError));
  card.replaceChildren(icon(toast.level), main, closeButton(labels.dismiss(toast.title), onDismiss));
  if (hadFocus) card.focus();
}

/** @param {HTMLElement} main @param {string} message removes the last one if empty */
function showError(main, message) {
  main.querySelector('.failed')?.remove();
  if (!message) return;
  const error = line('p', 'failed', message);
  error.role = 'alert';
  main.append(error);
}

/** @param {Toast} toast @param {CardContext} context @param {(message: string) => void} onError */
function actionLink({ action }, { connection }, onError) {
  if (!action || typeof action.label !== 'string') return null;
  const link = makeLink(action.label, action.href, connection, onError);
  link?.classList.add('action');
  return link;
}

/** @param {string} name @param {() => void} onDismiss */
function closeButton(name, onDismiss) {
  const button = makeButton('close', '', onDismiss);
  button.ariaLabel = name;
  button.append(icon('close'));
  // A mouse click does not take the focus from a text field.
  button.addEventListener('mousedown', (event) => event.preventDefault());
  return button;
}

/** @param {'p' | 'span'} tag @param {string} name @param {string} text */
function line(tag, name, text) {
  const element = make(tag, name);
  element.dir = 'auto';
  element.textContent = text;
  return element;
}
