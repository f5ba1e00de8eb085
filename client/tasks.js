/** `<bellwire-tasks>`: lists the tasks of the connected user. */

export { BellwireTasks } from './tasks/bellwire-tasks.js';
