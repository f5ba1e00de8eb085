/** The events of a task, as CloudEvents: what is told, and in which words. */

import { TooLarge } from './errors.js';
import { shape, written } from './json-text.js';
import { RETRY_STEPS } from './names.js';
import { href } from './storage.js';

/** Why a task failed: one word for programs, a message for people. @typedef {{ reason: string, message: string }} Failure */
/** An event, ready to be published. @typedef {{ id: string, body: Buffer }} Event */
/** @typedef {Record<string, any>} Fields */

export const CONTENT_TYPE = 'application/cloudevents+json';
/** A task without an event for longer has lost its worker. */
const LOST_AFTER = 90_000;
const MOST = { bytes: 64 << 10, memory: 1 << 20, depth: 127, title: 180, toastTitle: 200, message: 2000, href: 2000, summary: 8 << 10, trace: 256 };
/** Seconds between two events of a task whose time has not come. */
const STILL_QUEUED = 6 * 3600;
const LEVELS = ['info', 'success', 'warning', 'error'];

/** Makes the events of one attempt at one job. */
export class TaskEvents {
  #job;
  #attempt;
  #log;
  #title;
  #sequence = 0;

  /** @param {import('./job.js').Job} job @param {number} attempt @param {import('./log.js').Log} log */
  constructor(job, attempt, log) {
    this.#job = job;
    this.#attempt = attempt;
    this.#log = log;
    this.#title = shortened(job.title, MOST.title);
  }

  /** That the task has started. */
  started() {
    return this.#event('started', `${this.#attempt}.started`, this.#task('running', { next_by: soon() }));
  }

  /** How far it is, or that it still runs. @param {number} part */
  progressed(part) {
    const task = this.#task('running', { progress: part, next_by: soon() });
    return this.#event(part > 0 ? 'progressed' : 'started', `${this.#attempt}.${task.sequence}`, task);
  }

  /** That it waits for another attempt, and why. It sorts before all events of that. @param {Failure} error */
  queued(error) {
    const attempt = this.#attempt + 1;
    return this.#event('queued', `${attempt}.queued`, this.#task('queued', { attempt, sequence: 0, error: shown(error) }));
  }

