// What the benchmark says to a peer's programs, and hears from them: a command in each line of standard input, its answer in JSON
// in each line of standard output. Times are seconds of the monotonic clock, the same in all processes.
//
//   fill N         submits N jobs as fast as the peer takes them
//   pace N RATE    submits N jobs, RATE a second: {"sent": [[id, time], …]}
//   until N        answers when N ends were heard since the start: {"at": time}
//   runs N AT      does N runs, AT at once, each to its end: {"took": [seconds, …]}
//   ends           the ends heard: {"ends": [[id, time], …]}
import { createInterface } from "node:readline";
import { randomUUID } from "node:crypto";

/** Jobs that are submitted at once by `fill`. */
const AT_ONCE = 100;

export const { BENCH_ROLE: role, BENCH_URL: url, BENCH_NAME: name } = process.env;
export const atOnce = Number(process.env.BENCH_AT_ONCE);

export const now = () => Number(process.hrtime.bigint()) / 1e9;

/** The ends of jobs in the order in which they were heard. */
export class Ends {
  heard = [];
  #waiting = null;

  hear(id) {
    this.heard.push([id, now()]);
    if (this.#waiting && this.heard.length >= this.#waiting.count) {
      this.#waiting.resolve();
      this.#waiting = null;
    }
  }

  async until(count) {
    if (this.heard.length < count) {
      await new Promise((resolve) => (this.#waiting = { count, resolve }));
    }
    return this.heard[count - 1][1];
  }
}

/** Answers commands until standard input ends: `submit(id)` resolves once the peer has the job, `run(id)` once a run has ended. */
export async function serve({ submit, run, ends }) {
  answer({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, count, rate] = line.split(" ");
    answer(await answerTo(command, Number(count), Number(rate), { submit, run, ends }));
  }
  process.exit(0);
}

async function answerTo(command, count, rate, { submit, run, ends }) {
  switch (command) {
    case "fill":
      await each(count, AT_ONCE, submit);
      return {};
    case "runs": {
      const took = [];
      await each(count, rate, async (id) => {
        const began = now();
        await run(id);
        took.push(now() - began);
      });
      return { took };
    }
    case "pace": {
      const [sent, pending, begin] = [[], [], now()];
      for (let number = 0; number < count; number++) {
        const wait = begin + number / rate - now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait * 1000));
        const id = randomUUID();
        sent.push([id, now()]);
        pending.push(submit(id));
      }
      await Promise.all(pending);
      return { sent };
    }
    case "until":
      return { at: await ends.until(count) };
    case "ends":
      return { ends: ends.heard };
    default:
      throw new Error(`no command: ${command}`);
  }
}

async function each(count, atOnce, doOne) {
  let left = count;
  const one = async () => {
    while (left-- > 0) await doOne(randomUUID());
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

export function answer(value) {
  process.stdout.write(JSON.stringify(value) + "\n");
}
