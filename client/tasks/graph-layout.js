/**
 * The layout of a run's steps in rows, each step below all that it needs. Needs of unknown steps and in circles are
 * dropped.
 *
 * A line that passes a row without ending in it gets a narrow slot there, so lines never cross a step. All positions are
 * fractions of the width: nothing has to be measured.
 */

/** More steps are laid out as a plain list: such a graph is unreadable. */
const MAX_STEPS = 100;
/** With more slots for passing lines the long lines are left out; each step still names what it needs. */
const MAX_PASSES = 200;
const PASS_WEIGHT = 0.15;

/** @typedef {{ id: string, needs: string[] }} Node */
/** @typedef {{ id: string, passes: boolean, weight: number, x: number }} Slot `x` is its centre, from 0 to 1 */
/** @typedef {{ from: number, to: number, source: string }} Line from the row above to this one; `source` is the step where it starts */
/** @typedef {{ slots: Slot[], lines: Line[] }} Row */

/**
 * The rows from first to last, each with the lines into it.
 * @param {Node[]} nodes each id once
 * @returns {Row[]}
 */
export function layoutGraph(nodes) {
  if (nodes.length > MAX_STEPS) return nodes.map(({ id }) => ({ slots: setPositions([slot(id, false)]), lines: [] }));
  const needs = acyclicNeeds(nodes);
  const layers = layersOf(nodes, needs);
  const direct = directNeeds(nodes, needs);
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

/** The needs of known steps, without those that would close a circle. @param {Node[]} nodes */
function acyclicNeeds(nodes) {
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

/** Drops needs that follow from other needs. @param {Node[]} nodes @param {Map<string, Set<string>>} needs */
function directNeeds(nodes, needs) {
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

/** For each layer, the steps whose lines pass it. @param {Node[]} nodes @param {Map<string, Set<string>>} direct @param {Map<string, number>} layers @param {number} depth */
function passesOf(nodes, direct, layers, depth) {
  const passes = Array.from({ length: depth }, () => /** @type {Set<string>} */ (new Set()));
  for (const { id } of nodes) {
    for (const need of direct.get(id) ?? []) {
      for (let layer = (layers.get(need) ?? 0) + 1; layer < (layers.get(id) ?? 0); layer++) passes[layer].add(need);
    }
  }
  const count = passes.reduce((sum, each) => sum + each.size, 0);
  return count > MAX_PASSES ? passes.map(() => new Set()) : passes;
}

/**
 * A row ordered so that few lines cross: each slot below the centre of its sources.
 * @param {Row | undefined} above @param {Slot[]} slots @param {Map<string, Set<string>>} direct
 * @returns {Row}
 */
function rowBelow(above, slots, direct) {
  if (!above) return { slots: setPositions(slots), lines: [] };
  /** @param {Slot} slot */
  const sources = (slot) => above.slots.filter(({ id }) => (slot.passes ? id === slot.id : direct.get(slot.id)?.has(id)));
  const centres = new Map(slots.map((slot) => [slot, centre(sources(slot))]));
  const ordered = setPositions(slots.toSorted((a, b) => (centres.get(a) ?? 0) - (centres.get(b) ?? 0)));
  const lines = ordered.flatMap((slot) => sources(slot).map(({ x, id }) => ({ from: x, to: slot.x, source: id })));
  return { slots: ordered, lines };
}

/** @param {Slot[]} slots */
function centre(slots) {
  return slots.length ? slots.reduce((sum, { x }) => sum + x, 0) / slots.length : 0.5;
}

/** Sets the position of each slot over the whole width. @param {Slot[]} slots */
function setPositions(slots) {
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
