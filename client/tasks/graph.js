/** A run's graph: its steps in rows, lines between them, and for those who do not see it a list in the same order. */

import { make } from '../element/dom.js';
import { layOut } from './graph-layout.js';
import { StepCard } from './step-card.js';

const SVG = 'http://www.w3.org/2000/svg';

/** @typedef {import('./steps.js').Step} Step */
/** @typedef {import('./graph-layout.js').Row} Row */

/** Changes in place as long as the steps are the same: nothing jumps, and the focus stays. */
export class Graph {
  element = make('div', 'graph');
  #list = make('div', 'steps');
  /** @type {Map<string, StepCard>} */
  #cards = new Map();
  /** The lines by the step that they come from. @type {Map<string, Element[]>} */
  #lines = new Map();
  /** What the rows were made for. */
  #made = '';
  #context;

  /** @param {import('./row.js').RowContext} context */
  constructor(context) {
    this.#context = context;
    // Rows are for the eye alone, so that the steps are one list to all others.
    this.#list.role = 'list';
    this.#list.ariaLabel = context.words.stepList;
    this.element.append(this.#list);
  }

  /** @param {Step[]} steps */
  show(steps) {
    const made = JSON.stringify(steps.map(({ id, needs }) => [id, needs]));
    if (made !== this.#made) this.#build(steps);
    this.#made = made;
    const titles = new Map(steps.map(({ id, title }) => [id, title]));
    for (const step of steps) {
      this.#cards.get(step.id)?.show(step, step.needs.flatMap((need) => titles.get(need) ?? []));
      for (const line of this.#lines.get(step.id) ?? []) line.setAttribute('data-state', step.state);
    }
  }

  /** @param {Step[]} steps */
  #build(steps) {
    this.#lines.clear();
    const cards = new Map(steps.map(({ id }) => [id, this.#cards.get(id) ?? new StepCard(this.#context)]));
    this.#cards = cards;
    const rows = layOut(steps);
    const widest = Math.max(1, ...rows.map(({ slots }) => slots.filter(({ passes }) => !passes).length));
    this.#list.style.setProperty('--widest', String(widest));
    this.#list.replaceChildren(...rows.flatMap((row) => [...this.#linesOf(row), this.#row(row)]));
  }

  /** @param {Row} row */
  #row({ slots }) {
    const element = make('div', 'rank');
    for (const { id, passes, weight } of slots) {
      const slot = passes ? this.#pass(id) : /** @type {StepCard} */ (this.#cards.get(id)).element;
      slot.style.flexGrow = String(weight);
      element.append(slot);
    }
    return element;
  }

  /** @param {string} id */
  #pass(id) {
    const slot = make('div', 'pass');
    slot.ariaHidden = 'true';
    this.#remember(id, slot);
    return slot;
  }

  /** The lines that lead to a row, in a box that is stretched as wide as the row. @param {Row} row */
  #linesOf({ lines }) {
    if (lines.length === 0) return [];
    const svg = document.createElementNS(SVG, 'svg');
    svg.classList.add('lines');
    svg.setAttribute('viewBox', '0 0 100 100');
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    for (const { from, to, of } of lines) {
      const path = document.createElementNS(SVG, 'path');
      const [a, b] = [from * 100, to * 100].map((x) => x.toFixed(2));
      path.setAttribute('d', `M${a} 0C${a} 60 ${b} 40 ${b} 100`);
      svg.append(path);
      this.#remember(of, path);
    }
    return [svg];
  }

  /** @param {string} id @param {Element} line */
  #remember(id, line) {
    const lines = this.#lines.get(id) ?? [];
    lines.push(line);
    this.#lines.set(id, lines);
  }
}
