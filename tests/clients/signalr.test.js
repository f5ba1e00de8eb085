// SignalR's clients.
import { matrix } from './matrix.js';
import { rows } from './rows.js';
import { sentences } from './sentences.js';

const name = ({ client, transport, encoding }) => `${client}, ${transport}, ${encoding}`;
matrix('SignalR’s clients', rows, sentences, name, (needs, row) => row.can.includes(needs));
