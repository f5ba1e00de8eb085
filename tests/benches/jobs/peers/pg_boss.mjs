// pg-boss with a NOTIFY for each job, and as many jobs in a batch as may be in flight, two at least: after smaller ones it waits for
// half a second.
import { PgBoss } from "pg-boss";
import { atOnce, Ends, name, role, serve, url } from "./program.mjs";

const QUEUE = "nothing";
const boss = new PgBoss({ connectionString: url, schema: name, useListenNotify: true, max: 10, supervise: false, schedule: false });
boss.on("error", (error) => console.error(error));
await boss.start();

if (role === "submit") {
  await boss.createQueue(QUEUE, { notify: true });
  await serve({ submit: (id) => boss.send(QUEUE, {}, { id }) });
} else {
  const ends = new Ends();
  const options = { batchSize: Math.max(2, atOnce), burstWhenBatchFull: true, pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 };
  // The handler's return, before its completion is committed: pg-boss tells nobody of that.
  await boss.work(QUEUE, options, async (jobs) => {
    for (const job of jobs) ends.hear(job.id);
  });
  await serve({ ends });
}
