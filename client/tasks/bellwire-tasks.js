/** `<bellwire-tasks>`: the user's tasks, kept up to date by events. */

import { errorMessage, make, makeButton } from '../element/dom.js';
import { GatewayElement } from '../element/gateway-element.js';
import { Notice } from '../element/notice.js';
import { baseStyle } from '../element/style.js';
import { ListLoader } from '../module/list-loader.js';
import { fold } from '../module/task.js';
import { graphStyle } from './graph-style.js';
import { TASK_LABELS } from './labels.js';
import { TaskRow } from './row.js';
import { style } from './style.js';

/** @import { Connection } from '../module/connection.js' */
/** @import { BellwireEvent } from '../module/event.js' */
/** @import { Task } from '../module/task.js' */

const PAGE_SIZE = 20;
/** The most tasks that are kept. */
const MAX_TASKS = 500;
const REFRESH_INTERVAL = 15_000;
/** Milliseconds to wait before a burst of events is rendered at once. */
const RENDER_DELAY = 30;

/**
 * Set its `connection`; set `words` for another language.
 * @extends {GatewayElement<typeof TASK_LABELS>}
 */
export class BellwireTasks extends GatewayElement {
  #loader = new ListLoader((connection, signal) => this.#load(connection, signal), (error) => this.#loadFailed(error));
  /** @type {Map<string, Task>} */
  #tasks = new Map();
  /** @type {Map<string, TaskRow>} */
  #rows = new Map();
  /** Updates from events during a load. @type {Map<string, Task> | null} */
  #duringLoad = null;
  #loaded = false;
  #limit = PAGE_SIZE;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #rendering;
  #list = make('ol', 'list');
  #empty = make('p', 'note');
  #notice = new Notice();
  #older = makeButton('older', '', () => this.#showOlder());

  constructor() {
    super(TASK_LABELS, baseStyle, style, graphStyle);
    this.#list.setAttribute('role', 'list');
    this.#empty.hidden = this.#older.hidden = true;
    this.root.append(this.#notice.element, this.#empty, this.#list, this.#older);
  }

  connectedCallback() {
    super.connectedCallback();
    this.#list.ariaLabel = this.labels.list;
    this.#clock = setInterval(() => this.#render(), REFRESH_INTERVAL); // for "2 minutes ago"
  }

  disconnectedCallback() {
    clearInterval(this.#clock);
    this.#rows.forEach((row) => row.closeLog());
  }

  /** @protected @param {Connection | null} connection */
  connectionChanged(connection) {
    this.#tasks.clear();
    this.#rows.forEach((row) => row.remove());
    this.#rows.clear();
    this.#loaded = false;
    const signal = this.#loader.setConnection(connection);
    connection?.addEventListener('event', ({ detail }) => this.#handle(detail), { signal });
  }

  /** @param {BellwireEvent} event */
  #handle(event) {
    const task = event.data?.task;
    if (!event.type.startsWith('bellwire.task.') || typeof task?.id !== 'string') return;
    if (task.parent) return; // it is part of its run's graph
    for (const tasks of [this.#tasks, this.#duringLoad]) tasks?.set(task.id, fold(tasks.get(task.id), task));
    this.#rendering ??= setTimeout(() => this.#render(), RENDER_DELAY);
  }

  /**
   * Loads the whole list and folds in the updates that arrived meanwhile.
   * @param {Connection} connection @param {AbortSignal} signal
   */
  async #load(connection, signal) {
    /** @type {Map<string, Task>} */
    const duringLoad = new Map();
    this.#duringLoad = duringLoad;
    try {
      const { tasks, cursor } = await connection.api.readTasks();
      if (!signal.aborted) this.#setTasks([...tasks.filter(({ parent }) => !parent), ...duringLoad.values()]);
      return cursor;
    } finally {
      if (this.#duringLoad === duringLoad) this.#duringLoad = null;
    }
  }

  /** @param {unknown} error */
  #loadFailed(error) {
    const retry = { label: this.labels.again, onClick: () => this.#loader.reload() };
    this.#notice.show(`${this.labels.unloaded}: ${errorMessage(error)}`, retry);
  }

  /** @param {Task[]} tasks */
  #setTasks(tasks) {
    this.#tasks.clear();
    for (const task of tasks) this.#tasks.set(task.id, fold(this.#tasks.get(task.id), task));
    this.#loaded = true;
    this.#notice.clear();
    this.#render();
  }

  #render() {
    clearTimeout(this.#rendering);
    this.#rendering = undefined;
    const all = [...this.#tasks.values()].sort(newestFirst);
    for (const task of all.splice(MAX_TASKS)) this.#tasks.delete(task.id);
    const shown = all.slice(0, this.#limit);
    const ids = new Set(shown.map((task) => task.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    shown.forEach((task, index) => this.#renderRow(task, index));
    this.#empty.hidden = !this.#loaded || all.length > 0;
    this.#empty.textContent = this.labels.empty;
    this.#older.hidden = all.length <= this.#limit;
    this.#older.textContent = this.labels.older(all.length - this.#limit);
  }

  /** @param {Task} task @param {number} index */
  #renderRow(task, index) {
    let row = this.#rows.get(task.id);
    if (!row) {
      row = new TaskRow({
        labels: this.labels,
        connection: this.connection,
        onCancel: (each) => this.#cancel(each),
        onError: (message) => this.#notice.show(message),
      });
      this.#rows.set(task.id, row);
    }
    row.update(task);
    // Moved only if its place has changed: moving an element takes the focus from it.
    const current = this.#list.children[index];
    if (current !== row.element) this.#list.insertBefore(row.element, current ?? null);
  }

  #showOlder() {
    this.#limit += PAGE_SIZE * 2;
    this.#render();
  }

  /** @param {Task} task */
  async #cancel(task) {
    try {
      await this.connection?.api.cancelTask(task.id);
      this.#notice.clear();
    } catch (error) {
      this.#notice.show(this.labels.notCancelled(task.title, errorMessage(error)));
    }
  }
}

/** @param {Task} a @param {Task} b */
function newestFirst(a, b) {
  const [first, second] = [a.created ?? '', b.created ?? ''].map((instant) => Date.parse(instant) || 0);
  return second - first || (a.id < b.id ? 1 : -1);
}

customElements.define('bellwire-tasks', BellwireTasks);
