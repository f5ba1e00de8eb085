// Restate: a workflow of three empty steps, each kept by the server before the next begins. BENCH_URL is the server's ingress,
// BENCH_ADMIN where workers are registered, BENCH_PORT where this one listens.
import "./promise.mjs";
import * as restate from "@restatedev/restate-sdk";
import { connect } from "@restatedev/restate-sdk-clients";
import { answer, name, role, serve, url } from "./program.mjs";

const workflow = restate.workflow({
  name,
  handlers: {
    run: async (context) => {
      for (const step of ["one", "two", "three"]) await context.run(step, () => {});
    },
  },
});

if (role === "submit") {
  const server = connect({ url });
  await serve({ run: (id) => server.workflowClient(workflow, id).workflowSubmit().then(() => server.workflowClient(workflow, id).workflowAttach()) });
} else {
  const { BENCH_ADMIN: admin, BENCH_PORT: port } = process.env;
  await restate.serve({ services: [workflow], port: Number(port) });
  const registered = await fetch(`${admin}/deployments`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ uri: `http://127.0.0.1:${port}` }),
  });
  if (!registered.ok) throw new Error(await registered.text());
  answer({ ready: true });
}
