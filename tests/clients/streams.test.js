// Clients of server-sent events.
import { matrix } from './matrix.js';
import { rows } from './stream-rows.js';
import { sentences } from './stream-sentences.js';

matrix('clients of server-sent events', rows, sentences, ({ client }) => client, (needs, _row, way) => needs in way.prototype);
