/** `lossless`: a SignalR connection that resumes after its last event. */

export { lossless } from './module/signalr.js';
