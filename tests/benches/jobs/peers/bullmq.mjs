// BullMQ; the end of a job is heard as the event that its stream in Redis carries. The submitter says when Redis syncs.
import { Queue, QueueEvents, Worker } from "bullmq";
import { Redis } from "ioredis";
import { atOnce, Ends, name, role, serve, url } from "./program.mjs";

const { hostname: host, port } = new URL(url);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };

if (role === "submit") {
  const ends = new Ends();
  const events = new QueueEvents(name, { connection });
  events.on("completed", ({ jobId }) => ends.hear(jobId));
  await events.waitUntilReady();
  const queue = new Queue(name, { connection });
  const redis = new Redis(connection);
  await redis.config("SET", "appendfsync", process.env.BENCH_FSYNC);
  redis.disconnect();
  await serve({ submit: (id) => queue.add("nothing", {}, { jobId: id, removeOnComplete: true }), ends });
} else {
  const worker = new Worker(name, async () => {}, { connection, concurrency: atOnce });
  worker.on("error", (error) => console.error(error));
}
