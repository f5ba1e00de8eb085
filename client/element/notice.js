/** A message about something that failed, with a button to try again. */

import { make, makeButton } from './dom.js';

/** Hidden while it has no message. */
export class Notice {
  element = make('div', 'trouble');

  constructor() {
    this.element.role = 'status';
    this.clear();
  }

  /** @param {string} message @param {{ label: string, onClick: () => void }} [retry] */
  show(message, retry) {
    this.element.replaceChildren(message, ...(retry ? [makeButton('again', retry.label, retry.onClick)] : []));
    this.element.hidden = false;
  }

  clear() {
    this.element.replaceChildren();
    this.element.hidden = true;
  }
}
