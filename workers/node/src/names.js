/** The names on the broker, and which of them are names. */

/**
 * The ends of the names of a kind's queues, and the rank of each: high priority, normal by the backlog of their jobs (none, 1 to 3, 4 to 31,
 * more), low by the same (at most 3, more).
 * @type {[string, number][]}
 */
export const LANES = [['', 1], ['.high', 2], ['.bulk.1', 1], ['.bulk.2', 1], ['.bulk.3', 1], ['.low.1', 0], ['.low.2', 0]];
export const PRIORITIES = ['low', 'normal', 'high'];
/** The pauses of the retry queues, in seconds. */
export const RETRY_STEPS = [1, 10, 60, 600];

/** True for the name of an environment, a kind or a prefix. @param {unknown} text @returns {text is string} */
export const isName = (text) => typeof text === 'string' && /^[a-z][a-z0-9-]{0,31}$/.test(text);

/** True for the id of a task, as a gateway writes it. @param {unknown} text @returns {text is string} */
export const isTaskId = (text) => typeof text === 'string' && /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text);

/** True for the id of a user, or the name of a group. @param {string} text */
export const isUserId = (text) => text !== '' && Buffer.byteLength(text) <= 256 && !/[\s\p{Cc}]/u.test(text);

/** The end of the name of the queue that a job waits in. @param {{ priority: string, backlog: number }} job */
export function laneOf({ priority, backlog }) {
  if (priority === 'high' && backlog <= 3) return '.high';
  if (priority === 'low') return backlog <= 3 ? '.low.1' : '.low.2';
  return backlog === 0 ? '' : backlog <= 3 ? '.bulk.1' : backlog <= 31 ? '.bulk.2' : '.bulk.3';
}

/** The names of one environment that a worker of one kind uses. */
export class Names {
  /** @param {string} prefix @param {string} environment @param {string} kind */
  constructor(prefix, environment, kind) {
    this.environment = environment;
    this.kind = kind;
    /** The exchange of the environment's events. */
    this.exchange = `${prefix}.${environment}`;
    /** The log of the environment. */
    this.stream = `${this.exchange}.events`;
    /** The exchange of jobs. */
    this.jobs = `${this.exchange}.jobs`;
  }

  /** The queue of a lane; its routing key is what follows the exchange's name. @param {string} lane */
  queue(lane) {
    return `${this.jobs}.${this.kind}${lane}`;
  }
}
