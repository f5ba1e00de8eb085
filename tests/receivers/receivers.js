// A real SMTP server (smtp-server) and a real receiver of webhooks (verified by standardwebhooks) on free ports of
// loopback. Its argument is JSON: `security` (tls, starttls, none), `folder` with key.pem and certificate.pem, `auth`,
// `size`. It prints a line of JSON with its ports, then one for each mail and each webhook as it comes. A line on its
// input, {"mail": "away"} or {"mail": "back"}, closes the SMTP port or opens it again; it answers each line with {"done": …}.
//
// What it answers is in the recipient's name: `unknown@` 550, `later-2@` 451 twice, `slow@` nothing, `broken@` closes the
// connection within the message, `small@` and `little@` 552 beyond 4 KiB, `full@` 552 always, `last@` closes the port once
// it has taken the message. And in the path of a webhook: `/ok`, `/busy-2` 503 twice, `/asks-1` 429 with Retry-After: 3600
// once, `/date-1` the same with a date, `/soon-1` with 25, `/gone` 410, `/moved` 302 to /ok, `/silent` nothing.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { SMTPServer } from "smtp-server";
import { Webhook } from "standardwebhooks";

const { security = "none", folder, auth = false, size } = JSON.parse(process.argv[2] ?? "{}");
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const tell = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** True for the first `count` times that this name is asked for. */
const seen = new Map();
const isAmongFirst = (name) => {
  const count = Number(/-(\d+)$/.exec(name)?.[1] ?? 0);
  const before = seen.get(name) ?? 0;
  seen.set(name, before + 1);
  return before < count;
};
const answer = (responseCode, message) => Object.assign(new Error(message), { responseCode });

let smtp;
const openSmtp = (port) => {
  smtp = new SMTPServer({
    ...(folder && { key: readFileSync(`${folder}/key.pem`), cert: readFileSync(`${folder}/certificate.pem`) }),
    secure: security === "tls",
    hideSTARTTLS: security !== "starttls",
    authOptional: !auth,
    size,
    onAuth({ username, password }, session, done) {
      const isRight = username === "reports" && password === "open sésame" && (session.secure || security === "none");
      done(isRight ? null : answer(535, "5.7.8 who are you?"), { user: username });
    },
    onRcptTo({ address }, _session, done) {
      const name = address.split("@")[0];
      if (name === "unknown") return done(answer(550, "5.1.1 no such user here"));
      if (name.startsWith("later-") && isAmongFirst(name)) return done(answer(451, "4.7.1 greylisted, come again"));
      done();
    },
    onData(stream, session, done) {
      const { mailFrom, rcptTo } = session.envelope;
      const to = rcptTo.map(({ address }) => address);
      const name = to[0].split("@")[0];
      const pieces = [];
      if (name === "broken") return session.destroy?.() ?? [...smtp.connections].forEach((each) => each.close());
      stream.on("data", (piece) => pieces.push(piece));
      stream.on("end", () => {
        const raw = Buffer.concat(pieces);
        if (name === "slow") return tell({ waits: name });
        if (name === "small" && raw.length > 4096) return done(answer(552, "5.3.4 too large"));
        if (name === "full") return done(answer(552, "5.2.2 mailbox full"));
        if (name === "little" && raw.length > 4096) return done(answer(552, "5.2.3 too much for this mailbox"));
        tell({ mail: { from: mailFrom.address, to, user: session.user, secure: session.secure, raw: raw.toString("base64") } });
        done();
        if (name === "last") closeSmtp();
      });
    },
  });
  smtp.on("error", () => {});
  return new Promise((resolve) => smtp.listen(port, "127.0.0.1", () => resolve(smtp.server.address().port)));
};
const closeSmtp = () =>
  new Promise((resolve) => {
    smtp.server.close(resolve);
    for (const each of smtp.connections) each.close();
  });

const webhooks = createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const body = Buffer.concat(pieces).toString();
    const name = request.url.slice(1);
    let event = null;
    try {
      event = new Webhook(SECRET).verify(body, request.headers);
    } catch {
      // Told below as a null.
    }
    tell({ webhook: { path: request.url, type: request.headers["content-type"], id: request.headers["webhook-id"], event } });
    const ends = (code, headers = {}) => response.writeHead(code, headers).end();
    if (name === "silent") return;
    if (name === "gone") return ends(410);
    if (name === "moved") return ends(302, { location: "/ok" });
    if (!isAmongFirst(name)) return ends(204);
    if (name.startsWith("asks-")) return ends(429, { "retry-after": "3600" });
    if (name.startsWith("soon-")) return ends(429, { "retry-after": "25" });
    if (name.startsWith("date-")) return ends(429, { "retry-after": new Date(Date.now() + 3600e3).toUTCString() });
    ends(503);
  });
});
await new Promise((resolve) => webhooks.listen(0, "127.0.0.1", resolve));
const port = await openSmtp(0);
tell({ smtp: port, webhooks: webhooks.address().port });

const input = createInterface({ input: process.stdin });
input.on("line", async (line) => {
  const { mail } = JSON.parse(line);
  if (mail === "away") await closeSmtp();
  if (mail === "back") await openSmtp(port);
  tell({ done: mail });
});
// Its end is that of the test which started it.
input.on("close", () => process.exit());
