/** SignalR's JavaScript client in Node; `tell` hears what it tells, by default the ear. */

import * as signalR from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';

import { lossless } from '../../client/signalr.js';
import { Ear } from './ear.js';
import { open } from './programs/javascript.js';

export async function connect(asked) {
  const ear = new Ear();
  const connection = await open({ signalR, MessagePackHubProtocol, lossless }, asked, asked.tell ?? ear.tell);
  return { ear, invoke: (method, ...words) => connection.invoke(method, ...words), stop: () => connection.stop() };
}
