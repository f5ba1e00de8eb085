/** Reads the environment's log: which tasks were cancelled or have succeeded, and that there may be a new job. */

import { createHash, randomUUID } from 'node:crypto';

import { ANSWER, close, keepConnected, watched } from './broker.js';
import { Happening, jittered, within } from './waiting.js';

/** @typedef {import('amqplib').ConsumeMessage} Message */

const MOST_REMEMBERED = 10_000;
const PREFETCH = 300;
const ACK_EVERY = 100;
/** Without an entry for this long a pulse is published, and must come back within the second time. */
const PULSE_AFTER = 15_000;
const PULSE_TIMEOUT = 10_000;
/** Limit for the last entry read to come again. */
const JOIN_TIMEOUT = 3_000;
const WANTED = ['bellwire.task.cancelled', 'bellwire.task.queued', 'bellwire.pulse'];

/** The last tasks of one sort. @extends {Set<string>} */
class Tasks extends Set {
  /** Remembers one; the oldest is forgotten. @param {string} task */
  add(task) {
    super.add(task);
    // A set keeps the order in which it was filled.
    if (this.size > MOST_REMEMBERED) this.delete(this.values().next().value ?? '');
    return this;
  }
}

/** Follows the log; no job may begin before it is `caughtUp`, or a cancelled one would be run. */
export class LogReader {
  caughtUp = false;
  #source = `/pods/w-${randomUUID()}`;
  #pulses = 0;
  /**
   * The last entry read: where it stands, and a digest of it, since a stream that was made anew counts from 0 again.
   * @type {{ offset: number, digest: string } | undefined}
   */
  #last;
  #cancelled = new Tasks();
  #succeeded = new Tasks();
  /** @type {Map<string, () => void>} */
  #running = new Map();

  /**
   * @param {string} url @param {import('./names.js').Names} names @param {import('./publisher.js').Publisher} publisher
   * @param {number} horizon in milliseconds @param {import('./log.js').Log} log @param {() => void} changed
   */
  constructor(url, names, publisher, horizon, log, changed) {
    this.url = url;
    this.names = names;
    this.functionOfKind = `/functions/${names.kind}`;
    this.publisher = publisher;
    this.horizon = horizon;
    this.log = log;
    this.changed = changed;
  }

  /** True if its owner has cancelled this task. @param {string} task */
  isCancelled(task) {
    return this.#cancelled.has(task);
  }

  /** True if this task is known to have succeeded: a job of it came twice. @param {string} task */
  hasSucceeded(task) {
    return this.#succeeded.has(task);
  }

  /** Remembers a task that has succeeded here, before the log tells of it. @param {string} task */
  succeeded(task) {
    this.#succeeded.add(task);
  }

  /** Calls back when this task is cancelled, until `unwatch`. @param {string} task @param {() => void} cancelled */
  watch(task, cancelled) {
    this.#running.set(task, cancelled);
  }

  /** @param {string} task */
  unwatch(task) {
    this.#running.delete(task);
  }

  /** Reads until it has ended. @param {Happening} ended */
  run(ended) {
    return keepConnected(this.url, 'log', this.log, ended, async (connection) => {
      const forget = ended.once(() => void close(connection));
      try {
        await this.#read(connection, ended);
      } finally {
        forget();
        this.caughtUp = false;
        this.changed();
      }
    });
  }

