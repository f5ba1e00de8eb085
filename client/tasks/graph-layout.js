/**
 * Where the steps of a run stand: in rows, each below all that it needs. Pure; any needs will do, also of steps that
 * are not there and in circles.
 *
 * A line that passes a row without ending in it has a narrow slot of its own there, so lines never cross a step.
 * All places are parts of the width: nothing has to be measured.
 */

/** More than so many are a plain list: nobody reads such a graph. */
const MOST_DRAWN = 100;
/** With more slots for passing lines than that, the long lines are left out; the words still say what needs what. */
const MOST_PASSES = 200;
const PASS_WEIGHT = 0.15;

/** @typedef {{ id: string, needs: string[] }} Node */
/** @typedef {{ id: string, passes: boolean, weight: number, x: number }} Slot `x` is its middle, from 0 to 1 */
/** @typedef {{ from: number, to: number, of: string }} Line from the row above to this one; `of` is the step it comes from */
/** @typedef {{ slots: Slot[], lines: Line[] }} Row */

/**
 * The rows from first to last, each with the lines that lead to it.
 * @param {Node[]} nodes each id once
 * @returns {Row[]}
 */
export function layOut(nodes) {
  if (nodes.length > MOST_DRAWN) return nodes.map(({ id }) => ({ slots: placed([slot(id, false)]), lines: [] }));
  const needs = withoutCircles(nodes);
  const layers = layersOf(nodes, needs);
  const direct = withoutDetours(nodes, needs);
  const depth = Math.max(-1, ...layers.values()) + 1;
  const passes = passesOf(nodes, direct, layers, depth);
  /** @type {Row[]} */
  const rows = [];
  for (let layer = 0; layer < depth; layer++) {
    const steps = nodes.filter(({ id }) => layers.get(id) === layer).map(({ id }) => slot(id, false));
    rows.push(rowBelow(rows.at(-1), [...steps, ...[...passes[layer]].map((id) => slot(id, true))], direct));
  }
  return rows;
}

/** Needs that are there; one that would close a circle is left out. @param {Node[]} nodes */
function withoutCircles(nodes) {
  const known = new Map(nodes.map((node) => [node.id, node]));
  /** @type {Map<string, Set<string>>} */
  const needs = new Map();
  const open = new Set();
  /** @param {string} id */
  const visit = (id) => {
    open.add(id);
    const kept = new Set();
    needs.set(id, kept);
    for (const need of /** @type {Node} */ (known.get(id)).needs) {
      if (!known.has(need) || open.has(need)) continue;
      if (!needs.has(need)) visit(need);
      kept.add(need);
    }
    open.delete(id);
  };
  for (const { id } of nodes) if (!needs.has(id)) visit(id);
  return needs;
}

/** @param {Node[]} nodes @param {Map<string, Set<string>>} needs @returns {Map<string, number>} */
function layersOf(nodes, needs) {
  /** @type {Map<string, number>} */
  const layers = new Map();
  /** @param {string} id @returns {number} */
  const layer = (id) => {
    const known = layers.get(id);
    if (known !== undefined) return known;
    const found = Math.max(-1, ...[...(needs.get(id) ?? [])].map(layer)) + 1;
    layers.set(id, found);
    return found;
  };
  for (const { id } of nodes) layer(id);
  return layers;
}

/** Leaves out what goes without saying: a need of a need. @param {Node[]} nodes @param {Map<string, Set<string>>} needs */
function withoutDetours(nodes, needs) {
  /** @type {Map<string, Set<string>>} */
  const above = new Map();
  /** @param {string} id @returns {Set<string>} */
  const ancestors = (id) => {
    let all = above.get(id);
    if (all) return all;
    all = new Set(needs.get(id));
    for (const need of needs.get(id) ?? []) for (const each of ancestors(need)) all.add(each);
    above.set(id, all);
    return all;
  };
  return new Map(nodes.map(({ id }) => {
    const own = [...(needs.get(id) ?? [])];
    return [id, new Set(own.filter((need) => !own.some((other) => other !== need && ancestors(other).has(need))))];
  }));
}

/** For each layer the steps whose lines pass it. @param {Node[]} nodes @param {Map<string, Set<string>>} direct @param {Map<string, number>} layers @param {number} depth */
function passesOf(nodes, direct, layers, depth) {
  const passes = Array.from({ length: depth }, () => /** @type {Set<string>} */ (new Set()));
  for (const { id } of nodes) {
    for (const need of direct.get(id) ?? []) {
      for (let layer = (layers.get(need) ?? 0) + 1; layer < (layers.get(id) ?? 0); layer++) passes[layer].add(need);
    }
  }
  const count = passes.reduce((sum, each) => sum + each.size, 0);
  return count > MOST_PASSES ? passes.map(() => new Set()) : passes;
}

/**
 * A row in the order that crosses few lines: each slot below the middle of what leads to it.
 * @param {Row | undefined} above @param {Slot[]} slots @param {Map<string, Set<string>>} direct
 * @returns {Row}
 */
function rowBelow(above, slots, direct) {
  if (!above) return { slots: placed(slots), lines: [] };
  /** @param {Slot} slot */
  const sources = (slot) => above.slots.filter(({ id }) => (slot.passes ? id === slot.id : direct.get(slot.id)?.has(id)));
  const wanted = new Map(slots.map((slot) => [slot, middle(sources(slot))]));
  const ordered = placed(slots.toSorted((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0)));
  const lines = ordered.flatMap((slot) => sources(slot).map(({ x, id }) => ({ from: x, to: slot.x, of: id })));
  return { slots: ordered, lines };
}

/** @param {Slot[]} slots */
function middle(slots) {
  return slots.length ? slots.reduce((sum, { x }) => sum + x, 0) / slots.length : 0.5;
}

/** Beside each other over the whole width. @param {Slot[]} slots */
function placed(slots) {
  const whole = slots.reduce((sum, { weight }) => sum + weight, 0);
  let left = 0;
  for (const slot of slots) {
    slot.x = (left + slot.weight / 2) / whole;
    left += slot.weight;
  }
  return slots;
}

/** @param {string} id @param {boolean} passes @returns {Slot} */
function slot(id, passes) {
  return { id, passes, weight: passes ? PASS_WEIGHT : 1, x: 0 };
}
