import { createApp, h, ref } from 'vue';
import { TaskLine, Toasts } from '../../../../client/examples/vue.js';

const [id, isShown] = [ref('a'), ref(true)];
Object.assign(window, { setId: (next) => (id.value = next), setShown: (next) => (isShown.value = next) });
const { connection } = window;
createApp(() => isShown.value && [h(TaskLine, { connection, id: id.value }), h(Toasts, { connection })])
  .mount(document.body.appendChild(document.createElement('main')));
