/** One task in the list, updated in place so that the focus stays and screen readers repeat nothing. */

import { errorMessage, make, makeButton, setBusy, setText } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { makeLink } from '../element/link.js';
import { pointInTime, timeAgo } from '../element/time.js';
import { isEnd } from '../module/task.js';
import { importAgain, percent, rejectedRows, resultSummary } from './result.js';
import { RunFiles } from './run-files.js';
import { RunLog } from './run-log.js';
import { RunSteps } from './run-steps.js';
import { readSteps } from './steps.js';
import { waitingFor } from './waiting.js';

/** @import { Task } from '../module/task.js' */
/** @import { StepContext } from './step-card.js' */

/** @typedef {StepContext & { onCancel: (task: Task) => void }} RowContext */

/** True while its time has not come. @param {Task} task */
const beginsLater = ({ state, not_before: time = '' }) => state === 'queued' && Date.parse(time) > Date.now();

let count = 0;

/** The state of a task that failed by nobody's fault. @param {Task} task @param {StepContext['labels']} labels */
function refusalLabel({ state, error }, labels) {
  const words = error?.reason === 'declined' ? labels.declined : error?.reason === 'rejected' ? labels.refused : null;
  return state === 'failed' ? words : null;
}

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

  /** Follows its log no longer. */
  closeLog() {
    this.#log.close();
  }

  /** Takes it from the page. */
  remove() {
    this.closeLog();
    this.element.remove();
  }

  /** @param {Task} task */
  update(task) {
    const { labels } = this.#context;
    setText(this.#title, task.title || task.kind);
    const refusal = refusalLabel(task, labels);
    setText(this.#state, refusal ?? labels.states[task.state] ?? task.state);
    setText(this.#kind, task.kind);
    this.#updateProgress(task);
    const waits = isEnd(task.state) ? '' : waitingFor(readSteps(task), labels);
    const said = task.error?.message ?? resultSummary(task.result);
    const result = waits || [said, beginsLater(task) && labels.begins(pointInTime(task.not_before))].filter(Boolean).join(' · ');
    setText(this.#result, result);
    this.#result.hidden = !result;
    this.element.dataset.state = refusal ? 'rejected' : task.state;
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
  #links(task) {
    const { title, result } = task;
    if (!result || typeof result !== 'object') return [];
    const { labels, connection, onError } = this.#context;
    const rejected = rejectedRows(result).href;
    const links = /** @type {const} */ ([[labels.download, result.href], [labels.about, result.about], [labels.rejected, rejected]]);
    const shown = links.flatMap(([label, href]) => {
      const repeated = label === labels.download && href === rejected;
      const link = href === undefined || repeated ? null : makeLink(label, href, connection, onError);
      if (link) link.ariaLabel = labels.linkOf(label, title);
      return link ?? [];
    });
    return importAgain(task) ? [this.#importButton(task), ...shown] : shown;
  }

  /** Imports the rows that fit of a file that was refused for the others. @param {Task} task */
  #importButton(task) {
    const { labels, connection, onError } = this.#context;
    const button = makeButton('', labels.importOthers, async () => {
      const input = importAgain(task);
      if (!connection || !input || button.ariaBusy) return;
      setBusy(true, button);
      try {
        // Once, however often and on however many tabs it is pressed.
        await connection.api.startTask(task.kind, input, { title: task.title, idempotencyKey: `again-${task.id}` });
        button.remove();
      } catch (error) {
        setBusy(false, button);
        onError(errorMessage(error));
      }
    });
    button.ariaLabel = labels.importOthersOf(task.title);
    return button;
  }
}
