/** `<bellwire-schedules>`: what starts by itself for the user, asked for now and then, since no event tells of it. */

import { errorMessage, make } from '../element/dom.js';
import { GatewayElement } from '../element/gateway-element.js';
import { Notice } from '../element/notice.js';
import { baseStyle } from '../element/style.js';
import { ApiError } from '../module/api.js';
import { ListLoader } from '../module/list-loader.js';
import { SCHEDULE_LABELS } from './labels.js';
import { ScheduleRow } from './row.js';
import { style } from './style.js';

/** @import { Connection } from '../module/connection.js' */
/** @import { Schedule, ScheduleAction } from '../module/api.js' */

const REFRESH_INTERVAL = 15_000;

/**
 * Set its `connection`; set `words` for another language. It has the attribute `data-empty` while it shows nothing, so
 * that a page can hide what contains it.
 * @extends {GatewayElement<typeof SCHEDULE_LABELS>}
 */
export class BellwireSchedules extends GatewayElement {
  #loader = new ListLoader((connection, signal) => this.#load(connection, signal), (error) => this.#loadFailed(error), { reloadWhenLive: true });
  /** @type {Schedule[]} */
  #schedules = [];
  /** @type {Map<string, ScheduleRow>} */
  #rows = new Map();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  #list = make('ol', 'list');
  #empty = make('p', 'note');
  #notice = new Notice();

  constructor() {
    super(SCHEDULE_LABELS, baseStyle, style);
    this.#list.setAttribute('role', 'list');
    this.root.append(this.#notice.element, this.#empty, this.#list);
  }

  connectedCallback() {
    super.connectedCallback();
    this.#list.ariaLabel = this.labels.list;
    // Nobody looks at a hidden tab, and without one there is nothing to ask again for.
    this.#clock = setInterval(() => {
      if (!document.hidden && this.#schedules.length > 0) this.#loader.reload();
    }, REFRESH_INTERVAL);
    this.#render();
  }

  disconnectedCallback() {
    clearInterval(this.#clock);
  }

  /** @protected @param {Connection | null} connection */
  connectionChanged(connection) {
    this.#schedules = [];
    this.#notice.clear();
    this.#render();
    this.#loader.setConnection(connection);
  }

  /** @param {Connection} connection @param {AbortSignal} signal */
  async #load(connection, signal) {
    const schedules = await connection.api.schedules();
    if (signal.aborted) return;
    this.#schedules = schedules;
    this.#notice.clear();
    this.#render();
  }

  /** @param {unknown} error */
  #loadFailed(error) {
    // A gateway of before has no such list.
    if (error instanceof ApiError && error.status === 404) return;
    this.#notice.show(`${this.labels.unloaded}: ${errorMessage(error)}`, { label: this.labels.again, onClick: () => this.#loader.reload() });
    this.#render();
  }

  #render() {
    const keys = new Set(this.#schedules.map(keyOf));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      this.#rows.delete(key);
      row.element.remove();
    }
    for (const schedule of this.#schedules) {
      const row = this.#rows.get(keyOf(schedule));
      if (row) row.update(schedule);
      else this.#add(schedule);
    }
    this.#empty.textContent = this.labels.empty;
    this.#empty.hidden = this.#schedules.length > 0;
    this.toggleAttribute('data-empty', this.#schedules.length === 0 && Boolean(this.#notice.element.hidden));
  }

  /** @param {Schedule} schedule */
  #add(schedule) {
    const row = new ScheduleRow(schedule, this.labels, (...action) => this.#act(...action));
    this.#rows.set(keyOf(schedule), row);
    this.#list.append(row.element);
  }

  /** @param {Schedule} schedule @param {ScheduleAction} action */
  async #act(schedule, action) {
    await this.connection?.api.changeSchedule(schedule, action);
    await this.#loader.reload();
  }
}

/** @param {Schedule} schedule */
function keyOf({ kind, name }) {
  return `${kind}/${name}`;
}

customElements.define('bellwire-schedules', BellwireSchedules);
