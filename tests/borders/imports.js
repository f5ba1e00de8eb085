// Which file uses which, within one crate or among the page's modules.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** Files by path: for each the set of files that it uses. @typedef {Map<string, Set<string>>} Graph */

/** Without comments, strings and the unit tests at the end; line ends stay. */
function code(text) {
  const bare = text.replace(
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|r(#*)"[\s\S]*?"\1|"(?:\\[\s\S]|[^"\\])*"|'(?:\\.|[^'\\\n])'/g,
    (found) => (found.startsWith("/") ? " " : '""'),
  );
  const tests = bare.search(/#\[cfg\(test\)\]\s*mod \w+ \{/);
  return tests < 0 ? bare : bare.slice(0, tests);
}

/** The paths of a use tree as lists of names: `a::{b, c::{self, D as E}}` has three. */
export function leaves(tree) {
  const names = tree.match(/\w+|[{},*]|\bas\b/g) ?? [];
  let at = 0;
  const one = (before) => {
    const path = [...before];
    const found = [];
    for (; at < names.length; at++) {
      const name = names[at];
      if (name === "{") {
        at++;
        while (at < names.length && names[at] !== "}") {
          found.push(...one(path));
          if (names[at] === ",") at++;
        }
        at++;
        return found;
      }
      if (name === "," || name === "}") break;
      if (name === "as") {
        at++; // its other name is of no interest
        continue;
      }
      path.push(name);
    }
    return [path];
  };
  return one([]);
}

/** The graph of a crate whose `lib.rs` or `main.rs` lies in `root`. @returns {Graph} */
export function ofCrate(root, files) {
  const entry = files.includes(join(root, "lib.rs")) ? join(root, "lib.rs") : join(root, "main.rs");
  const modules = new Map([["", entry]]); // `a::b` -> file
  for (const file of files) {
    if (file !== entry) modules.set(file.slice(root.length + 1, -3).replaceAll("/", "::"), file);
  }
  const texts = new Map(files.map((file) => [file, code(readFileSync(file, "utf8"))]));
  const paths = new Map([...modules].map(([path, file]) => [file, path]));
  const uses = (text) => [...text.matchAll(/^[ \t]*(pub(?:\([^)]*\))? )?use ([\w:{}*,\s]+);/gm)];

  // What a module says again in its own name stands for the file that has it.
  const aliases = new Map();
  for (const [file, text] of texts) {
    for (const [, isPublic, tree] of uses(text)) {
      if (!isPublic) continue;
      for (const path of leaves(tree)) {
        const absolute = resolve(path, file);
        if (absolute) aliases.set([paths.get(file), absolute.at(-1)].filter(Boolean).join("::"), absolute.join("::"));
      }
    }
  }

  /** From the crate's root on; nothing for what is of another crate. */
  function resolve(path, file) {
    const here = paths.get(file) === "" ? [] : paths.get(file).split("::");
    let [first, ...rest] = path;
    if (first === "crate") return rest;
    if (first === "self") return [...here, ...rest];
    if (first === "super") {
      const above = here.slice(0, -1);
      while (rest[0] === "super") {
        above.pop();
        rest = rest.slice(1);
      }
      return [...above, ...rest];
    }
    // A child's name needs no `self::`.
    return modules.has([...here, first].join("::")) ? [...here, ...path] : undefined;
  }

  /** The file that has what a path from the root on names. */
  function owner(path) {
    let names = path;
    for (let hops = 0; hops < 8; hops++) {
      const whole = names.join("::");
      if (modules.has(whole)) return modules.get(whole);
      let alias;
      for (let length = names.length; length > 0 && !alias; length--) {
        alias = aliases.get(names.slice(0, length).join("::"));
        if (alias) names = [...alias.split("::"), ...names.slice(length)];
      }
      if (!alias) break;
    }
    for (let length = names.length - 1; length >= 0; length--) {
      const file = modules.get(names.slice(0, length).join("::"));
      if (file) return file;
    }
  }

  const graph = new Map();
  for (const [file, text] of texts) {
    const used = new Set();
    const note = (path) => {
      const absolute = resolve(path, file);
      const target = absolute && owner(absolute);
      if (target && target !== file) used.add(target);
    };
    for (const [, isPublic, tree] of uses(text)) {
      if (!isPublic) leaves(tree).forEach(note);
    }
    const rest = text.replace(/^[ \t]*(pub(?:\([^)]*\))? )?use [\w:{}*,\s]+;/gm, "").replace(/pub\([^)]*\)/g, "");
    for (const [path] of rest.matchAll(/(?<![\w:])(?:\w+::)+\w+/g)) note(path.split("::"));
    graph.set(file, used);
  }
  return graph;
}

/** The graph of ES modules, by their static imports. @returns {Graph} */
export function ofModules(files) {
  const graph = new Map();
  for (const file of files) {
    const used = new Set();
    for (const [, , from] of readFileSync(file, "utf8").matchAll(/^(import|export)\s[^"';]*["'](\.[^"']+)["']/gm)) {
      const target = normalize(join(dirname(file), from));
      if (!existsSync(target)) throw new Error(`${file} imports ${from}, which is not there`);
      used.add(target);
    }
    graph.set(file, used);
  }
  return graph;
}

/** Groups of files that use each other, directly or not (Tarjan). @param {Graph} graph */
export function circles(graph) {
  const order = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  const visit = (file) => {
    order.set(file, order.size);
    low.set(file, order.get(file));
    stack.push(file);
    for (const next of graph.get(file) ?? []) {
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) low.set(file, Math.min(low.get(file), low.get(next)));
    }
    if (low.get(file) !== order.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return found;
}
