// Breaks on an import circle and on an import over a border; `tests/borders.sh` runs it.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { circles, ofCrate, ofModules } from "./imports.js";

/** What each part may depend on; `tests/`, `cli/` and `fuzz/` may know all of them. */
const KNOWS = {
  model: [],
  backplane: ["model"],
  process: ["model", "signing"],
  storage: ["model", "process"],
  signalr: [],
  signing: ["model"],
  gateway: ["model", "backplane", "process", "storage", "signalr", "signing"],
  "functions/runtime": ["model", "backplane", "process", "storage", "signing"],
  "functions/delivery": ["model", "process", "storage", "runtime"],
  "functions/imports": ["model", "process", "storage", "runtime"],
  "functions/reports": ["model", "process", "storage", "runtime", "delivery"],
  "functions/workflows": ["model", "backplane", "process", "storage", "signing", "runtime"],
  "functions/program": ["model", "backplane", "process", "storage", "signing", "runtime", "gateway", "imports", "reports", "workflows"],
  "functions/greetings": ["runtime", "program"],
};
const PARTS = new Set(Object.keys(KNOWS).map((part) => part.split("/").at(-1)));

/** Libraries that only these parts may name. */
const ONLY = [
  { why: "only backplane/ speaks to the broker", library: /^lapin$/, parts: ["backplane"] },
  { why: "signalr/, signing/ and model/ are bytes and types: no socket, no runtime", library: /^(tokio|tokio-util|hyper|hyper-util|axum)$/, except: ["signalr", "signing", "model"] },
];

/** Files of the first pattern may not use files of the second. */
const FORBIDDEN = [
  {
    why: "the dispatcher knows no wire, no route and no hub",
    from: /^gateway\/src\/dispatch(\/|\.rs)/,
    to: /^gateway\/src\/(write|hub|api|routes|server|start|pod)(\/|\.rs)/,
  },
  { why: "what other pages import needs none of ours", from: /^client\/(module|toasts|tasks)\//, to: /^client\/page\// },
];

/** Libraries that these files may not name, in whichever form. */
const UNNAMED = [
  { why: "the dispatcher knows no wire", from: /^gateway\/src\/dispatch(\/|\.rs)/, name: /\b(axum|hyper|http|signalr|tungstenite)::/ },
];

const ROLELESS = /(^|\/)(mod|utils?|helpers?|common|manager|misc)\.rs$/;

const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { encoding: "utf8", maxBuffer: 1 << 26 })
  .split("\n")
  .filter((file) => existsSync(file));
const rust = files.filter((file) => file.endsWith(".rs"));

let broken = 0;
const complain = (...lines) => {
  console.error(`borders: ${lines.join("\n  ")}`);
  broken++;
};

for (const [part, known] of Object.entries(KNOWS)) {
  const manifest = readFileSync(`${part}/Cargo.toml`, "utf8");
  const dependencies = manifest.split(/^\[dev-dependencies\]/m)[0].split(/^\[dependencies\]/m)[1] ?? "";
  for (const [, library] of dependencies.matchAll(/^"?([\w-]+)"?[. =]/gm)) {
    if (PARTS.has(library) && !known.includes(library)) complain(`${part} may not know ${library}: it knows ${known.join(", ") || "no other part"}`);
    for (const { why, library: named, parts, except } of ONLY) {
      if (named.test(library) && (parts ? !parts.includes(part) : except.includes(part))) complain(`${why}: ${part} depends on ${library}`);
    }
  }
}

const roots = files.filter((file) => /(^|\/)Cargo\.toml$/.test(file)).map((file) => file.replace(/Cargo\.toml$/, "src"));
const graphs = roots
  .filter((root) => [`${root}/lib.rs`, `${root}/main.rs`].some((file) => rust.includes(file)))
  .map((root) => ofCrate(root, rust.filter((file) => file.startsWith(`${root}/`) && !file.startsWith(`${root}/bin/`))));
graphs.push(ofModules(files.filter((file) => /^client\/.*\.js$/.test(file))));
for (const graph of graphs) {
  for (const circle of circles(graph)) {
    const ties = circle.flatMap((file) =>
      [...graph.get(file)].filter((used) => circle.includes(used)).map((used) => `${file} -> ${used}`),
    );
    complain(`these ${circle.length} files use each other in a circle:`, ...ties);
  }
  for (const [file, used] of graph) {
    for (const { why, from, to } of FORBIDDEN.filter((rule) => rule.from.test(file))) {
      for (const each of used) if (to.test(each)) complain(`${why}: ${file} uses ${each}`);
    }
  }
}
for (const file of rust) {
  if (ROLELESS.test(file)) complain(`a file's name says its role: ${file}`);
  for (const { why, name } of UNNAMED.filter((rule) => rule.from.test(file))) {
    if (name.test(readFileSync(file, "utf8"))) complain(`${why}: ${file}`);
  }
}

const imports = graphs.reduce((sum, graph) => sum + [...graph.values()].reduce((all, used) => all + used.size, 0), 0);
console.log(`borders: ${graphs.length} parts with ${imports} imports between files, ${broken} broken rules`);
process.exit(broken === 0 ? 0 : 1);
