// graphile-worker with its local queue and batched completion, as in its own benchmark.
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { atOnce, Ends, name, role, serve, url } from "./program.mjs";

const shared = { connectionString: url, schema: name, logger: new Logger(() => () => {}) };

if (role === "submit") {
  const utils = await makeWorkerUtils(shared);
  await utils.migrate();
  await serve({ submit: (id) => utils.addJob("nothing", { id }) });
} else {
  const ends = new Ends();
  const runner = await run({
    ...shared,
    taskList: { nothing: async () => {} },
    noHandleSignals: true,
    preset: {
      worker: { concurrentJobs: atOnce, maxPoolSize: 10, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
    },
  });
  // Its completion is in the database.
  runner.events.on("job:complete", ({ job }) => ends.hear(job.payload.id));
  await serve({ ends });
}
