import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { circles, leaves, ofCrate, ofModules } from "./imports.js";

const folder = mkdtempSync(join(tmpdir(), "borders-"));
after(() => rmSync(folder, { recursive: true }));

/** Writes files below a folder of its own and gives their paths. */
function written(name, texts) {
  return Object.entries(texts).map(([path, text]) => {
    const file = join(folder, name, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  });
}

const names = (name, graph) => circles(graph).map((circle) => circle.map((file) => file.slice(join(folder, name).length + 1)));

test("a use tree is taken apart however deep it is", () => {
  assert.deepEqual(
    leaves("crate::{a::{self, b::C as D}, e::*,}").map((path) => path.join("::")),
    ["crate::a::self", "crate::a::b::C", "crate::e::*"],
  );
});

test("a circle is seen through nested imports, paths in code and names that are said again", () => {
  const files = written("crate", {
    "lib.rs": "pub mod a;\npub mod b;\npub mod c;\npub mod d;\npub use c::Third;\n",
    "a.rs": "use crate::{\n    b::{self, Second},\n};\n",
    "b.rs": "pub struct Second;\nfn f() { crate::Third::new(); }\n",
    "c.rs": "use super::a::First;\n",
    "d.rs": 'use crate::a::First;\n// crate::b::Second in a comment\nconst TEXT: &str = "crate::d";\n',
  });
  assert.deepEqual(names("crate", ofCrate(join(folder, "crate"), files)), [["a.rs", "b.rs", "c.rs"]]);
});

test("a parent that only declares its children, and unit tests, make no circle", () => {
  const files = written("parent", {
    "main.rs": "mod a;\nfn main() { a::run(); }\n",
    "a.rs": "mod b;\npub use b::Child;\npub struct Shared;\n",
    "a/b.rs": "use super::Shared;\n#[cfg(test)]\nmod tests {\n    use crate::main;\n}\n",
  });
  assert.deepEqual(names("parent", ofCrate(join(folder, "parent"), files)), []);
});

test("a parent that uses the child that uses it is a circle", () => {
  const files = written("both", {
    "lib.rs": "mod a;\n",
    "a.rs": "mod b;\npub struct Shared(b::Child);\n",
    "a/b.rs": "use super::Shared;\npub struct Child;\n",
  });
  assert.deepEqual(names("both", ofCrate(join(folder, "both"), files)), [["a.rs", "a/b.rs"]]);
});

test("modules of the page are looked at by their static imports, and one that is missing is named", () => {
  const files = written("page", {
    "a.js": 'import { b } from "./b.js";\n',
    "b.js": 'export * from "./a.js";\n',
    "c.js": 'import {\n  a,\n} from "./a.js";\n',
  });
  assert.deepEqual(names("page", ofModules(files)), [["a.js", "b.js"]]);
  const [lost] = written("lost", { "a.js": 'import "./gone.js";\n' });
  assert.throws(() => ofModules([lost]), /a\.js imports \.\/gone\.js/);
});
