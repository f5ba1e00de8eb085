/** `<bellwire-schedules>`: lists what starts by itself for the connected user, to be paused and started now. */

export { BellwireSchedules } from './schedules/bellwire-schedules.js';
