/** One step of a run's graph. All it shows is text; its link is checked. */

import { make, setText } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { linkTo } from '../element/link.js';

/** @typedef {import('./steps.js').Step} Step */

/** A step, changed in place. */
export class StepCard {
  element = make('div', 'step-slot');
  #card = make('div', 'step');
  #mark = make('span', 'step-mark');
  #title = make('span', 'step-title');
  #state = make('span', 'step-state');
  #after = make('span', 'unseen');
  #bar = make('div', 'bar');
  #fill = make('div', 'fill');
  #note = make('p', 'step-note');
  #link = make('span', 'step-link');
  /** What the mark and the link were made for. */
  #shown = '';
  #context;

  /** @param {import('./row.js').RowContext} context */
  constructor(context) {
    this.#context = context;
    this.element.role = 'listitem';
    this.#title.dir = this.#note.dir = 'auto';
    this.#bar.ariaHidden = 'true'; // the state says it in words
    this.#bar.append(this.#fill);
    const head = make('p', 'step-head');
    head.append(this.#mark, this.#title);
    const about = make('p', 'step-about');
    about.append(this.#state, this.#after);
    this.#card.append(head, about, this.#bar, this.#note, this.#link);
    this.element.append(this.#card);
  }

  /** @param {Step} step @param {string[]} after the titles of the steps that it needs */
  show(step, after) {
    const { words } = this.#context;
    this.#card.dataset.state = step.state;
    setText(this.#title, step.title);
    setText(this.#state, stateWords(step, words));
    setText(this.#after, after.length > 0 ? words.after(after) : '');
    setText(this.#note, step.note ?? '');
    this.#note.title = step.note ?? ''; // what is cut off there
    this.#bar.hidden = step.state !== 'running';
    this.#fill.style.inlineSize = `${Math.round(partOf(step) * 100)}%`;
    const shown = JSON.stringify([step.state, step.title, step.href]);
    if (shown !== this.#shown) this.#showLink(step);
    this.#shown = shown;
  }

  /** @param {Step} step */
  #showLink({ state, title, href }) {
    const { words, connection, onError } = this.#context;
    this.#mark.replaceChildren(icon(state));
    const link = href === undefined || href === null ? null : linkTo(words.open, href, connection, onError);
    if (link) link.ariaLabel = words.linkOf(words.open, title);
    this.#link.replaceChildren(...(link ? [link] : []));
  }
}

/** @param {Step} step */
function partOf({ progress, items }) {
  return items ? Math.max(progress, items[0] / items[1]) : progress;
}

/** "Running, 3 of 12" or "Running, 40 %". @param {Step} step @param {typeof import('./labels.js').TASK_WORDS} words */
function stateWords(step, words) {
  const { state, items } = step;
  const said = words.stepStates[state];
  if (items && state !== 'waiting' && state !== 'skipped') return `${said}, ${words.items(...items)}`;
  return state === 'running' && partOf(step) > 0 ? `${said}, ${Math.round(partOf(step) * 100)} %` : said;
}
