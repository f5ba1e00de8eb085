/** `<bellwire-start>`: lists what the connected user can start, each with its form. */

export { BellwireStart } from './start/bellwire-start.js';
