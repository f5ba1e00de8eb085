/** What a function is given, and what it returns. */

import { Cancelled, Permanent } from './errors.js';

/**
 * What the owner sees: plain text, and at most one link (`http(s)`, or a path of the page's own origin).
 * @typedef {{ title: string, body?: string, level?: 'info' | 'success' | 'warning' | 'error', action?: { label: string, href: string } }} Toast
 */
/**
 * The end of a run that had its effect: the task's result, as JSON, and the toast.
 * @typedef {{ output?: unknown, toast?: Toast }} Result
 */

/** One run of a task. Its `id` is the same in each attempt: an effect that carries it comes about once. */
export class Task {
  #stop = new AbortController();
  #storage;
  #told;
  #progress = 0;

  /**
   * @param {import('./job.js').Job} job
   * @param {{ environment: string, attempt: number, milliseconds: number, storage?: import('./storage.js').Storage, told: () => void }} run
   */
  constructor(job, { environment, attempt, milliseconds, storage, told }) {
    this.id = job.task;
    this.kind = job.kind;
    this.environment = environment;
    this.owner = job.owner;
    this.groups = job.groups;
    this.title = job.title;
    this.attempt = attempt;
    this.parent = job.parent;
    this.traceparent = job.traceparent;
    /** The time by which it must have ended. */
    this.deadline = new Date(Date.now() + milliseconds);
    /** The input as it was written: JavaScript rounds whole numbers beyond 2^53. */
    this.inputText = '';
    this.#storage = storage;
    this.#told = told;
  }

  /** Reports progress, from 0.0 to 1.0; as often as you like, it is told a few times a second. @param {number} part */
  progress(part) {
    this.#progress = Math.min(Math.max(Number(part) || 0, 0), 1);
    this.#told();
  }

  /** @internal */
  get reported() {
    return this.#progress;
  }

  /**
   * Aborted once the run shall leave no effect: its owner cancelled it, its time is over, or the worker stops. Give it to `fetch` and the like.
   * @returns {AbortSignal}
   */
  get signal() {
    return this.#stop.signal;
  }

  /** True once the run shall leave no effect. */
  get cancelled() {
    return this.#stop.signal.aborted;
  }

  /** Throws `Cancelled` once the run shall leave no effect. The last thing before a commit. */
  check() {
    this.#stop.signal.throwIfAborted();
  }

  /** @internal */
  stop() {
    this.#stop.abort(new Cancelled());
  }

  /** Where a file of the owner lies, `<id>/<name>`, as the upload answered. To read; it may not be there any more. @param {string} key */
  file(key) {
    if (!this.#storage) throw new Permanent('This worker has no storage.', { reason: 'storage' });
    return this.#storage.path(this.environment, this.owner, key);
  }
}