  /** That it waits still, now and then: lists go as far back as the log. @returns {Event | undefined} */
  stillQueued() {
    const age = Number((BigInt(Date.now()) * 1_000_000n - this.#job.nanoseconds) / 1_000_000_000n);
    const period = Math.floor(age / STILL_QUEUED);
    // It comes here at least once in the longest step of a delay.
    if (period <= 0 || age % STILL_QUEUED > RETRY_STEPS[RETRY_STEPS.length - 1]) return undefined;
    // Without what the broker counts: that is lost as it waits on.
    const attempt = this.#job.attempts === 0 ? 0 : this.#job.attempts + 1;
    return this.#event('queued', `${attempt}.queued.${period}`, this.#task('queued', { attempt, not_before: this.#job.notBefore }));
  }

  /**
   * That its effect is there; throws `TooLarge`, or another error for a result that is no JSON.
   * @param {import('./task.js').Result} result
   */
  succeeded({ output, toast }) {
    const task = this.#task('succeeded', { progress: 1, result: output ?? null });
    return this.#event('succeeded', 'succeeded', task, this.#toast(toast ?? { title: `${this.#title} succeeded` }));
  }

  /** That it is given up. @param {Failure} failure */
  failed(failure) {
    const error = shown(failure);
    return this.#event('failed', 'failed', this.#task('failed', { error }), { level: 'error', title: `${this.#title} failed`, body: error.message });
  }

  /** That it was cancelled, and left no effect. */
  cancelled() {
    return this.#event('cancelled', 'cancelled', this.#task('cancelled', {}));
  }

  /** @param {string} state @param {Fields} more @returns {Fields} */
  #task(state, more) {
    const { task: id, kind, owner, created, parent } = this.#job;
    return {
      id, kind, title: this.#title, state, progress: 0, attempt: this.#attempt, sequence: this.#nextSequence(), owner, created,
      updated: new Date().toISOString(), parent, ...more,
    };
  }

  /** Rises, and with time: a run after a requeue that the broker did not count goes on from here. */
  #nextSequence() {
    const tenths = Number((BigInt(Date.now()) * 1_000_000n - this.#job.nanoseconds) / 100_000_000n);
    return (this.#sequence = Math.min(Math.max(tenths, 0, this.#sequence + 1), 2 ** 32 - 1));
  }

  /** @param {string} kind @param {string} suffix @param {Fields} task @param {Fields} [toast] @returns {Event} */
  #event(kind, suffix, task, toast) {
    const job = this.#job;
    // The same in each attempt, so that the end is shown once.
    const id = `${job.task}.${suffix}`;
    const text = written({
      specversion: '1.0', id, source: `/functions/${job.kind}`, type: `bellwire.task.${kind}`, subject: `task/${job.task}`, time: task.updated,
      datacontenttype: 'application/json', audience: `user:${job.owner}`,
      traceparent: job.traceparent !== undefined && job.traceparent.length <= MOST.trace ? job.traceparent : undefined,
      // The end of a step is for its workflow, which has a toast of its own.
      data: { task, toast: job.parent === undefined ? toast : undefined },
    });
    const body = Buffer.from(text);
    const { memory, depth } = body.length > MOST.bytes ? { memory: 0, depth: 0 } : shape(text);
    if (body.length > MOST.bytes || memory > MOST.memory || depth > MOST.depth) {
      throw new TooLarge(`the event has ${body.length} bytes, or too many values`);
    }
    return { id, body };
  }

  /**
   * The toast within what gateways take: a toast that breaks a rule would cost the whole event.
   * @param {import('./task.js').Toast} toast
   */
  #toast({ level = 'success', title, body, action }) {
    const text = shortened(String(title ?? ''), MOST.toastTitle);
    const isSafe = !action || isSafeHref(action.href);
    if (!isSafe) this.#log.error("the link of a toast is left out: it must be http(s) or a path that begins with one '/'");
    return {
      level: LEVELS.includes(level) ? level : 'info',
      title: text.trim() ? text : `${this.#title} succeeded`,
      body: body === undefined || body === null ? undefined : shortened(String(body), MOST.message),
      action: action && isSafe ? { label: shortened(String(action.label ?? '').trim() || 'Open', MOST.toastTitle), href: action.href } : undefined,
    };
  }
}

/**
 * What stands in the event for a result that was stored: its small fields, its key, and a link.
 * @param {any} output @param {string} key @param {number} bytes
 */
export function summary(output, key, bytes) {
  let left = MOST.summary;
  /** @type {Fields} */
  const short = {};
  const isObject = output !== null && typeof output === 'object' && !Array.isArray(output);
  for (const [name, value] of isObject ? Object.entries(JSON.parse(written(output))) : []) {
    const size = Buffer.byteLength(name) + Buffer.byteLength(written(value));
    if ((typeof value === 'object' && value !== null) || size > left) continue;
    left -= size;
    short[name] = value;
  }
  return { ...short, ...(!Object.hasOwn(short, 'href') && { href: href(key), bytes }), stored: key };
}

/** A text of at most so many letters. @param {string} text @param {number} most */
export function shortened(text, most) {
  const letters = text.length > most ? [...text] : [];
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : text;
}

const soon = () => new Date(Date.now() + LOST_AFTER).toISOString();

/** @param {Failure} failure */
const shown = ({ reason, message }) => ({ reason, message: shortened(message, MOST.message) });

/** @param {unknown} link */
function isSafeHref(link) {
  if (typeof link !== 'string' || Buffer.byteLength(link) > MOST.href || /[\\\p{Cc}]/u.test(link)) return false;
  if (link.startsWith('/')) return !link.startsWith('//');
  return !/^\s/.test(link) && URL.canParse(link) && /^https?:$/.test(new URL(link).protocol) && new URL(link).hostname !== '';
}
