/** Each client says every sentence that it can, straight to a pod and through HAProxy in turn to both. */

import { after, before, test } from 'node:test';

import { close } from './chromium.js';
import { Direct, Haproxy } from './routes.js';
import { Site } from './site.js';

// Most of a row's time is waiting for tokens to end and for keep-alives.
const concurrency = Number(process.env.BELLWIRE_TEST_AT_ONCE ?? 8);
/** Of all rows only those whose name has this: `BELLWIRE_TEST_ONLY='Chromium, WebSockets' tests/clients/run.sh`. */
const only = process.env.BELLWIRE_TEST_ONLY ?? '';

/**
 * @template Row
 * @param {string} title
 * @param {Row[]} rows
 * @param {{ does: string, needs?: string, run: (scene: object) => Promise<void> }[]} sentences
 * @param {(row: Row) => string} name
 * @param {(needs: string, row: Row, way: typeof Direct | typeof Haproxy) => boolean} can whether there is what a sentence needs
 */
export function matrix(title, rows, sentences, name, can) {
  let site;
  before(async () => (site = await Site.start()));
  after(async () => {
    await site?.stop();
    await close();
  });

  test(title, { concurrency }, async (all) => {
    const cells = rows.flatMap((row) => [Direct, Haproxy].map((way) => ({ row, way, cell: `${name(row)}, ${way.route}` })));
    await Promise.all(cells.filter(({ cell }) => cell.includes(only)).map(({ row, way, cell }) => all.test(cell, async (one) => {
      for (const { does, needs, run } of sentences) {
        if (needs && !can(needs, row, way)) continue;
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
}
