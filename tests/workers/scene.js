/** Where the sentences about the worker of one language are said: its queue, somebody who listens, and the processes that work. */

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, afterEach, before } from 'node:test';

import { Folder, Listener, Operator, Program, uniqueUser } from './stage.js';

export class Scene {
  /** What is done at the end of a sentence. @type {(() => Promise<unknown>)[]} */
  closing = [];
  #programs = [];

  /** @param {'python' | 'node'} language */
  constructor(language) {
    this.language = language;
    this.kind = `tricks-${language}`;
    this.queue = `bellwire.dev.jobs.${this.kind}`;
    before(async () => {
      [this.operator, this.folder] = [await Operator.connect(), await Folder.make()];
      this.ada = uniqueUser('ada');
      this.ears = await Listener.start(this.ada);
    });
    afterEach(async () => {
      if (!this.keeps) await this.stopAll();
      await Promise.all(this.closing.splice(0).map((close) => close()));
    });
    after(async () => {
      await this.stopAll();
      await this.ears?.stop();
      await this.operator?.close();
      await rm(this.folder.path, { recursive: true });
    });
  }

  /** Starts a worker. */
  async worker(options = {}) {
    const program = await Program.start(this.language, this.kind, { folder: this.folder.path, grace: 5, ...options });
    this.#programs.push(program);
    return program;
  }

  /** Tells all workers to stop, and waits until they have; answers what they said. */
  async stopAll() {
    const programs = this.#programs.splice(0);
    await Promise.all(programs.map((program) => program.isGone || program.stop()));
    return programs.map(({ said }) => said).join('\n--\n');
  }

  /** Its end was told once; answers it. */
  async ended(task, type) {
    const end = await this.ears.end(task);
    assert.equal(end.type, `bellwire.task.${type}`, JSON.stringify(end.data));
    // Cancelling is a word of the gateway's as well.
    const ends = this.ears.of(task).filter((event) => /succeeded|failed|cancelled/.test(event.type) && event.source !== '/gateway');
    assert.deepEqual(ends.map(({ id }) => id), [`${task}.${type}`]);
    return end;
  }

  /** The same once all workers have stopped; and nothing is left in its queues. */
  async endedOnce(task, type) {
    await this.ears.end(task);
    await this.nothingIsLeft();
    return this.ended(task, type);
  }

  /** Stops all workers: nothing waits then, and nothing is dead. */
  async nothingIsLeft() {
    const said = await this.stopAll();
    for (const lane of ['', '.high', '.bulk.1', '.low.1', '.retry.1s', '.dead']) {
      const left = () => assert.fail(`a job is left in ${this.queue}${lane}; the workers said: ${said}`);
      await this.operator.untilDepth(this.kind, lane, 0).catch(left);
    }
  }
}
