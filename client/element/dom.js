/** What the components need to make elements. */

/** @param {string} tag @param {string} name its class */
export function make(tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  return made;
}

/** Writes a text where it says something else: what is the same is not read out again. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** What went wrong, for people. @param {unknown} error */
export function wordsOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** Takes over a property that was set before the component's script had come. @param {any} host @param {string} property */
export function takeEarly(host, property) {
  if (!Object.hasOwn(host, property)) return;
  const value = host[property];
  delete host[property];
  host[property] = value;
}
