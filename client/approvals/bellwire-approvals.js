/** `<bellwire-approvals>`: the approvals that wait for the user, kept up to date by events. */

import { errorMessage, make } from '../element/dom.js';
import { GatewayElement } from '../element/gateway-element.js';
import { Notice } from '../element/notice.js';
import { baseStyle } from '../element/style.js';
import { ApiError } from '../module/api.js';
import { approvalOf, ClosedApprovals, decisionOf, readApproval, stepKey } from '../module/approval.js';
import { ListLoader } from '../module/list-loader.js';
import { APPROVAL_LABELS } from './labels.js';
import { ApprovalRow } from './row.js';
import { style } from './style.js';

/** @import { Approval, Decision, StepRef } from '../module/approval.js' */
/** @import { Connection } from '../module/connection.js' */
/** @import { BellwireEvent } from '../module/event.js' */
/** @import { Filled } from './row.js' */

/** The most approvals that are kept. */
const MAX_APPROVALS = 200;
const REFRESH_INTERVAL = 15_000;

/**
 * Set its `connection`; set `words` for another language. It has the attribute `data-empty` while it shows nothing, so
 * that a page can hide what contains it.
 * @extends {GatewayElement<typeof APPROVAL_LABELS>}
 */
export class BellwireApprovals extends GatewayElement {
  #loader = new ListLoader((connection, signal) => this.#load(connection, signal), (error) => this.#loadFailed(error));
  /** @type {Map<string, Approval>} */
  #approvals = new Map();
  /** @type {Map<string, ApprovalRow>} */
  #rows = new Map();
  /** Approvals that events asked for during a load. @type {Approval[] | null} */
  #duringLoad = null;
  /** A list may be late, from a pod that has not yet read the decision. */
  #closed = new ClosedApprovals();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #clock;
  #list = make('ol', 'list');
  #empty = make('p', 'note');
  #notice = new Notice();

  constructor() {
    super(APPROVAL_LABELS, baseStyle, style);
    this.#list.setAttribute('role', 'list');
    this.root.append(this.#notice.element, this.#empty, this.#list);
  }

  connectedCallback() {
    super.connectedCallback();
    this.#list.ariaLabel = this.labels.list;
    this.#clock = setInterval(() => this.#render(), REFRESH_INTERVAL); // for "2 minutes ago"
    this.#render();
  }

  disconnectedCallback() {
    clearInterval(this.#clock);
  }

  /** @protected @param {Connection | null} connection */
  connectionChanged(connection) {
    this.#approvals.clear();
    this.#closed.clear();
    this.#notice.clear();
    this.#render();
    const signal = this.#loader.setConnection(connection);
    connection?.addEventListener('event', ({ detail }) => this.#handle(detail), { signal });
  }

  /** @param {BellwireEvent} event */
  #handle(event) {
    this.#closed.update(event);
    const approval = approvalOf(event);
    if (approval) {
      this.#duringLoad?.push(approval);
      this.#add(approval);
    }
    const decided = decisionOf(event);
    const waiting = decided && this.#approvals.get(stepKey(decided));
    // Of several who must approve one has: the list says who, and whether it was oneself.
    if (waiting && !this.#closed.has(waiting)) this.#loader.reload();
    const closed = [...this.#approvals.values()].filter((each) => this.#closed.has(each));
    for (const each of closed) this.#approvals.delete(stepKey(each));
    if (approval || closed.length > 0) this.#render();
  }

  /** @param {Approval} approval */
  #add(approval) {
    const key = stepKey(approval);
    // Asked again, it keeps the time at which it was asked first.
    this.#closed.count(approval);
    if (this.#approvals.has(key) || this.#approvals.size >= MAX_APPROVALS || this.#closed.has(approval)) return;
    this.#approvals.set(key, approval);
  }

  /** @param {Connection} connection @param {AbortSignal} signal */
  async #load(connection, signal) {
    /** @type {Approval[]} */
    const duringLoad = (this.#duringLoad = []);
    try {
      const { approvals, cursor } = await connection.api.readApprovals();
      const listed = approvals.flatMap((each) => readApproval(each) ?? []);
      if (signal.aborted) return;
      this.#approvals.clear();
      for (const approval of [...listed, ...duringLoad]) this.#add(approval);
      this.#notice.clear();
      this.#render();
      return cursor;
    } finally {
      if (this.#duringLoad === duringLoad) this.#duringLoad = null;
    }
  }

  /** @param {unknown} error */
  #loadFailed(error) {
    // A gateway without workflows has no such list.
    if (error instanceof ApiError && error.status === 404) return;
    const retry = { label: this.labels.again, onClick: () => this.#loader.reload() };
    this.#notice.show(`${this.labels.unloaded}: ${errorMessage(error)}`, retry);
    this.#render();
  }

  #render() {
    for (const [key, row] of this.#rows) if (!this.#approvals.has(key)) this.#remove(key, row);
    for (const [key, approval] of this.#approvals) {
      let row = this.#rows.get(key);
      if (!row) {
        const { labels, connection } = this;
        row = new ApprovalRow(approval, { labels, connection, decide: (...decision) => this.#decide(...decision) });
        this.#rows.set(key, row);
        this.#list.append(row.element);
      }
      row.update(approval);
    }
    this.#empty.textContent = this.labels.empty;
    this.#empty.hidden = this.#approvals.size > 0;
    this.toggleAttribute('data-empty', this.#approvals.size === 0 && Boolean(this.#notice.element.hidden));
  }

  /** Goes to an approval; false if it is not there. @param {string} key as `stepKey` makes it */
  open(key) {
    const row = this.#rows.get(key)?.element;
    row?.scrollIntoView({ block: 'center' });
    row?.focus();
    return row !== undefined;
  }

  /** Removes a row; the focus in it moves to its neighbour. @param {string} key @param {ApprovalRow} row */
  #remove(key, { element }) {
    const hadFocus = element.contains(this.root.activeElement);
    const next = element.nextElementSibling ?? element.previousElementSibling;
    this.#rows.delete(key);
    element.remove();
    if (hadFocus && next instanceof HTMLElement) next.focus();
  }

  /** @param {Approval} approval @param {Decision} decision @param {Filled} filled */
  async #decide(approval, decision, { comment, answer }) {
    try {
      await this.connection?.api.decide(approval.task, approval.step, decision, comment, approval.digest, answer);
      this.#closed.add(approval);
      this.#notice.clear();
    } catch (error) {
      if (!(error instanceof ApiError && error.isFinal)) throw error;
      // Another attempt would be refused again: remove the approval and show why.
      if (error.status !== 404) this.#closed.add(approval);
      this.#notice.show(this.labels.refused(approval.question, error.message));
    }
    this.#approvals.delete(stepKey(approval));
    this.#render();
  }
}

customElements.define('bellwire-approvals', BellwireApprovals);
