/** The page's elements by their id. */

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id @param {new () => T} [type] the element's class
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!element || (type && !(element instanceof type))) throw new TypeError(`the page has no such element: ${id}`);
  return /** @type {T} */ (element);
}

/** @param {string} id */
export const input = (id) => byId(id, HTMLInputElement);
/** @param {string} id */
export const select = (id) => byId(id, HTMLSelectElement);
/** @param {string} id */
export const form = (id) => byId(id, HTMLFormElement);
