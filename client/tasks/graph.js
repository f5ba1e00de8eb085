/** The graph of a run: steps in rows with lines between them, and a list in the same order for screen readers. */

import { make } from '../element/dom.js';
import { layoutGraph } from './graph-layout.js';
import { StepCard } from './step-card.js';

const SVG = 'http://www.w3.org/2000/svg';

/** @import { Row } from './graph-layout.js' */
/** @import { StepContext } from './step-card.js' */
/** @import { Step } from './steps.js' */

/** Updated in place as long as its steps are the same, so that nothing moves and the focus stays. */
export class Graph {
  element = make('div', 'graph');
  #list = make('div', 'steps');
  /** @type {Map<string, StepCard>} */
  #cards = new Map();
  /** Lines by the id of the step that they start from. @type {Map<string, Element[]>} */
  #lines = new Map();
  /** The steps that the rows show, as JSON. */
  #shown = '';
  #context;

  /** @param {StepContext} context */
  constructor(context) {
    this.#context = context;
    // Rows are visual only: to screen readers the steps are one list.
    this.#list.role = 'list';
    this.#list.ariaLabel = context.labels.stepList;
    this.element.append(this.#list);
  }

  /** @param {Step[]} steps */
  update(steps) {
    const shown = JSON.stringify(steps.map(({ id, needs }) => [id, needs]));
    if (shown !== this.#shown) this.#build(steps);
    this.#shown = shown;
    const titles = new Map(steps.map(({ id, title }) => [id, title]));
    for (const step of steps) {
      this.#cards.get(step.id)?.update(step, step.needs.flatMap((need) => titles.get(need) ?? []));
      for (const line of this.#lines.get(step.id) ?? []) line.setAttribute('data-state', step.state);
    }
  }

  /** @param {Step[]} steps */
  #build(steps) {
    this.#lines.clear();
    const cards = new Map(steps.map(({ id }) => [id, this.#cards.get(id) ?? new StepCard(this.#context)]));
    this.#cards = cards;
    const rows = layoutGraph(steps);
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
    this.#addLine(id, slot);
    return slot;
  }

  /** The lines into a row, in a box that is stretched to the row's width. @param {Row} row */
  #linesOf({ lines }) {
    if (lines.length === 0) return [];
    const svg = document.createElementNS(SVG, 'svg');
    svg.classList.add('lines');
    svg.setAttribute('viewBox', '0 0 100 100');
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    for (const { from, to, source } of lines) {
      const path = document.createElementNS(SVG, 'path');
      const [a, b] = [from * 100, to * 100].map((x) => x.toFixed(2));
      path.setAttribute('d', `M${a} 0C${a} 60 ${b} 40 ${b} 100`);
      svg.append(path);
      this.#addLine(source, path);
    }
    return [svg];
  }

  /** @param {string} id @param {Element} line */
  #addLine(id, line) {
    const lines = this.#lines.get(id) ?? [];
    lines.push(line);
    this.#lines.set(id, lines);
  }
}
