/** What befalls the broker, the pods, a worker and the network; each is over when it resolves. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const { BELLWIRE_TEST_BROKER, BELLWIRE_TEST_RABBITMQCTL } = process.env;
const broker = (...words) => run(BELLWIRE_TEST_BROKER, words);
const ctl = async (...words) => (await run(BELLWIRE_TEST_RABBITMQCTL, ['--silent', ...words], { maxBuffer: 1 << 24 })).stdout;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Closes the pods' connections of this purpose, as an operator does. */
async function tear(purpose) {
  const lines = (await ctl('list_connections', 'pid', 'client_properties')).split('\n');
  const pids = lines.filter((line) => line.includes(`bellwire dev ${purpose}`)).map((line) => line.split(/\s/)[0]);
  if (pids.length === 0) throw new Error(`nobody has a connection for ${purpose}`);
  await Promise.all(pids.map((pid) => ctl('close_connection', pid, 'torn by a test')));
}

/**
 * @typedef {{ pods: import('../proxies/pod.js').Pod[], network: import('../browser/pods/pods.js').Balancer, worker: import('./worker.js').Worker, random: () => number }} Stage
 * @type {Record<string, { short?: boolean, mayLose?: boolean, befall: (stage: Stage) => Promise<unknown> }>}
 * `short` has its place in the short form; who `mayLose` must tell every browser of the gap.
 */
export const faults = {
  'nothing': { short: true, befall: () => pause(2_000) },
  'a pod is killed': { short: true, befall: ({ pods, random }) => pick(pods, random).killAndReplace() },
  'the pods\' publishing connections are torn': { short: true, befall: () => tear('publish') },
  'the pods\' reading connections are torn': { befall: () => tear('events') },
  'the network is cut': { short: true, befall: async ({ network, random }) => {
    await network.stopListening();
    await pause(500 + 2_000 * random());
    await network.startListening();
  } },
  'the network stalls': { befall: async ({ network, random }) => {
    network.stall();
    await pause(3_000 + 5_000 * random());
    network.flow();
  } },
  'connections are half open': { befall: async ({ network }) => {
    network.forget();
    await pause(10_000);
    network.closeConnections();
  } },
  'every client is dropped for 2 s, each 15 s': { befall: async ({ network }) => {
    for (let round = 0; round < 4; round++) {
      if (round > 0) await pause(13_000);
      await network.stopListening();
      await pause(2_000);
      await network.startListening();
    }
  } },
  'a pod is frozen and thawed': { befall: async ({ pods, random }) => {
    const pod = pick(pods, random);
    pod.freeze();
    await pause(3_000 + 9_000 * random());
    pod.thaw();
  } },
  'both pods are replaced': { befall: async ({ pods }) => {
    for (const pod of pods) await pod.replace();
  } },
  'a worker is killed': { befall: ({ worker }) => worker.killAndReplace() },
  'the broker restarts': { befall: () => broker('restart') },
  'the broker is killed': { befall: async () => {
    await broker('kill');
    await broker('start');
  } },
  'the broker is out of memory': { befall: async ({ random }) => {
    await ctl('set_vm_memory_high_watermark', 'absolute', '1');
    await pause(3_000 + 5_000 * random());
    await ctl('set_vm_memory_high_watermark', '0.4');
  } },
  'the stream is deleted': { mayLose: true, befall: () => ctl('delete_queue', 'bellwire.dev.events') },
};

const pick = (list, random) => list[Math.floor(random() * list.length)];
