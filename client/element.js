/** What the components need to make elements. */

/** @param {string} tag @param {string} name its class */
export function make(tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  return made;
}

/** Takes over a property that was set before the component's script had come. @param {any} host @param {string} property */
export function takeEarly(host, property) {
  if (!Object.hasOwn(host, property)) return;
  const value = host[property];
  delete host[property];
  host[property] = value;
}
