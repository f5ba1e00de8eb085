/** A worker: a process that runs the function of one kind. */

import { SHUTDOWN_TIMEOUT } from './attempt.js';
import { words } from './errors.js';
import { readKey } from './grant.js';
import { JobReader } from './job-reader.js';
import { written } from './json-text.js';
import { consoleLog } from './log.js';
import { LogReader } from './log-reader.js';
import { Names, isName } from './names.js';
import { Publisher } from './publisher.js';
import { Runner } from './runner.js';
import { Storage } from './storage.js';
import { Happening, jittered } from './waiting.js';

/** The broker takes an unacknowledged job back after 30 minutes. Longer work is a workflow. */
const LONGEST_DEADLINE = 25 * 60;

/**
 * @typedef {object} WorkerOptions
 * @property {string} environment
 * @property {string | string[]} keys the public keys of the environment's gateways (`bellwire key`)
 * @property {string} [files] `file:PATH`, the folder that gateways and workers share: without it inputs and results of more than 64 KiB cannot
 *   be had, and no page shows a form for the function
 * @property {string} [prefix] `bellwire`
 * @property {number} [concurrency] jobs at once; 2
 * @property {number} [attempts] attempts at a job before it is given up; 5
 * @property {number} [grace] how long running jobs may go on when the worker is told to stop, in seconds; 25
 * @property {number} [horizon] how far back the log is read for tasks that were cancelled, in seconds; a day
 * @property {import('./log.js').Log} [log] the console
 */

/**
 * @typedef {object} FunctionOptions
 * @property {string} [title] its title for people
 * @property {object} [schema] the JSON Schema of its input, for pages
 * @property {object[]} [offers] the forms that start it
 * @property {import('./attempt.js').Check} [check] called with the input before the run; what it throws is a permanent failure
 * @property {number} [deadline] how long one run may take, in seconds; 20 minutes, 25 at most
 */

/** Takes the jobs of one kind and has them done by a function. */
export class Worker {
  #url;
  #options;
  #keys;
  #storage;
  /** @type {import('./attempt.js').KindFunction | undefined} */
  #function;
  #description = '';

  /** @param {string} amqpUrl the broker, as the user `bellwire.<environment>.worker.<kind>` @param {WorkerOptions} options */
  constructor(amqpUrl, options) {
    const { environment, keys, files, prefix = 'bellwire', concurrency = 2, attempts = 5, grace = 25, horizon = 24 * 3600, log = consoleLog } = options;
    for (const [what, name] of Object.entries({ environment, prefix })) {
      if (!isName(name) || name === 'everywhere') throw new TypeError(`${what}: ${JSON.stringify(name)} is not a name: [a-z][a-z0-9-]{0,31}`);
    }
    this.#keys = [keys].flat().map(readKey);
    if (this.#keys.length === 0) throw new TypeError('keys: at least one public key of the gateways, as `bellwire key` prints it');
    if (!(concurrency >= 1 && attempts >= 1)) throw new TypeError('concurrency and attempts are at least 1');
    this.#url = amqpUrl;
    this.#options = { environment, prefix, concurrency, attempts, grace, horizon, log };
    this.#storage = files === undefined ? undefined : new Storage(files);
  }

  /**
   * Makes a function that of this worker; it is called with a task and the input, and answers a result.
   * @param {string} kind @param {FunctionOptions} options @param {import('./attempt.js').Run} run
   */
  function(kind, { title = kind, schema = {}, offers, check, deadline = 20 * 60 }, run) {
    if (!isName(kind)) throw new TypeError(`kind: ${JSON.stringify(kind)} is not a name: [a-z][a-z0-9-]{0,31}`);
    if (!(deadline > 0 && deadline <= LONGEST_DEADLINE)) throw new TypeError('deadline: 25 minutes at most, since the broker hands a job out again after 30');
    if (this.#function) throw new TypeError(`this worker is that of ${this.#function.kind}: another kind is another process`);
    if (typeof run !== 'function') throw new TypeError('the function is none');
    this.#description = written({ kind, title, input: schema, offers });
    this.#function = { kind, run, check, deadline: deadline * 1000 };
  }

  /**
   * Works until the process is told to stop (SIGTERM, SIGINT), or until `stop` is aborted; then lets running jobs finish within the
   * grace, and gives the rest back.
   * @param {AbortSignal} [stop]
   */
  async run(stop) {
    const told = new Happening();
    if (stop?.aborted) return;
    stop?.addEventListener('abort', told.happen);
    for (const signal of stop ? [] : ['SIGTERM', 'SIGINT']) process.on(signal, told.happen);
    try {
      const isIdle = await this.#serve(told);
      // A function that did not stop must not keep the process from ending.
      if (!isIdle && !stop) process.exit(0);
    } finally {
      for (const signal of stop ? [] : ['SIGTERM', 'SIGINT']) process.off(signal, told.happen);
      stop?.removeEventListener('abort', told.happen);
    }
  }

  /** @param {Happening} told */
  async #serve(told) {
    if (!this.#function) throw new TypeError('this worker has no function: worker.function(kind, …)');
    const { environment, prefix, concurrency, attempts, grace, horizon, log } = this.#options;
    const names = new Names(prefix, environment, this.#function.kind);
    const publisher = new Publisher(this.#url);
    const logReader = new LogReader(this.#url, names, publisher, horizon * 1000, log, () => jobs.changed());
    const runner = new Runner(this.#function, { names, keys: this.#keys, attempts, publisher, logReader, storage: this.#storage, log });
    const jobs = new JobReader(this.#url, names, publisher, concurrency, log, () => logReader.caughtUp, runner.handle);
    const ended = new Happening();
    const reading = [logReader.run(ended), jobs.run()];
    const registering = this.#register(names, ended);
    await Promise.race([told.wait(), ...reading]);
    log.info('stopping');
    jobs.stop();
    if (!(await jobs.finished(grace * 1000))) {
      log.warn('the grace is over; running jobs are given back');
      runner.graceOver.happen();
      await jobs.finished(2 * SHUTDOWN_TIMEOUT);
    }
    jobs.release();
    ended.happen();
    await Promise.all([...reading, registering]);
    await publisher.close();
    return jobs.isIdle && !runner.hasAbandoned;
  }

  /** Puts the function into the catalogue, again and again until it is there. @param {Names} names @param {Happening} ended */
  async #register({ environment, kind }, ended) {
    for (let pause = 500; this.#storage && !ended.happened; pause = Math.min(2 * pause, 30_000)) {
      try {
        return await this.#storage.register(environment, kind, this.#description);
      } catch (error) {
        this.#options.log.warn(`the function is not in the catalogue yet; it is tried again: ${words(error)}`);
      }
      await ended.wait(jittered(pause, 1, 2));
    }
  }
}