  /** @param {import('amqplib').ChannelModel} connection @param {Happening} ended */
  async #read(connection, ended) {
    // Published before reading begins: what was published before it was read once it comes back; and the stream holds an entry
    // younger than the horizon, without which it would begin at its next and skip one.
    await this.#pulse();
    const entries = await this.#start(connection);
    for (let unacknowledged = 1; !ended.happened; unacknowledged++) {
      const message = await this.#next(entries, ended);
      if (!message) return;
      this.#take(message);
      if (unacknowledged === ACK_EVERY) {
        unacknowledged = 0;
        entries.channel.ack(message, true);
      }
    }
  }

  /**
   * What comes after the last entry read, or from the horizon on if that one is there no more.
   * @param {import('amqplib').ChannelModel} connection
   */
  async #start(connection) {
    if (this.#last) {
      const entries = await this.#consume(connection, this.#last.offset);
      const first = await entries.next(JOIN_TIMEOUT);
      const place = first && placeOf(first);
      if (place?.offset === this.#last.offset && place.digest === this.#last.digest) return entries;
      this.log.warn('a part of the log was not read; a task that was cancelled in it may be run all the same');
      this.#last = undefined;
      await entries.channel.close();
    }
    return this.#consume(connection, { '!': 'timestamp', value: Math.floor((Date.now() - this.horizon) / 1000) });
  }

  /** @param {import('amqplib').ChannelModel} connection @param {unknown} start */
  async #consume(connection, start) {
    const { channel, closed } = await watched(connection.createChannel());
    await channel.prefetch(PREFETCH);
    // No more than the prefetch can wait in it.
    /** @type {Message[]} */
    const waiting = [];
    const came = new Happening();
    let isEnded = false;
    const take = (/** @type {Message | null} */ message) => {
      if (message) waiting.push(message);
      else isEnded = true;
      came.happen();
    };
    closed.once(() => take(null));
    await within(ANSWER, channel.consume(this.names.stream, take, { arguments: { 'x-stream-offset': start } }), 'the stream is not read');
    /** The next entry, or nothing if that takes longer. @param {number} milliseconds @returns {Promise<Message | undefined>} */
    const next = async (milliseconds) => {
      if (waiting.length === 0) {
        came.reset();
        await came.wait(milliseconds);
      }
      if (waiting.length === 0 && isEnded) throw new Error('nothing of the log comes any more: its stream was deleted, or its broker went away');
      return waiting.shift();
    };
    return { channel, next };
  }

  /** @param {{ next(milliseconds: number): Promise<Message | undefined> }} entries @param {Happening} ended */
  async #next(entries, ended) {
    // Not in step with other workers: any entry tells all of them that the log is read.
    const soon = await entries.next(jittered(PULSE_AFTER, 0.75, 1.25));
    if (soon || ended.happened) return soon;
    await this.#pulse();
    const late = await entries.next(PULSE_TIMEOUT);
    if (!late) throw new Error('no entries of the log arrive though the broker is reachable');
    return late;
  }

  #pulse() {
    const id = String(++this.#pulses);
    const pulse = { specversion: '1.0', id, source: this.#source, type: 'bellwire.pulse' };
    const properties = { messageId: id, contentType: 'application/cloudevents+json' };
    return this.publisher.publish(this.names.exchange, '', Buffer.from(JSON.stringify(pulse)), properties);
  }

  /** @param {Message} message */
  #take(message) {
    this.#last = placeOf(message);
    // The exchange that it came through decides whose word it is, never what its body claims.
    if (message.fields.exchange !== this.names.exchange || !this.#isWanted(message.content)) return;
    const event = parsed(message.content);
    const task = event?.data?.task;
    if (event?.type === 'bellwire.pulse') {
      if (event.source === this.#source && event.id === String(this.#pulses) && !this.caughtUp) {
        this.caughtUp = true;
        this.changed();
      }
    } else if (event?.type === 'bellwire.task.succeeded' && event.source === this.functionOfKind) {
      this.#succeeded.add(String(event.subject).replace(/^task\//, ''));
    } else if (event?.type === 'bellwire.task.cancelled' && typeof task?.id === 'string') {
      this.#cancel(task.id);
    } else if (event?.type === 'bellwire.task.queued' && task?.kind === this.names.kind) {
      this.changed();
    }
  }

  /** @param {Buffer} content */
  #isWanted(content) {
    // Results may be large, and others' are many.
    const isSuccess = content.includes('bellwire.task.succeeded') && content.includes(this.functionOfKind);
    return isSuccess || WANTED.some((word) => content.includes(word));
  }

  /** @param {string} task */
  #cancel(task) {
    if (this.#cancelled.has(task)) return;
    this.#cancelled.add(task);
    this.#running.get(task)?.();
  }
}

/** @param {Message} message */
function placeOf(message) {
  const offset = message.properties.headers?.['x-stream-offset'];
  if (typeof offset !== 'number') throw new Error('an entry without x-stream-offset: the queue is no stream');
  return { offset, digest: createHash('sha256').update(message.content).digest('base64') };
}

/** @param {Buffer} content @returns {any} */
function parsed(content) {
  try {
    return JSON.parse(content.toString());
  } catch {
    return undefined;
  }
}
