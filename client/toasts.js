/** `<bellwire-toasts>`: shows toasts in a corner of the page. */

export { BellwireToasts } from './toasts/bellwire-toasts.js';
