/** A job: a piece of work in a queue. */

import * as grants from './grant.js';
import { NotAJob, words } from './errors.js';
import { members, withMember } from './json-text.js';
import { PRIORITIES, isName, isTaskId, isUserId } from './names.js';

/** What a gateway has signed. @typedef {{ task: string, kind: string, parent?: string, nanoseconds: bigint, signature: string }} Grant */

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;
const MOST_ATTEMPTS = 2 ** 32 - 1;

/** A job, and its text as it came. */
export class Job {
  #notBefore = 0;

  /** Reads a message; throws with the reason if it is none. @param {Buffer} body */
  static read(body) {
    try {
      return new Job(UTF8.decode(body));
    } catch (error) {
      throw new NotAJob(`it is no job: ${words(error)}`);
    }
  }

  /** @private @param {string} text */
  constructor(text) {
    const fields = JSON.parse(text);
    if (fields === null || typeof fields !== 'object' || Array.isArray(fields)) throw new TypeError('it is no object');
    members(text);
    if (!Object.hasOwn(fields, 'input')) throw new TypeError('missing field `input`');
    const groups = fields.groups ?? [];
    if (!Array.isArray(groups) || !groups.every(isText)) throw new TypeError('its groups are no texts');
    this.text = text;
    this.task = task(fields, 'task');
    this.kind = kind(fields);
    this.owner = string(fields, 'owner');
    /** @type {string[]} */
    this.groups = groups;
    this.title = string(fields, 'title');
    this.input = fields.input;
    this.storedInput = optional(fields, 'stored_input', string);
    this.parent = optional(fields, 'parent', task);
    this.created = string(fields, 'created');
    this.nanoseconds = nanoseconds(this.created);
    this.attempts = count(fields, 'attempts');
    this.backlog = count(fields, 'backlog');
    this.priority = fields.priority ?? 'normal';
    if (!PRIORITIES.includes(this.priority)) throw new TypeError('its priority is none');
    this.notBefore = optional(fields, 'not_before', string);
    this.#notBefore = this.notBefore === undefined ? 0 : Number(nanoseconds(this.notBefore) / 1_000_000n);
    this.traceparent = optional(fields, 'traceparent', string);
    this.grant = optional(fields, 'grant', grantOf);
  }

  /**
   * Throws unless it is one of this queue's, and a gateway says that it is its owner's.
   * @param {string} environment @param {string} kind @param {import('node:crypto').KeyObject[]} keys
   */
  check(environment, kind, keys) {
    if (this.kind !== kind) throw new NotAJob(`it is a job for ${this.kind}, in the queue of ${kind}`);
    if (!isUserId(this.owner)) throw new NotAJob('its owner is no user id');
    grants.check(this, environment, keys);
  }

  /** For how many milliseconds it is not begun yet; 0 if it may be. */
  delay(now = Date.now()) {
    return Math.max(this.#notBefore - now, 0);
  }

  /** Its text with this number of attempts, and else as it came. @param {number} attempts */
  withAttempts(attempts) {
    return Buffer.from(withMember(this.text, 'attempts', String(Math.min(attempts, MOST_ATTEMPTS))));
  }

  /** Its input as it was written. */
  get inputText() {
    const [start, end] = members(this.text).get('input') ?? [0, 0];
    return this.text.slice(start, end);
  }
}

/** @typedef {Record<string, any>} Fields */

/** Whole: half a letter no other reader takes. @param {unknown} value @returns {value is string} */
const isText = (value) => typeof value === 'string' && value.isWellFormed();

/** @template T @param {Fields} fields @param {string} name @param {(fields: Fields, name: string) => T} read */
const optional = (fields, name, read) => (fields[name] === undefined || fields[name] === null ? undefined : read(fields, name));

/** @param {Fields} fields @param {string} name @returns {string} */
function string(fields, name) {
  if (fields[name] === undefined) throw new TypeError(`missing field \`${name}\``);
  if (!isText(fields[name])) throw new TypeError(`its ${name} is no text`);
  return fields[name];
}

/** @param {Fields} fields @param {string} name @returns {number} */
function count(fields, name) {
  const number = fields[name] ?? 0;
  if (!Number.isInteger(number) || number < 0 || number > MOST_ATTEMPTS) throw new TypeError(`its ${name} is out of range`);
  return number;
}

/** @param {Fields} fields @param {string} name */
function task(fields, name) {
  const id = string(fields, name);
  if (!isTaskId(id)) throw new TypeError(`its ${name} is no task id`);
  return id;
}

/** @param {Fields} fields */
function kind(fields) {
  const name = string(fields, 'kind');
  if (!isName(name)) throw new TypeError('its kind is no name');
  return name;
}

/** @param {Fields} fields @param {string} name @returns {Grant} */
function grantOf(fields, name) {
  const grant = fields[name];
  if (typeof grant !== 'object') throw new TypeError('its grant is no object');
  return {
    task: task(grant, 'task'),
    kind: kind(grant),
    parent: optional(grant, 'parent', task),
    nanoseconds: nanoseconds(string(grant, 'created')),
    signature: string(grant, 'signature'),
  };
}

/** Nanoseconds since 1970, all of them: they are signed, and a `Date` has a millionth of them. @param {string} text */
function nanoseconds(text) {
  const [, seconds, fraction = ''] = TIME.exec(text) ?? [];
  const milliseconds = Date.parse(`${seconds}Z`);
  if (Number.isNaN(milliseconds)) throw new TypeError(`the time ${JSON.stringify(text.slice(0, 40))} is not in UTC as RFC 3339 has it`);
  return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/** How often the broker has handed a message out before. @param {import('amqplib').Message} message */
export function redeliveriesOf(message) {
  const count = message.properties.headers?.['x-delivery-count'];
  return typeof count === 'number' && count > 0 ? count : 0;
}
