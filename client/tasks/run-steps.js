/** The steps of a workflow's run in its row: their number, and on demand their graph. */

import { make, makeButton, setText } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { Graph } from './graph.js';
import { countSteps, readSteps } from './steps.js';

/** @import { Task } from '../module/task.js' */
/** @import { StepContext } from './step-card.js' */
/** @import { Step } from './steps.js' */

let count = 0;

/** Hidden while the task has no steps. */
export class RunSteps {
  button = makeButton('toggle', '', () => this.#toggle());
  graph;
  #graph;
  #text = make('span', 'toggle-words');
  /** @type {Step[]} */
  #steps = [];
  #context;

  /** @param {StepContext} context @param {string} title the id of the element that names the task */
  constructor(context, title) {
    this.#context = context;
    this.#graph = new Graph(context);
    this.graph = this.#graph.element;
    this.graph.id = `graph-${++count}`;
    this.graph.role = 'group';
    this.graph.tabIndex = 0; // a wide graph is scrolled by keyboard
    this.graph.setAttribute('aria-labelledby', title);
    this.button.setAttribute('aria-controls', this.graph.id);
    this.button.append(this.#text, icon('open'));
    this.button.hidden = this.graph.hidden = true;
    this.button.ariaExpanded = 'false';
  }

  /** @param {Task} task */
  update(task) {
    this.#steps = readSteps(task);
    this.button.hidden = this.#steps.length === 0;
    setText(this.#text, this.#context.labels.steps(countSteps(this.#steps)));
    this.#updateGraph();
  }

  #toggle() {
    this.button.ariaExpanded = String(this.button.ariaExpanded !== 'true');
    this.#updateGraph();
  }

  #updateGraph() {
    const open = this.button.ariaExpanded === 'true' && this.#steps.length > 0;
    if (open) this.#graph.update(this.#steps);
    this.graph.hidden = !open;
  }
}
