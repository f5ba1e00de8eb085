import { breaks } from './breaks.js';
import { doing } from './doing.js';
import { Scene } from './scene.js';

const scene = new Scene('node');
doing(scene);
breaks(scene);
