/** `<bellwire-start>`: what the user can start, each with the form that its worker describes. */

import { errorMessage, make } from '../element/dom.js';
import { GatewayElement } from '../element/gateway-element.js';
import { icon } from '../element/icon.js';
import { Notice } from '../element/notice.js';
import { baseStyle } from '../element/style.js';
import { ApiError } from '../module/api.js';
import { ListLoader } from '../module/list-loader.js';
import { StartForm } from './form.js';
import { START_LABELS } from './labels.js';
import { style } from './style.js';

/** @import { FunctionDescription, Offer } from '../module/api.js' */
/** @import { Connection } from '../module/connection.js' */
/** @import { Task } from '../module/task.js' */

/** Milliseconds before an empty list is loaded again: a worker may be starting. */
const EMPTY_RELOAD_DELAY = 10_000;

/**
 * Set its `connection`; set `words` for another language. The attribute `kind` limits it to one kind.
 * Fires `started` with the task as its `detail`.
 * @extends {GatewayElement<typeof START_LABELS>}
 */
export class BellwireStart extends GatewayElement {
  #loader = new ListLoader((connection, signal) => this.#load(connection, signal), (error) => this.#loadFailed(error), { reloadWhenLive: true });
  /** The shown offers by their JSON: an unchanged one keeps what is written into its form. @type {Map<string, HTMLElement>} */
  #offers = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reloadTimer;
  #started = make('p', 'said');
  #notice = new Notice();
  #empty = make('p', 'note');
  #list = make('div', 'offers');

  constructor() {
    super(START_LABELS, baseStyle, style);
    this.#started.role = 'status';
    this.#started.hidden = this.#empty.hidden = true;
    this.root.append(this.#started, this.#notice.element, this.#empty, this.#list);
  }

  disconnectedCallback() {
    clearTimeout(this.#reloadTimer);
  }

  /** @protected @param {Connection | null} connection */
  connectionChanged(connection) {
    clearTimeout(this.#reloadTimer);
    this.#offers.clear();
    this.#list.replaceChildren();
    this.#notice.clear();
    this.#empty.hidden = this.#started.hidden = true;
    this.#loader.setConnection(connection);
  }

  /** @param {Connection} connection @param {AbortSignal} signal */
  async #load(connection, signal) {
    const functions = await connection.api.functions();
    if (signal.aborted) return;
    this.#notice.clear();
    const only = this.getAttribute('kind');
    this.#show(functions.filter(({ kind, offers }) => offers?.length && (!only || kind === only)));
  }

  /** @param {FunctionDescription[]} functions */
  #show(functions) {
    /** @type {Map<string, HTMLElement>} */
    const shown = new Map();
    const elements = functions.flatMap(({ kind, title, offers = [] }) => {
      const heading = make('h3', 'group');
      heading.textContent = title || kind;
      const list = offers.map((offer) => {
        const key = JSON.stringify([kind, offer]);
        const element = this.#offers.get(key) ?? this.#offerElement(kind, offer);
        shown.set(key, element);
        return element;
      });
      return [heading, ...list];
    });
    // Replaced only if something differs: moving an element takes the focus from it.
    const same = shown.size === this.#offers.size && [...shown.keys()].every((key) => this.#offers.has(key));
    if (!same) this.#list.replaceChildren(...elements);
    this.#offers = shown;
    this.#empty.textContent = this.labels.empty;
    this.#empty.hidden = shown.size > 0;
    clearTimeout(this.#reloadTimer);
    if (shown.size === 0 && this.isConnected) this.#reloadTimer = setTimeout(() => this.#loader.reload(), EMPTY_RELOAD_DELAY);
  }

  /** One offer; its form is made when it is opened first. @param {string} kind @param {Offer} offer */
  #offerElement(kind, offer) {
    const element = make('details', 'offer');
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
    const addForm = () => {
      const form = new StartForm({
        kind,
        offer,
        labels: this.labels,
        connection: () => this.connection,
        onStarted: (task) => this.#onStarted(task, element, offer),
      });
      element.append(form.element);
    };
    element.addEventListener('toggle', addForm, { once: true });
    element.addEventListener('toggle', () => element.open && (this.#started.hidden = true));
    return element;
  }

  /** @param {Task} task @param {HTMLDetailsElement} element @param {Offer} offer */
  #onStarted(task, element, offer) {
    element.open = false;
    element.querySelector('summary')?.focus();
    this.#started.textContent = this.labels.started(offer.title || offer.name);
    this.#started.hidden = false;
    this.dispatchEvent(new CustomEvent('started', { detail: task }));
  }

  /** @param {unknown} error */
  #loadFailed(error) {
    // A gateway that describes no functions has nothing to start.
    if (error instanceof ApiError && error.status === 404) return this.#show([]);
    const retry = { label: this.labels.again, onClick: () => this.#loader.reload() };
    this.#notice.show(`${this.labels.unloaded}: ${errorMessage(error)}`, retry);
  }
}

customElements.define('bellwire-start', BellwireStart);
