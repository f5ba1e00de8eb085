/** The gateway's API as functions. Every error is an `ApiError` with words for people. */

import { isAsked } from './approval.js';
import { problemText, readRetryAfter } from './stream.js';

/** An answer that is no success, or none at all (`status` 0). */
export class ApiError extends Error {
  name = 'ApiError';

  /** @param {string} message @param {number} status @param {number} [retryAfter] milliseconds */
  constructor(message, status, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** @typedef {import('./task.js').Task} Task */

/** Calls one gateway with one person's token. */
export class Api {
  #base;
  #tokens;

  /** @param {URL} base the gateway @param {import('./token.js').TokenSource} tokens */
  constructor(base, tokens) {
    this.#base = base;
    this.#tokens = tokens;
  }

  /** One's own tasks, newest first. @returns {Promise<Task[]>} */
  async listTasks() {
    return (await this.#json('GET', 'api/tasks')).tasks;
  }

  /**
   * Starts a task; events tell how it goes on.
   * @param {string} kind such as `imports`
   * @param {object} input what the function takes
   * @param {{ title?: string, idempotencyKey?: string }} [more]
   * @returns {Promise<Task>}
   */
  startTask(kind, input, { title, idempotencyKey } = {}) {
    /** @type {Record<string, string>} */
    const headers = idempotencyKey ? { 'idempotency-key': idempotencyKey } : {};
    return this.#json('POST', 'api/tasks', { kind, title, input }, headers);
  }

  /** Takes a task back. @param {string} id */
  async cancelTask(id) {
    await this.#call('DELETE', `api/tasks/${encodeURIComponent(id)}`);
  }

  /** What one may start, and what the forms for it ask for. @returns {Promise<import('../start/input.js').Described[]>} */
  async functions() {
    return (await this.#json('GET', 'api/functions')).functions;
  }

  /** The questions that wait for one's own answer. @returns {Promise<import('./approval.js').Question[]>} */
  async approvals() {
    return (await this.#json('GET', 'api/approvals')).approvals;
  }

  /**
   * Answers what a workflow asks. Refused with 403 where somebody else was asked, with 409 where it is decided already.
   * @param {string} task @param {string} step
   * @param {import('./approval.js').Decision} decision @param {string} [comment]
   */
  async decide(task, step, decision, comment) {
    // An event may name anything: what is no name of a step gets into no path.
    if (!isAsked({ task, step })) throw new ApiError('this names no step of a workflow', 0);
    await this.#call('POST', `api/tasks/${task}/steps/${step}`, { decision, comment });
  }

  /**
   * Publishes an event into one's own environment.
   * @param {{ type: string, audience: string, data?: object, id?: string, source?: string, [more: string]: unknown }} event
   */
  publish(event) {
    const whole = { specversion: '1.0', id: randomId(), source: '/client', datacontenttype: 'application/json', ...event };
    return this.#json('POST', 'api/events', whole, { 'content-type': 'application/cloudevents+json' });
  }

  /**
   * Says something to somebody, shown to them as a toast.
   * @param {string} audience `user:<id>`, `group:<name>` or `environment`
   * @param {import('./event-filter.js').Toast} toast
   */
  notify(audience, toast) {
    return this.publish({ type: 'bellwire.message', audience, data: { toast } });
  }

  /**
   * Stores a file, streamed from the disk. XMLHttpRequest, since fetch does not tell how far an upload has come.
   * @param {File} file
   * @param {{ onProgress?: (part: number) => void, signal?: AbortSignal }} [options]
   * @returns {Promise<{ key: string, href: string, bytes: number }>}
   */
  async upload(file, options = {}) {
    const answer = await this.#authorised((token) => this.#put(file, token, options));
    return answer.json();
  }

  /**
   * A file of the gateway; the token travels in the header, never in a URL.
   * @param {string} href as an event or a task's result has it
   */
  async download(href) {
    const url = this.fileUrl(href);
    if (!url) throw new ApiError('this link is not a file of the gateway', 0);
    const answer = await this.#authorised((token) => fetch(url, { headers: bearer(token) }));
    const name = decodeURIComponent(url.pathname.split('/').at(-1) ?? 'file');
    return { name, blob: await answer.blob() };
  }

  /**
   * The address of a gateway's file, or null where the link is something else.
   * @param {string} href
   */
  fileUrl(href) {
    const path = href.startsWith('/api/files/') ? href.slice(1) : href;
    if (!URL.canParse(path, this.#base)) return null;
    const url = new URL(path, this.#base);
    return url.href.startsWith(new URL('api/files/', this.#base).href) ? url : null;
  }

  /** @param {string} method @param {string} path @param {object} [body] @param {Record<string, string>} [headers] */
  async #json(method, path, body, headers = {}) {
    const answer = await this.#call(method, path, body, headers);
    return reached(answer.json()); // it may be cut off in the middle
  }

  /** @param {string} method @param {string} path @param {object} [body] @param {Record<string, string>} [headers] */
  #call(method, path, body, headers = {}) {
    const type = /** @type {Record<string, string>} */ (body === undefined ? {} : { 'content-type': 'application/json' });
    const text = body === undefined ? undefined : JSON.stringify(body);
    return this.#authorised((token) =>
      fetch(new URL(path, this.#base), { method, body: text, headers: { ...bearer(token), ...type, ...headers } }),
    );
  }

  /** Sends with a token, and once more with a fresh one. @param {(token: string) => Promise<Response>} send */
  async #authorised(send) {
    const token = await this.#tokens.get();
    let answer = await reached(send(token));
    if (answer.status === 401) {
      await this.#tokens.forget(token);
      answer = await reached(send(await this.#tokens.get()));
    }
    if (answer.ok) return answer;
    throw new ApiError(await problemText(answer), answer.status, readRetryAfter(answer.headers.get('retry-after')));
  }

  /**
   * @param {File} file @param {string} token
   * @param {{ onProgress?: (part: number) => void, signal?: AbortSignal }} options
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

/** @param {string} token */
function bearer(token) {
  return { authorization: `Bearer ${token}` };
}

/** @template T @param {Promise<T>} answer @returns {Promise<T>} */
async function reached(answer) {
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

/** An id that is one even where `crypto.randomUUID` is missing, on plain http. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
