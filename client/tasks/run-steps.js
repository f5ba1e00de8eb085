/** A workflow's run within its row: how many steps are through, and on demand the graph of them. */

import { make, setText } from '../element/dom.js';
import { Graph } from './graph.js';
import { doneOf, readSteps } from './steps.js';
import { icon } from '../element/icon.js';

let count = 0;

/** There from the start, hidden as long as the task has no steps. */
export class TaskSteps {
  button = /** @type {HTMLButtonElement} */ (make('button', 'toggle'));
  graph;
  #graph;
  #words = make('span', 'toggle-words');
  /** @type {import('./steps.js').Step[]} */
  #steps = [];
  #context;

  /** @param {import('./row.js').RowContext} context @param {string} title the id of the element that names the task */
  constructor(context, title) {
    this.#context = context;
    this.#graph = new Graph(context);
    this.graph = this.#graph.element;
    this.graph.id = `graph-${++count}`;
    this.graph.role = 'group';
    this.graph.tabIndex = 0; // it may be wider than the screen, and is then moved by the keys
    this.graph.setAttribute('aria-labelledby', title);
    this.button.type = 'button';
    this.button.setAttribute('aria-controls', this.graph.id);
    this.button.append(this.#words, icon('open'));
    this.button.addEventListener('click', () => this.#toggle());
    this.button.hidden = this.graph.hidden = true;
    this.button.ariaExpanded = 'false';
  }

  /** @param {import('../module/task.js').Task} task */
  show(task) {
    this.#steps = readSteps(task);
    this.button.hidden = this.#steps.length === 0;
    setText(this.#words, this.#context.words.steps(doneOf(this.#steps), this.#steps.length));
    this.#draw();
  }

  #toggle() {
    this.button.ariaExpanded = String(this.button.ariaExpanded !== 'true');
    this.#draw();
  }

  /** Only what is open costs anything. */
  #draw() {
    const open = this.button.ariaExpanded === 'true' && this.#steps.length > 0;
    if (open) this.#graph.show(this.#steps);
    this.graph.hidden = !open;
  }
}
