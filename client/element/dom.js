/** Making and changing DOM elements. */

/** @template {keyof HTMLElementTagNameMap} Tag @param {Tag} tag @param {string} className */
export function make(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

/**
 * A button of type `button`.
 * @param {string} className @param {string} label @param {() => void} onClick
 */
export function makeButton(className, label, onClick) {
  const button = make('button', className);
  button.type = 'button';
  button.textContent = label;
  button.addEventListener('click', onClick);
  return button;
}

/** Sets a text only if it differs, so that screen readers do not repeat it. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Marks elements as busy or not, instead of `disabled`, which would drop the focus. @param {boolean} busy @param {Element[]} elements */
export function setBusy(busy, ...elements) {
  for (const element of elements) element.ariaBusy = busy ? 'true' : null;
}

/** An error's message for people. @param {unknown} error */
export function errorMessage(error) {
  return error instanceof Error ? error.message : String(error);
}
