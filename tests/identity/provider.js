// A real identity provider (oidc-provider) on a free port of loopback; it prints its address, which is its issuer.
// What it is told beside OpenID Connect: POST /test/rotate adds keys and signs with them, POST /test/forget removes all
// keys but the newest, POST /test/away answers everything 503 until POST /test/back. With a folder as its argument it
// speaks TLS, with the key.pem and certificate.pem there.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import Provider from "oidc-provider";

const RSA = { hash: "SHA-256", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) };
const KINDS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", ...RSA },
  PS256: { name: "RSA-PSS", ...RSA },
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  EdDSA: { name: "Ed25519" },
};

// Not by generateKeyPairSync: in Node 20 the export of its keys as JWK waits for itself now and then, without end.
const newKeys = () =>
  Promise.all(
    Object.entries(KINDS).map(async ([alg, kind]) => {
      const { privateKey } = await crypto.subtle.generateKey(kind, true, ["sign", "verify"]);
      const { key_ops: _, ext: __, ...key } = await crypto.subtle.exportKey("jwk", privateKey);
      return { ...key, alg, use: "sig", kid: randomUUID() };
    }),
  );

/** A token for `https://bellwire.example/<audience>/<algorithm>` is a JWT for that audience, signed by that algorithm. */
const resourceServer = (resource) => {
  const [audience, alg] = new URL(resource).pathname.slice(1).split("/");
  return { scope: "tasks publish", audience, accessTokenFormat: "jwt", accessTokenTTL: 600, jwt: { sign: { alg } } };
};

const provide = (issuer, keys) =>
  new Provider(issuer, {
    clients: [
      {
        client_id: "ada",
        client_secret: "a secret of this test",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    jwks: { keys },
    scopes: ["tasks", "publish"],
    extraTokenClaims: () => ({ realm_access: { roles: ["ops", "Domain Users"] } }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_, resource) => resourceServer(resource) },
    },
  });

let keys = await newKeys();
let isAway = false;
let handle;
const folder = process.argv[2];
const tls = folder && { key: readFileSync(`${folder}/key.pem`), cert: readFileSync(`${folder}/certificate.pem`) };
const serve = tls ? (handler) => createTlsServer(tls, handler) : createServer;
const server = serve(async (request, response) => {
  const [, place, word] = request.url.split("/");
  if (place !== "test") {
    return isAway ? response.writeHead(503).end() : handle(request, response);
  }
  if (word === "away" || word === "back") isAway = word === "away";
  if (word === "rotate") keys = [...(await newKeys()), ...keys];
  if (word === "forget") keys = keys.slice(0, Object.keys(KINDS).length);
  if (word === "rotate" || word === "forget") handle = provide(issuer, keys).callback();
  response.end();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http${tls ? "s" : ""}://127.0.0.1:${server.address().port}`;
handle = provide(issuer, keys).callback();
console.log(issuer);
// Its end is that of the test which started it.
process.stdin.resume().on("end", () => process.exit());
