/** `<bellwire-start>`: what can be started, each with the form that its worker describes. */

import { ApiError } from '../module/api.js';
import { make, takeEarly, wordsOf } from '../element/dom.js';
import { icon } from '../element/icon.js';
import { Loading } from '../element/list-loader.js';
import { StartForm } from './form.js';
import { style } from './style.js';
import { START_WORDS } from './labels.js';

/** While nothing is offered, a worker may just be starting. */
const LOOK_AGAIN = 10_000;

/** @typedef {import('./input.js').Offer} Offer */

/**
 * Set its `connection`. `words` may be set for another language. Attribute: `kind` shows those of one kind alone.
 * Fires `started` with the task as its `detail`.
 */
export class BellwireStart extends HTMLElement {
  #words = START_WORDS;
  /** @type {import('../module/connection.js').Connection | null} */
  #connection = null;
  #loading = new Loading((connection, signal) => this.#load(connection, signal), (error) => this.#unloaded(error), { eachTime: true });
  /** What is shown, each by all that was said of it: what is the same stays, with what somebody writes into it. @type {Map<string, HTMLElement>} */
  #offers = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #again;
  #said = make('p', 'said');
  #trouble = make('div', 'trouble');
  #note = make('p', 'note');
  #list = make('div', 'offers');

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [style];
    this.#said.role = this.#trouble.role = 'status';
    this.#said.hidden = this.#trouble.hidden = this.#note.hidden = true;
    root.append(this.#said, this.#trouble, this.#note, this.#list);
  }

  connectedCallback() {
    for (const property of ['connection', 'words']) takeEarly(this, property);
  }

  disconnectedCallback() {
    clearTimeout(this.#again);
  }

  /** Who starts it. @param {import('../module/connection.js').Connection | null} connection */
  set connection(connection) {
    clearTimeout(this.#again);
    this.#connection = connection;
    this.#offers.clear();
    this.#list.replaceChildren();
    this.#note.hidden = this.#said.hidden = this.#trouble.hidden = true;
    this.#loading.follow(connection);
  }

  get connection() {
    return this.#connection;
  }

  /** Words for another language; those not given stay English. @param {Partial<typeof START_WORDS>} words */
  set words(words) {
    this.#words = { ...START_WORDS, ...words };
  }

  /** @param {import('../module/connection.js').Connection} connection @param {AbortSignal} signal */
  async #load(connection, signal) {
    const functions = await connection.api.functions();
    if (signal.aborted) return;
    this.#trouble.hidden = true;
    const only = this.getAttribute('kind');
    this.#show(functions.filter(({ kind, offers }) => offers?.length && (!only || kind === only)));
  }

  /** @param {import('./input.js').Described[]} functions those with something to fill in */
  #show(functions) {
    /** @type {Map<string, HTMLElement>} */
    const shown = new Map();
    const elements = functions.flatMap(({ kind, title, offers = [] }) => {
      const heading = make('h3', 'group');
      heading.textContent = title || kind;
      const list = offers.map((offer) => {
        const said = JSON.stringify([kind, offer]);
        const element = this.#offers.get(said) ?? this.#offer(kind, offer);
        shown.set(said, element);
        return element;
      });
      return [heading, ...list];
    });
    // Put back only where something is different: moving an element takes the focus from it.
    const same = shown.size === this.#offers.size && [...shown.keys()].every((said) => this.#offers.has(said));
    if (!same) this.#list.replaceChildren(...elements);
    this.#offers = shown;
    this.#note.textContent = this.#words.empty;
    this.#note.hidden = shown.size > 0;
    clearTimeout(this.#again);
    if (shown.size === 0 && this.isConnected) this.#again = setTimeout(() => this.#loading.reload(), LOOK_AGAIN);
  }

  /** One offer, its form made when it is opened first. @param {string} kind @param {Offer} offer */
  #offer(kind, offer) {
    const element = /** @type {HTMLDetailsElement} */ (make('details', 'offer'));
    element.name = 'offer'; // one of them is open at a time
    element.setAttribute('part', 'offer');
    const [summary, name] = [make('summary', 'summary'), make('span', 'name')];
    name.textContent = offer.title || offer.name;
    summary.append(name, icon('open'));
    element.append(summary);
    if (offer.description) {
      const about = make('p', 'about');
      about.textContent = offer.description;
      element.append(about);
    }
    const fill = () => {
      const form = new StartForm({
        kind,
        offer,
        words: this.#words,
        connection: () => this.#connection,
        onStarted: (task) => this.#started(task, element, offer),
      });
      element.append(form.element);
    };
    element.addEventListener('toggle', fill, { once: true });
    element.addEventListener('toggle', () => element.open && (this.#said.hidden = true));
    return element;
  }

  /** @param {import('../module/task.js').Task} task @param {HTMLDetailsElement} element @param {Offer} offer */
  #started(task, element, offer) {
    element.open = false;
    element.querySelector('summary')?.focus();
    this.#said.textContent = this.#words.started(offer.title || offer.name);
    this.#said.hidden = false;
    this.dispatchEvent(new CustomEvent('started', { detail: task }));
  }

  /** @param {unknown} error */
  #unloaded(error) {
    // A gateway that describes no functions has nothing to start by form.
    if (error instanceof ApiError && error.status === 404) return this.#show([]);
    const again = make('button', 'again');
    again.textContent = this.#words.again;
    again.addEventListener('click', () => this.#loading.reload());
    this.#trouble.replaceChildren(`${this.#words.unloaded}: ${wordsOf(error)}`, again);
    this.#trouble.hidden = false;
  }
}

customElements.define('bellwire-start', BellwireStart);
