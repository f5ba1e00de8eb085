/** One task in the list, updated in place so that the focus stays and screen readers repeat nothing. */

import { make, makeButton, setText } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { makeLink } from '../element/link.js';
import { timeAgo } from '../element/time.js';
import { isEnd } from '../module/task.js';
import { percent, rejectedRows, resultSummary } from './result.js';
import { RunFiles } from './run-files.js';
import { RunLog } from './run-log.js';
import { RunSteps } from './run-steps.js';
import { readSteps } from './steps.js';
import { waitingFor } from './waiting.js';

/** @import { Task } from '../module/task.js' */
/** @import { StepContext } from './step-card.js' */

/** @typedef {StepContext & { onCancel: (task: Task) => void }} RowContext */

let count = 0;

export class TaskRow {
  element = make('li', 'task');
  #title = make('h3', 'title');
  #state = make('span', 'state');
  #kind = make('span', 'kind');
  #time = make('time', 'time');
  #bar = make('div', 'bar');
  #fill = make('div', 'fill');
  #result = make('p', 'result');
  #actions = make('div', 'actions');
  #icon = make('span', 'mark');
  #main = make('div', 'main');
  #steps;
  #files;
  #log;
  /** The fields that the icon and the actions show, as JSON. */
  #shown = '';
  #context;

  /** @param {RowContext} context */
  constructor(context) {
    this.#context = context;
    this.#title.id = `task-${++count}`;
    this.#title.dir = 'auto';
    this.#result.dir = 'auto';
    this.element.setAttribute('part', 'task');
    this.element.setAttribute('aria-labelledby', this.#title.id);
    this.#bar.role = 'progressbar';
    this.#bar.setAttribute('aria-labelledby', this.#title.id);
    this.#bar.ariaValueMin = '0';
    this.#bar.ariaValueMax = '100';
    this.#bar.append(this.#fill);
    const about = make('p', 'about');
    about.append(this.#state, this.#kind, this.#time);
    this.#steps = new RunSteps(context, this.#title.id);
    this.#files = new RunFiles(context, this.#title.id);
    this.#log = new RunLog(context, this.#title.id);
    const toggles = make('div', 'toggles');
    toggles.append(this.#steps.button, this.#files.button, this.#log.button);
    this.#main.append(this.#title, about, this.#bar, this.#result, toggles, this.#files.list, this.#log.list);
    this.element.append(this.#icon, this.#main, this.#actions, this.#steps.graph);
  }

  /** @param {Task} task */
  update(task) {
    const { labels } = this.#context;
    setText(this.#title, task.title || task.kind);
    const isDeclined = task.state === 'failed' && task.error?.reason === 'declined';
    setText(this.#state, isDeclined ? labels.declined : (labels.states[task.state] ?? task.state));
    setText(this.#kind, task.kind);
    this.#updateProgress(task);
    const waits = isEnd(task.state) ? '' : waitingFor(readSteps(task), labels);
    const result = waits || (task.error?.message ?? resultSummary(task.result));
    setText(this.#result, result);
    this.#result.hidden = !result;
    this.element.dataset.state = isDeclined ? 'rejected' : task.state;
    this.element.toggleAttribute('data-trouble', Boolean(task.error) && !isEnd(task.state)); // it will be retried
    this.#updateTime(task);
    this.#steps.update(task);
    this.#files.update(task);
    this.#log.update(task);
    const shown = JSON.stringify([task.state, task.title, task.result]);
    if (shown !== this.#shown) this.#replaceActions(task);
    this.#shown = shown;
  }

  /** @param {Task} task */
  #updateProgress(task) {
    const now = percent(task);
    this.#bar.hidden = task.state !== 'running';
    this.#bar.ariaValueNow = String(now);
    this.#fill.style.inlineSize = `${now}%`;
    if (task.state === 'running') this.#state.textContent += ` ${now} %`;
  }

  /** @param {Task} task */
  #updateTime(task) {
    const instant = (isEnd(task.state) ? task.updated : task.created) ?? task.created ?? task.updated;
    setText(this.#time, timeAgo(instant));
    if (!instant || this.#time.dateTime === instant) return;
    this.#time.dateTime = instant;
    this.#time.title = new Date(instant).toLocaleString();
  }

  /** @param {Task} task */
  #replaceActions(task) {
    const { activeElement = null } = /** @type {Partial<ShadowRoot>} */ (this.element.getRootNode());
    const hadFocus = this.#actions.contains(activeElement);
    this.#icon.replaceChildren(icon(this.element.dataset.state ?? task.state));
    this.#actions.replaceChildren(...(isEnd(task.state) ? this.#links(task) : [this.#cancelButton(task)]));
    if (!hadFocus) return;
    // The focused action is gone: focus its replacement, or the row.
    const next = this.#actions.firstElementChild;
    this.element.tabIndex = -1;
    (next instanceof HTMLElement ? next : this.element).focus();
  }

  /** @param {Task} task */
  #cancelButton(task) {
    const { labels, onCancel } = this.#context;
    const button = makeButton('', labels.cancel, () => onCancel(task));
    button.ariaLabel = labels.cancelOf(task.title);
    return button;
  }

  /** @param {Task} task @returns {HTMLElement[]} */
  #links({ title, result }) {
    if (!result || typeof result !== 'object') return [];
    const { labels, connection, onError } = this.#context;
    const rejected = rejectedRows(result).href;
    const links = /** @type {const} */ ([[labels.download, result.href], [labels.about, result.about], [labels.rejected, rejected]]);
    return links.flatMap(([label, href]) => {
      const repeated = label === labels.download && href === rejected;
      const link = href === undefined || repeated ? null : makeLink(label, href, connection, onError);
      if (link) link.ariaLabel = labels.linkOf(label, title);
      return link ?? [];
    });
  }
}
