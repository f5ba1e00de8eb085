/** What a task says to its owner, in its row: on demand, and as it is said. All of it is text. */

import { errorMessage, make, makeButton, setText } from '../element/dom.js';
import { icon } from '../element/icon.js';

/** @import { LogLine } from '../module/api.js' */
/** @import { Task } from '../module/task.js' */
/** @import { StepContext } from './step-card.js' */

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
/** So many lines are kept on the page. */
const MOST_LINES = 1000;

let count = 0;

/** Closed at first; nothing is asked for until it is opened, or after it was closed. */
export class RunLog {
  button = makeButton('toggle', '', () => this.#toggle());
  list = make('ol', 'log');
  #context;
  /** @type {string} */
  #task = '';
  /** @type {AbortController | null} */
  #following = null;
  /** @type {LogLine | null} */
  #last = null;

  /** @param {StepContext} context @param {string} title the id of the element that names the task */
  constructor(context, title) {
    this.#context = context;
    this.list.id = `log-${++count}`;
    this.list.role = 'log';
    this.list.tabIndex = 0; // so that the keyboard can scroll it
    this.list.setAttribute('aria-labelledby', title);
    this.button.setAttribute('aria-controls', this.list.id);
    const words = make('span', 'toggle-words');
    setText(words, context.labels.log);
    this.button.append(words, icon('open'));
    this.#show(false);
  }

  /** @param {Task} task */
  update(task) {
    this.#task = task.id;
    this.button.hidden = task.state === 'queued' && !task.error;
  }

  /** Nothing more is asked for, where nobody reads it. */
  close() {
    this.#following?.abort();
    this.#following = null;
    this.#show(false);
  }

  #toggle() {
    if (this.button.ariaExpanded === 'true') return this.close();
    this.#show(true);
    this.#follow();
  }

  /** @param {boolean} opens */
  #show(opens) {
    this.button.ariaExpanded = String(opens);
    this.list.hidden = !opens;
  }

  async #follow() {
    const { connection, labels, onError } = this.#context;
    if (!connection) return;
    const { signal } = (this.#following = new AbortController());
    this.list.replaceChildren();
    this.#last = null;
    try {
      for await (const line of connection.api.followLog(this.#task, signal)) {
        if (signal.aborted) return;
        this.#append(line);
      }
      if (!signal.aborted && !this.#last) this.list.append(entry('', '', labels.silent));
    } catch (error) {
      if (!signal.aborted) onError(errorMessage(error));
    }
  }

  /** @param {LogLine} line */
  #append(line) {
    const { labels } = this.#context;
    const isNext = this.#last?.attempt === line.attempt;
    const missing = line.number - (isNext ? (this.#last?.number ?? 0) : 0) - 1;
    if (missing > 0) this.list.append(entry('', '', labels.leftOut(missing)));
    const level = labels.levels[line.level];
    const wasAtEnd = this.list.scrollTop + this.list.clientHeight >= this.list.scrollHeight - 4;
    this.list.append(entry(line.time, line.level, level ? `${level}: ${line.message}` : line.message));
    while (this.list.childElementCount > MOST_LINES) this.list.firstElementChild?.remove();
    if (wasAtEnd) this.list.scrollTop = this.list.scrollHeight;
    this.#last = line;
  }
}

/** @param {string} time @param {string} level @param {string} words */
function entry(time, level, words) {
  const item = make('li', '');
  item.dataset.level = level;
  const text = make('span', '');
  text.dir = 'auto';
  text.textContent = words;
  if (time) {
    const when = make('time', '');
    when.dateTime = time;
    when.textContent = clock.format(new Date(time));
    item.append(when);
  }
  item.append(text);
  return item;
}
