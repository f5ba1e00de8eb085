/** The gateway's HTTP API. Every error is an `ApiError` with a message for people. */

import { isStepRef } from './approval.js';
import { RetryPolicy } from './retry-policy.js';
import { problemMessage, readRetryAfter } from './stream.js';
import { isEnd } from './task.js';
import { TokenError } from './token.js';

/** @import { Approval, Decision } from './approval.js' */
/** @import { Toast } from './event.js' */
/** @import { Task } from './task.js' */
/** @import { TokenSource } from './token.js' */

/**
 * The functions that can be started, and the fields of their forms.
 * @typedef {'text' | 'integer' | 'number' | 'boolean' | 'date' | 'month' | 'file'} FieldType
 * @typedef {{ path: string, title: string, type: FieldType, default?: unknown, required?: boolean, choices?: unknown[], hint?: string }} Field
 * @typedef {{ name: string, title: string, description?: string, input: Record<string, unknown>, fields?: Field[] }} Offer
 * @typedef {{ kind: string, title: string, input?: object, offers?: Offer[] }} FunctionDescription
 */

/**
 * What starts by itself, and what can be done with it.
 * @typedef {{ kind: string, name: string, title: string, owner: string, cron?: string, every?: number, time_zone: string, next?: string | null,
 *   last?: { started: string, task: string } | null, left_out?: { time: string, reason: string } | null,
 *   paused?: { by: string, since: string } | null, problem?: string | null, recipients?: string[] }} Schedule
 * @typedef {'pause' | 'resume' | 'run'} ScheduleAction
 */

/** @typedef {{ onProgress?: (fraction: number) => void, signal?: AbortSignal }} UploadOptions */

/**
 * A line of what a task says; its number tells where lines were left out.
 * @typedef {{ attempt: number, number: number, time: string, level: string, message: string }} LogLine
 */

/** The paths of files below `/api/`: one's own, those of others that are shared with one or asked about, and all of a run. */
const FILE = /^(files\/|shared\/[0-9a-f]{32}\/|tasks\/[0-9A-Z]{26}\/(steps\/[a-z0-9_-]{1,64}\/files\/|files\.zip$))/;

/** A response that is no success, or no response at all (`status` 0). */
export class ApiError extends Error {
  name = 'ApiError';

  /** @param {string} message @param {number} status @param {number} [retryAfter] milliseconds */
  constructor(message, status, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** True if another attempt would be refused again. */
  get isFinal() {
    return [403, 404, 409].includes(this.status);
  }
}

/** Calls one gateway with one user's token. */
export class Api {
  #base;
  #tokens;

  /** @param {URL} base the gateway @param {TokenSource} tokens */
  constructor(base, tokens) {
    this.#base = base;
    this.#tokens = tokens;
  }

  /** The user's own tasks, newest first. @returns {Promise<Task[]>} */
  async listTasks() {
    return (await this.readTasks()).tasks;
  }

  /** The same, and the cursor up to which they are complete. @returns {Promise<{ tasks: Task[], cursor?: string }>} */
  readTasks() {
    return this.#json('GET', 'api/tasks');
  }

  /**
   * One of the user's tasks with all of its result, and the cursor up to which it is complete.
   * @param {string} id @returns {Promise<Task & { cursor?: string }>}
   */
  readTask(id) {
    return this.#json('GET', `api/tasks/${encodeURIComponent(id)}`);
  }

  /**
   * Starts a task; events report its progress.
   * @param {string} kind such as `imports`
   * @param {object} input of the function
   * @param {{ title?: string, idempotencyKey?: string }} [more]
   * @returns {Promise<Task>}
   */
  startTask(kind, input, { title, idempotencyKey } = {}) {
    /** @type {Record<string, string>} */
    const headers = idempotencyKey ? { 'idempotency-key': idempotencyKey } : {};
    return this.#json('POST', 'api/tasks', { kind, title, input }, headers);
  }

  /**
   * The files that the steps of a workflow's run have made, and the link to all of them as one archive.
   * @param {string} id @returns {Promise<{ files: { name: string, step: string, href: string }[], zip: string }>}
   */
  runFiles(id) {
    return this.#json('GET', `api/tasks/${encodeURIComponent(id)}/files`);
  }

