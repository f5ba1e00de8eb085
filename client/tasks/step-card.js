/** One step in the graph of a run. All it shows is text; its link is checked. */

import { make, setText } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { makeLink } from '../element/link.js';
import { waitingText } from './waiting.js';

/** @import { Connection } from '../module/connection.js' */
/** @import { TASK_LABELS } from './labels.js' */
/** @import { Step } from './steps.js' */

/**
 * @typedef {object} StepContext
 * @property {typeof TASK_LABELS} labels
 * @property {Connection | null} connection
 * @property {(message: string) => void} onError
 */

/** Updated in place. */
export class StepCard {
  element = make('div', 'step-slot');
  #card = make('div', 'step');
  #mark = make('span', 'step-mark');
  #title = make('span', 'step-title');
  #state = make('span', 'step-state');
  #needs = make('span', 'unseen');
  #bar = make('div', 'bar');
  #fill = make('div', 'fill');
  #note = make('p', 'step-note');
  #link = make('span', 'step-link');
  /** The fields that the icon and the link show, as JSON. */
  #shown = '';
  #context;

  /** @param {StepContext} context */
  constructor(context) {
    this.#context = context;
    this.element.role = 'listitem';
    this.#title.dir = this.#note.dir = 'auto';
    this.#bar.ariaHidden = 'true'; // the state has it as text
    this.#bar.append(this.#fill);
    const head = make('p', 'step-head');
    head.append(this.#mark, this.#title);
    const about = make('p', 'step-about');
    about.append(this.#state, this.#needs);
    this.#card.append(head, about, this.#bar, this.#note, this.#link);
    this.element.append(this.#card);
  }

  /** @param {Step} step @param {string[]} needs the titles of the steps that it needs */
  update(step, needs) {
    const { labels } = this.#context;
    this.#card.dataset.state = step.rejected ? 'rejected' : step.state;
    setText(this.#title, step.title);
    setText(this.#state, stateText(step, labels));
    setText(this.#needs, needs.length > 0 ? labels.after(needs) : '');
    const note = step.asks ? waitingText(step.asks, labels) : (step.note ?? '');
    setText(this.#note, note);
    this.#note.title = note; // the note may be cut off
    this.#bar.hidden = step.state !== 'running';
    this.#fill.style.inlineSize = `${Math.round(fractionDone(step) * 100)}%`;
    const shown = JSON.stringify([step.state, step.rejected, step.title, step.href]);
    if (shown !== this.#shown) this.#updateLink(step);
    this.#shown = shown;
  }

  /** @param {Step} step */
  #updateLink({ state, rejected, title, href }) {
    const { labels, connection, onError } = this.#context;
    this.#mark.replaceChildren(icon(rejected ? 'rejected' : state));
    const link = href === undefined || href === null ? null : makeLink(labels.open, href, connection, onError);
    if (link) link.ariaLabel = labels.linkOf(labels.open, title);
    this.#link.replaceChildren(...(link ? [link] : []));
  }
}

/** @param {Step} step */
function fractionDone({ progress, items }) {
  return items ? Math.max(progress, items[0] / items[1]) : progress;
}

/** "Running, 3 of 12" or "Running, 40 %". @param {Step} step @param {typeof TASK_LABELS} labels */
function stateText(step, labels) {
  const { state, items } = step;
  const text = step.rejected ? labels.declined : labels.stepStates[state];
  if (items && state !== 'waiting' && state !== 'skipped') return `${text}, ${labels.items(...items)}`;
  return state === 'running' && fractionDone(step) > 0 ? `${text}, ${Math.round(fractionDone(step) * 100)} %` : text;
}
