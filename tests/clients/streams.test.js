// Every client of server-sent events says every sentence, straight to a pod and through HAProxy in turn to both.
import { after, before, test } from 'node:test';

import { close } from './chromium.js';
import { Direct, Haproxy } from './routes.js';
import { Site } from './site.js';
import { rows } from './stream-rows.js';
import { sentences } from './stream-sentences.js';

let site;
before(async () => (site = await Site.start()));
after(async () => {
  await site?.stop();
  await close();
});

const concurrency = Number(process.env.BELLWIRE_TEST_AT_ONCE ?? 8);
/** Of all rows only those whose name has this. */
const only = process.env.BELLWIRE_TEST_ONLY ?? '';

test('clients of server-sent events', { concurrency }, async (matrix) => {
  const all = rows.flatMap((row) => [Direct, Haproxy].map((way) => ({ row, way, name: `${row.client}, ${way.route}` })));
  await Promise.all(all.filter(({ name }) => name.includes(only)).map(({ row, way, name }) => matrix.test(name, async (one) => {
    for (const { does, needs, run } of sentences) {
      if (needs && !(needs in way.prototype)) continue;
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
