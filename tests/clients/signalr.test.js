// Every client says every sentence that it can, straight to a pod and through HAProxy in turn to both.
import { after, before, test } from 'node:test';

import { close } from './chromium.js';
import { Direct, Haproxy } from './routes.js';
import { rows } from './rows.js';
import { sentences } from './sentences.js';
import { Site } from './site.js';

let site;
before(async () => (site = await Site.start()));
after(async () => {
  await site?.stop();
  await close();
});

// Most of a row's time is waiting for tokens to end and for keep-alives.
const concurrency = Number(process.env.BELLWIRE_TEST_AT_ONCE ?? 8);
/** Of all rows only those whose name has this: `BELLWIRE_TEST_ONLY='Chromium, WebSockets' tests/clients/run.sh`. */
const only = process.env.BELLWIRE_TEST_ONLY ?? '';

test('SignalR’s clients', { concurrency }, async (matrix) => {
  const all = rows.flatMap((row) => [Direct, Haproxy].map((way) => (
    { row, way, name: `${row.client}, ${row.transport}, ${row.encoding}, ${way.route}` }
  )));
  await Promise.all(all.filter(({ name }) => name.includes(only)).map(({ row, way, name }) => matrix.test(name, async (one) => {
    for (const { does, needs, run } of sentences) {
      if (needs && !row.can.includes(needs)) continue;
      await one.test(does, async () => {
        const route = await way.start();
        const closing = [() => route.stop()];
        try {
          await run({ row, route, site, closing });
        } finally {
          for (const close of closing.reverse()) await close();
        }
      });
    }
  })));
});
