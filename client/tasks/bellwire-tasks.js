/** `<bellwire-tasks>`: one's tasks, kept up to date by events. It needs no refresh button. */

import { make, takeEarly, wordsOf } from '../element/dom.js';
import { fold } from '../module/task.js';
import { graphStyle } from './graph-style.js';
import { Loading } from '../element/list-loader.js';
import { TaskRow } from './row.js';
import { style } from './style.js';
import { TASK_WORDS } from './labels.js';

const FIRST = 20;
/** More than so many are not kept. */
const MOST = 500;
const TICK = 15_000;

/** @typedef {import('../module/task.js').Task} Task */

/** Set its `connection`. `words` may be set for another language. */
export class BellwireTasks extends HTMLElement {
  #words = TASK_WORDS;
  /** @type {import('../module/connection.js').Connection | null} */
  #connection = null;
  #loading = new Loading((connection, signal) => this.#load(connection, signal), (error) => this.#say(`${this.#words.unloaded}: ${wordsOf(error)}`, () => this.#loading.reload()));
  /** @type {Map<string, Task>} */
  #tasks = new Map();
  /** @type {Map<string, TaskRow>} */
  #rows = new Map();
  /** What events said while the list was on its way. @type {Map<string, Task> | null} */
  #meanwhile = null;
  #loaded = false;
  #limit = FIRST;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #drawing;
  #list = make('ol', 'list');
  #empty = make('p', 'note');
  #trouble = make('div', 'trouble');
  #older = make('button', 'older');

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [style, graphStyle];
    this.#list.setAttribute('role', 'list');
    this.#trouble.role = 'status';
    this.#older.setAttribute('type', 'button');
    this.#trouble.hidden = this.#empty.hidden = this.#older.hidden = true;
    this.#older.addEventListener('click', () => {
      this.#limit += FIRST * 2;
      this.#render();
    });
    root.append(this.#trouble, this.#empty, this.#list, this.#older);
  }

  connectedCallback() {
    for (const property of ['connection', 'words']) takeEarly(this, property);
    this.#list.ariaLabel = this.#words.list;
    this.#clock = setInterval(() => this.#render(), TICK); // "2 minutes ago" grows older
  }

  disconnectedCallback() {
    clearInterval(this.#clock);
  }

  /** Whose tasks are shown. @param {import('../module/connection.js').Connection | null} connection */
  set connection(connection) {
    this.#connection = connection;
    this.#tasks.clear();
    this.#rows.forEach((row) => row.element.remove());
    this.#rows.clear();
    this.#loaded = false;
    const signal = this.#loading.follow(connection);
    connection?.addEventListener('event', (said) => this.#hear(/** @type {CustomEvent} */ (said).detail), { signal });
  }

  get connection() {
    return this.#connection;
  }

  /** Words for another language; those not given stay English. @param {Partial<typeof TASK_WORDS>} words */
  set words(words) {
    this.#words = { ...TASK_WORDS, ...words };
  }

  /** @param {import('../module/event-filter.js').BellwireEvent} event */
  #hear(event) {
    const task = event.data?.task;
    if (!event.type.startsWith('bellwire.task.') || typeof task?.id !== 'string') return;
    if (task.parent) return; // the graph of its workflow's run tells of it
    for (const tasks of [this.#tasks, this.#meanwhile]) tasks?.set(task.id, fold(tasks.get(task.id), task));
    // A burst is drawn once.
    this.#drawing ??= setTimeout(() => this.#render(), 30);
  }

  /**
   * The whole list afresh; what was said while it was on its way is folded in.
   * @param {import('../module/connection.js').Connection} connection @param {AbortSignal} signal
   */
  async #load(connection, signal) {
    /** @type {Map<string, Task>} */
    const meanwhile = new Map();
    this.#meanwhile = meanwhile;
    try {
      const tasks = await connection.api.listTasks();
      if (!signal.aborted) this.#fill([...tasks.filter(({ parent }) => !parent), ...meanwhile.values()]);
    } finally {
      if (this.#meanwhile === meanwhile) this.#meanwhile = null;
    }
  }

  /** @param {Task[]} tasks */
  #fill(tasks) {
    this.#tasks.clear();
    for (const task of tasks) this.#tasks.set(task.id, fold(this.#tasks.get(task.id), task));
    this.#loaded = true;
    this.#say('');
    this.#render();
  }

  #render() {
    clearTimeout(this.#drawing);
    this.#drawing = undefined;
    const all = [...this.#tasks.values()].sort(newestFirst);
    for (const task of all.splice(MOST)) this.#tasks.delete(task.id);
    const shown = all.slice(0, this.#limit);
    const ids = new Set(shown.map((task) => task.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    shown.forEach((task, n) => this.#renderRow(task, n));
    this.#empty.hidden = !this.#loaded || all.length > 0;
    this.#empty.textContent = this.#words.empty;
    this.#older.hidden = all.length <= this.#limit;
    this.#older.textContent = this.#words.older(all.length - this.#limit);
  }

  /** @param {Task} task @param {number} place */
  #renderRow(task, place) {
    let row = this.#rows.get(task.id);
    if (!row) {
      row = new TaskRow({
        words: this.#words,
        connection: this.#connection,
        onCancel: (each) => this.#cancel(each),
        onError: (message) => this.#say(message),
      });
      this.#rows.set(task.id, row);
    }
    row.show(task);
    // Moved only where it stands elsewhere: moving an element takes the focus from it.
    const there = this.#list.children[place];
    if (there !== row.element) this.#list.insertBefore(row.element, there ?? null);
  }

  /** @param {Task} task */
  async #cancel(task) {
    try {
      await this.#connection?.api.cancelTask(task.id);
      this.#say('');
    } catch (error) {
      this.#say(this.#words.notCancelled(task.title, wordsOf(error)));
    }
  }

  /** @param {string} words @param {() => void} [again] */
  #say(words, again) {
    this.#trouble.replaceChildren(words);
    this.#trouble.hidden = !words;
    if (!again) return;
    const button = make('button', 'again');
    button.textContent = this.#words.again;
    button.addEventListener('click', again);
    this.#trouble.append(button);
  }
}

/** @param {Task} a @param {Task} b */
function newestFirst(a, b) {
  const [first, second] = [a.created ?? '', b.created ?? ''].map((instant) => Date.parse(instant) || 0);
  return second - first || (a.id < b.id ? 1 : -1);
}

customElements.define('bellwire-tasks', BellwireTasks);