  /**
   * What a task says to its owner: the lines that are there, and then each as it is said, until the task has ended. It begins again
   * by itself where the answer ends before.
   * @param {string} id @param {AbortSignal} [signal] ends it
   * @returns {AsyncGenerator<LogLine>}
   */
  async *followLog(id, signal) {
    let [after, hasBegun, retry] = ['', false, new RetryPolicy()];
    while (!signal?.aborted) {
      let pause = 1000;
      const path = `api/tasks/${encodeURIComponent(id)}/log?${new URLSearchParams({ follow: 'true', ...(after && { after }) })}`;
      try {
        const answer = await this.#authorised((token) => fetch(new URL(path, this.#base), { headers: bearer(token), signal }));
        [hasBegun, retry] = [true, new RetryPolicy()];
        for await (const line of jsonLines(answer)) {
          after = `${line.attempt}.${line.number}`;
          yield line;
        }
        if (isEnd((await this.readTask(id)).state)) return;
      } catch (error) {
        if (signal?.aborted) return;
        const isPassing = error instanceof TypeError || error instanceof TokenError; // no network, no fresh token yet
        const { status, retryAfter } = error instanceof ApiError ? error : { status: isPassing ? 0 : NaN };
        if (hasBegun && status === 404) return; // so old that no list has it
        if (!hasBegun || !(status === 0 || status === 429 || status >= 500)) throw error; // else it was cut off, or its pod has gone
        pause = retry.nextDelay({ reason: 'failed', retryAfter });
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Cancels a task. @param {string} id */
  async cancelTask(id) {
    await this.#call('DELETE', `api/tasks/${encodeURIComponent(id)}`);
  }

  /** The functions that the user may start, with their forms. @returns {Promise<FunctionDescription[]>} */
  async functions() {
    return (await this.#json('GET', 'api/functions')).functions;
  }

  /** The approvals that wait for the user's decision. @returns {Promise<Approval[]>} */
  async approvals() {
    return (await this.readApprovals()).approvals;
  }

  /** The same, and the cursor up to which they are complete. @returns {Promise<{ approvals: Approval[], cursor?: string }>} */
  readApprovals() {
    return this.#json('GET', 'api/approvals');
  }

  /**
   * Decides an approval. Refused with 403 if another person was asked, with 409 if it is decided already.
   * @param {string} task @param {string} step
   * @param {Decision} decision @param {string} [comment] @param {string} [digest] of the question, if the step may ask several
   * @param {Record<string, unknown>} [answer] the values of its form
   */
  async decide(task, step, decision, comment, digest, answer) {
    // An event may name anything: only a valid name may be part of a path.
    if (!isStepRef({ task, step })) throw new ApiError('this names no step of a workflow', 0);
    await this.#call('POST', `api/tasks/${task}/steps/${step}`, { decision, comment, digest, answer });
  }

  /** What starts by itself: the user's own, or all for operators. @returns {Promise<Schedule[]>} */
  async schedules() {
    return (await this.#json('GET', 'api/schedules')).schedules;
  }

  /** Pauses or resumes a schedule, or starts its task now. @param {Schedule} schedule @param {ScheduleAction} action */
  async changeSchedule({ kind, name }, action) {
    await this.#call('POST', `api/schedules/${encodeURIComponent(kind)}/${encodeURIComponent(name)}/${action}`);
  }

  /**
   * Publishes an event into the user's own environment.
   * @param {{ type: string, audience: string, data?: object, id?: string, source?: string, [more: string]: unknown }} event
   */
  publish(event) {
    const complete = { specversion: '1.0', id: randomId(), source: '/client', datacontenttype: 'application/json', ...event };
    return this.#json('POST', 'api/events', complete, { 'content-type': 'application/cloudevents+json' });
  }

  /**
   * Sends a message that is shown as a toast.
   * @param {string} audience `user:<id>`, `group:<name>` or `environment`
   * @param {Toast} toast
   */
  notify(audience, toast) {
    return this.publish({ type: 'bellwire.message', audience, data: { toast } });
  }

  /**
   * Stores a file, streamed from the disk. XMLHttpRequest, since fetch reports no upload progress.
   * @param {File} file
   * @param {UploadOptions} [options]
   * @returns {Promise<{ key: string, href: string, bytes: number }>}
   */
  async upload(file, options = {}) {
    const answer = await this.#authorised((token) => this.#put(file, token, options));
    return answer.json();
  }

  /**
   * Downloads a file of the gateway; the token is sent in the header, never in a URL.
   * @param {string} href as in an event or a task's result
   */
  async download(href) {
    const url = this.fileUrl(href);
    if (!url) throw new ApiError('this link is not a file of the gateway', 0);
    const answer = await this.#authorised((token) => fetch(url, { headers: bearer(token) }));
    const name = decodeURIComponent(url.pathname.split('/').at(-1) ?? 'file');
    return { name, blob: await answer.blob() };
  }

  /**
   * The URL of a gateway's file, or null if the link is something else.
   * @param {string} href
   */
  fileUrl(href) {
    const path = href.startsWith('/api/') ? href.slice(1) : href;
    if (!URL.canParse(path, this.#base)) return null;
    const url = new URL(path, this.#base);
    const base = new URL('api/', this.#base).href;
    return url.href.startsWith(base) && FILE.test(url.href.slice(base.length)) ? url : null;
  }

  /** @param {string} method @param {string} path @param {object} [body] @param {Record<string, string>} [headers] */
  async #json(method, path, body, headers = {}) {
    const answer = await this.#call(method, path, body, headers);
    return withApiError(answer.json()); // the body may be cut off
  }

  /** @param {string} method @param {string} path @param {object} [body] @param {Record<string, string>} [headers] */
  #call(method, path, body, headers = {}) {
    const type = /** @type {Record<string, string>} */ (body === undefined ? {} : { 'content-type': 'application/json' });
    const text = body === undefined ? undefined : JSON.stringify(body);
    return this.#authorised((token) =>
      fetch(new URL(path, this.#base), { method, body: text, headers: { ...bearer(token), ...type, ...headers } }),
    );
  }

  /** Sends with a token, and once more with a fresh one after a 401. @param {(token: string) => Promise<Response>} send */
  async #authorised(send) {
    const token = await this.#tokens.get();
    let answer = await withApiError(send(token));
    if (answer.status === 401) {
      await this.#tokens.invalidate(token);
      answer = await withApiError(send(await this.#tokens.get()));
    }
    if (answer.ok) return answer;
    throw new ApiError(await problemMessage(answer), answer.status, readRetryAfter(answer.headers.get('retry-after')));
  }

  /**
   * @param {File} file @param {string} token
   * @param {UploadOptions} options
   * @returns {Promise<Response>}
   */
  #put(file, token, { onProgress, signal }) {
    const request = new XMLHttpRequest();
    request.open('PUT', new URL(`api/files/${encodeURIComponent(file.name)}`, this.#base));
    request.setRequestHeader('authorization', `Bearer ${token}`);
    request.setRequestHeader('content-type', file.type || 'application/octet-stream');
    request.upload.onprogress = ({ loaded, total }) => onProgress?.(total ? loaded / total : 1);
    return new Promise((resolve, reject) => {
      request.onload = () => resolve(asResponse(request));
      request.onerror = () => reject(new TypeError('the upload was cut off'));
      request.onabort = () => reject(signal?.reason);
      signal?.addEventListener('abort', () => request.abort(), { once: true });
      if (signal?.aborted) reject(signal.reason);
      else request.send(file);
    });
  }
}

/** The objects of an answer of JSON lines, as they come. @param {Response} answer @returns {AsyncGenerator<LogLine>} */
async function* jsonLines(answer) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).pipeThrough(/** @type {ReadableWritablePair<string, Uint8Array>} */ (new TextDecoderStream())).getReader();
  let rest = '';
  try {
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      const lines = (rest + value).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line) yield JSON.parse(line);
    }
  } finally {
    reader.cancel().catch(() => {}); // also where nobody reads on
  }
}

/** @param {string} token */
function bearer(token) {
  return { authorization: `Bearer ${token}` };
}

/** Turns a network error into an `ApiError`. @template T @param {Promise<T>} answer @returns {Promise<T>} */
async function withApiError(answer) {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError || (error instanceof DOMException && error.name === 'AbortError')) throw error;
    throw new ApiError('the gateway cannot be reached; try again in a moment', 0);
  }
}

/** @param {XMLHttpRequest} request */
function asResponse(request) {
  const retryAfter = request.getResponseHeader('retry-after');
  return new Response(request.responseText, { status: request.status, headers: retryAfter ? { 'retry-after': retryAfter } : {} });
}

/** A random id, also on plain http, where `crypto.randomUUID` is missing. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
