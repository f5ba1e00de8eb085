/**
 * Functions in Node that do Bellwire's background work: the job protocol, version 1 (docs/job-protocol.md).
 *
 * The way of a job, by file: `job-reader` takes it from its queue, `job` and `grant` check it, `runner` has it done by `attempt`,
 * `task-events` says what is told of it, `publisher` tells it, and `runner` settles it. Beside them `log-reader` learns which
 * tasks were cancelled, and `storage` holds what the broker does not carry.
 */

export { Cancelled, Permanent, Retry } from './errors.js';
export { Task } from './task.js';
export { Worker } from './worker.js';

/** @typedef {import('./task.js').Toast} Toast */
/** @typedef {import('./task.js').Result} Result */
