/** One task on the screen, changed in place: the focus stays, and nothing is read out again. */

import { make, setText } from '../element/dom.js';
import { isEnd } from '../module/task.js';
import { icon } from '../element/icon.js';
import { linkTo } from '../element/link.js';
import { TaskSteps } from './run-steps.js';
import { ago, percent, rejectedOf, resultWords } from './labels.js';

/** @typedef {import('../module/task.js').Task} Task */

/**
 * @typedef {object} RowContext
 * @property {typeof import('./labels.js').TASK_WORDS} words
 * @property {import('../module/connection.js').Connection | null} connection
 * @property {(task: Task) => void} onCancel
 * @property {(message: string) => void} onError
 */

let count = 0;

/** A row of the list. */
export class TaskRow {
  element = /** @type {HTMLLIElement} */ (make('li', 'task'));
  #title = make('h3', 'title');
  #state = make('span', 'state');
  #kind = make('span', 'kind');
  #time = /** @type {HTMLTimeElement} */ (make('time', 'time'));
  #bar = make('div', 'bar');
  #fill = make('div', 'fill');
  #words = make('p', 'result');
  #actions = make('div', 'actions');
  #icon = make('span', 'mark');
  #main = make('div', 'main');
  #steps;
  /** What the icon and the actions were made for. */
  #shown = '';
  #context;

  /** @param {RowContext} context */
  constructor(context) {
    this.#context = context;
    this.#title.id = `task-${++count}`;
    this.#title.dir = 'auto';
    this.#words.dir = 'auto';
    this.element.setAttribute('part', 'task');
    this.element.setAttribute('aria-labelledby', this.#title.id);
    this.#bar.role = 'progressbar';
    this.#bar.setAttribute('aria-labelledby', this.#title.id);
    this.#bar.ariaValueMin = '0';
    this.#bar.ariaValueMax = '100';
    this.#bar.append(this.#fill);
    const about = make('p', 'about');
    about.append(this.#state, this.#kind, this.#time);
    this.#steps = new TaskSteps(context, this.#title.id);
    this.#main.append(this.#title, about, this.#bar, this.#words, this.#steps.button);
    this.element.append(this.#icon, this.#main, this.#actions, this.#steps.graph);
  }

  /** @param {Task} task */
  show(task) {
    const { words } = this.#context;
    setText(this.#title, task.title || task.kind);
    setText(this.#state, words.states[task.state] ?? task.state);
    setText(this.#kind, task.kind);
    this.#showProgress(task);
    const said = task.error?.message ?? resultWords(task.result);
    setText(this.#words, said);
    this.#words.hidden = !said;
    this.element.dataset.state = task.state;
    this.element.toggleAttribute('data-trouble', Boolean(task.error) && !isEnd(task.state)); // it goes on nevertheless
    this.#showTime(task);
    this.#steps.show(task);
    const made = JSON.stringify([task.state, task.title, task.result]);
    if (made !== this.#shown) this.#showActions(task);
    this.#shown = made;
  }

  /** @param {Task} task */
  #showProgress(task) {
    const now = percent(task);
    this.#bar.hidden = task.state !== 'running';
    this.#bar.ariaValueNow = String(now);
    this.#fill.style.inlineSize = `${now}%`;
    if (task.state === 'running') this.#state.textContent += ` ${now} %`;
  }

  /** @param {Task} task */
  #showTime(task) {
    const instant = (isEnd(task.state) ? task.updated : task.created) ?? task.created ?? task.updated;
    setText(this.#time, ago(instant));
    if (!instant || this.#time.dateTime === instant) return;
    this.#time.dateTime = instant;
    this.#time.title = new Date(instant).toLocaleString();
  }

  /** @param {Task} task */
  #showActions(task) {
    const root = /** @type {ShadowRoot} */ (this.element.getRootNode());
    const hadFocus = this.#actions.contains(root.activeElement ?? null);
    this.#icon.replaceChildren(icon(task.state));
    this.#actions.replaceChildren(...(isEnd(task.state) ? this.#links(task) : [this.#cancelButton(task)]));
    if (!hadFocus) return;
    // What the focus was on is gone: it goes to what came in its place, or to the row.
    const next = /** @type {HTMLElement | null} */ (this.#actions.firstElementChild);
    this.element.tabIndex = -1;
    (next ?? this.element).focus();
  }

  /** @param {Task} task */
  #cancelButton(task) {
    const { words, onCancel } = this.#context;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = words.cancel;
    button.ariaLabel = words.cancelOf(task.title);
    button.addEventListener('click', () => onCancel(task));
    return button;
  }

  /** @param {Task} task @returns {HTMLElement[]} */
  #links({ title, result }) {
    if (!result || typeof result !== 'object') return [];
    const { words, connection, onError } = this.#context;
    const rejected = rejectedOf(result).href;
    const wanted = /** @type {const} */ ([[words.download, result.href], [words.rejected, rejected]]);
    return wanted.flatMap(([label, href]) => {
      const twice = label === words.download && href === rejected;
      const link = href === undefined || twice ? null : linkTo(label, href, connection, onError);
      if (link) link.ariaLabel = words.linkOf(label, title);
      return link ?? [];
    });
  }
}
