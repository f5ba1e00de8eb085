/**
 * Real pods behind HAProxy, browsers on every wire, and one fault after another: what was accepted reaches everybody once and in
 * order. tests/chaos/run.sh runs it; it prints a table, and ends with 1 where something is lost or doubled.
 *
 *   --short        the faults that take seconds, with few browsers
 *   --seed NUMBER  moments and victims, as a run before had them
 *   --browsers N   so many on each wire
 *   --only TEXT    the faults with this in their name
 */

import { parseArgs } from 'node:util';

import { until } from '../browser/browser.js';
import { Balancer } from '../browser/pods/pods.js';
import { Pod } from '../proxies/pod.js';
import { Proxy } from '../proxies/proxy.js';
import { Browser, WIRES } from './browsers.js';
import { faults } from './faults.js';
import { Publisher } from './publishers.js';
import { Reconciler } from './reconciler.js';
import { Importer, Worker } from './worker.js';

/** So long after a fault everybody must have everything. */
const PATIENCE = 90_000;
const PUBLISHERS = 4;

const { values } = parseArgs({
  options: { short: { type: 'boolean' }, seed: { type: 'string' }, browsers: { type: 'string' }, only: { type: 'string' } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
const perWire = Number(values.browsers ?? (values.short ? 2 : 8));

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
function numbersOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const closing = [];
let isRight = true;
try {
  isRight = await everything();
} finally {
  for (const close of closing.reverse()) await close().catch((error) => console.error(error));
}
process.exit(isRight ? 0 : 1);

async function everything() {
  console.log(`chaos: seed ${seed}, ${perWire} browsers on each of ${Object.keys(WIRES).length} wires`);
  const pods = await Promise.all([Pod.start(), Pod.start()]);
  closing.push(() => Promise.all(pods.map((pod) => pod.stop())));
  const proxy = await Proxy.start('haproxy', 'haproxy.cfg', pods);
  closing.push(() => proxy.stop());
  const worker = await Worker.start();
  closing.push(() => worker.stop());
  const importer = await Importer.open(proxy.url);
  closing.push(() => importer.close());
  const network = await Balancer.start(proxy.url);
  closing.push(() => network.stop());
  const url = network.url.replace('http:', 'https:');
  const browsers = [];
  closing.push(() => Promise.all(browsers.map((browser) => browser.stop())));
  for (const wire of Object.keys(WIRES)) {
    for (let number = 0; number < perWire; number++) browsers.push(await Browser.open(wire, url));
  }
  await until(() => browsers.every((browser) => browser.isConnected), Boolean, 30_000);

  const reconciler = new Reconciler(browsers);
  const rows = [];
  let isRight = true;
  const chosen = Object.entries(faults).filter(([name, { short }]) => (!values.short || short) && name.includes(values.only ?? ''));
  if (chosen.length === 0) throw new Error(`no fault is named ${values.only}`);
  for (const [index, [name, { befall, mayLose }]] of chosen.entries()) {
    const random = numbersOf(seed + index);
    reconciler.clear();
    const began = Date.now();
    importer.begin();
    const publishers = Array.from({ length: PUBLISHERS }, (_, publisher) => new Publisher(proxy.url, 20, (number) =>
      // Every fifth is for all; who is spoken to otherwise is by chance.
      reconciler.event(publisher, number, number % 5 === 0 ? undefined : browsers[Math.floor(Math.random() * browsers.length)])));
    await until(() => reconciler.accepted, (count) => count >= 100, 60_000);
    await befall({ pods, network, worker, random });
    const before = reconciler.accepted;
    await until(() => reconciler.accepted, (count) => count >= before + 100, PATIENCE);
    await Promise.all([...publishers, importer].map((each) => each.stop()));
    const isComplete = () => reconciler.isComplete && importer.missing.length === 0;
    await until(isComplete, Boolean, PATIENCE).catch(() => {}); // the table says what is missing
    const { lost, doubled, disordered, silent, told } = reconciler.count();
    const holds = (mayLose ? silent === 0 : lost === 0 && told === 0) && doubled === 0 && disordered === 0
      && importer.missing.length === 0 && importer.doubled === 0 && importer.failed.length === 0;
    if (!holds) {
      isRight = false;
      for (const browser of browsers) {
        const missing = reconciler.missing(browser);
        if (missing.length > 0) console.log(`  ${browser.wire} (${browser.state}) misses ${missing.length} of ${reconciler.accepted}, ${browser.gaps} gaps`);
      }
      for (const end of importer.failed) console.log(`  ${JSON.stringify(end)}`);
    }
    const row = {
      fault: name, seconds: Math.round((Date.now() - began) / 1000), events: reconciler.accepted, browsers: browsers.length,
      lost, doubled, 'out of order': disordered, 'silent holes': silent, 'told of a gap': told,
      jobs: importer.started.size, 'jobs lost': importer.missing.length, 'jobs doubled': importer.doubled,
      'longest silence': `${(reconciler.longestSilence / 1000).toFixed(1)} s`,
    };
    rows.push(row);
    console.log(holds ? `  holds: ${name}, ${row.seconds} s` : `  FAILS: ${JSON.stringify(row)}`);
  }
  console.log(table(rows));
  return isRight;
}

function table(rows) {
  const names = Object.keys(rows[0]);
  const lines = [names, names.map(() => '---'), ...rows.map((row) => Object.values(row))];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
