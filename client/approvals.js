/** `<bellwire-approvals>`: lists the open approvals of the connected user. */

export { BellwireApprovals } from './approvals/bellwire-approvals.js';
