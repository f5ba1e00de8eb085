// Publishes by the CloudEvents SDK for JavaScript, over HTTP in each mode.

import { CloudEvent, emitterFor, httpTransport, HTTP, Mode } from "cloudevents";

const url = `${process.env.BELLWIRE}/api/events`;
const headers = { authorization: `Bearer ${process.env.TOKEN}` };

function event(source, more = {}) {
  return new CloudEvent({
    id: "1",
    source,
    type: "com.example.said",
    subject: "100% said",
    time: "2026-11-28T20:00:00.123456789+01:00",
    audience: "user:ada",
    data: { n: Number.MAX_SAFE_INTEGER, price: 1.1, text: "caf\u00e9" },
    ...more,
  });
}

function check(answer, accepted = 1) {
  if (answer.body !== JSON.stringify({ accepted })) throw new Error(`answered ${answer.body}`);
}

const emit = (mode) => emitterFor(httpTransport(url), { mode });
check(await emit(Mode.STRUCTURED)(event("/sdk/javascript-structured"), { headers }));
check(await emit(Mode.BINARY)(event("/sdk/javascript-binary"), { headers }));
const text = { data: "said", datacontenttype: "text/plain" };
check(await emit(Mode.BINARY)(event("/sdk/javascript-text", text), { headers }));
const bytes = { data: new Uint8Array([255, 0]), datacontenttype: "application/octet-stream" };
check(await emit(Mode.BINARY)(event("/sdk/javascript-bytes", bytes), { headers }));
check(await emit(Mode.STRUCTURED)(event("/sdk/javascript-bytes-structured", bytes), { headers }));
// The SDK reads batches and writes none; a batch is a list of its structured events.
const parts = [0, 1].map((n) => HTTP.structured(event(`/sdk/javascript-batch-${n}`)).body);
const type = "application/cloudevents-batch+json";
const answer = await fetch(url, { method: "POST", headers: { ...headers, "content-type": type }, body: `[${parts}]` });
check({ body: await answer.text() }, 2);
