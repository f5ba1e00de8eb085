/**
 * Bellwire in Vue: a task that keeps itself up to date, and toasts in a look of your own. Copy it and change what you like.
 *
 * ```js
 * const connection = connect({ url: 'https://bellwire.example', token: () => fetch('/my/token').then((answer) => answer.text()) });
 * createApp(() => [h(TaskLine, { connection, id }), h(Toasts, { connection })]).mount('#app');
 * ```
 *
 * The connection lives as long as the page and outside of Vue: components come and go, a stream need not.
 */

import { h, onScopeDispose, shallowRef, toValue, watchEffect } from 'vue';
import { toastName, watchTask } from '@bellwire/client';

/** The most toasts that are shown at once. */
const MAX_TOASTS = 5;

/** A task, from its start to its end; null until it is known. The id may be a ref or a getter. */
export function useTask(connection, id) {
  const task = shallowRef(null);
  watchEffect((onCleanup) => {
    const stop = new AbortController();
    onCleanup(() => stop.abort());
    task.value = null;
    watchTask(connection, toValue(id), (next) => (task.value = next), { signal: stop.signal });
  });
  return task;
}

/** The toasts for this tab, oldest first, and how to dismiss one in all tabs. While nothing uses it they wait, or go to other tabs. */
export function useToasts(connection) {
  const toasts = shallowRef([]);
  const remove = (name) => (toasts.value = toasts.value.filter((toast) => toast.name !== name));
  const stop = new AbortController();
  const { signal } = stop;
  connection.addEventListener('toast', ({ detail: { toast, event } }) => {
    const name = toastName(event);
    toasts.value = [...toasts.value.filter((each) => each.name !== name), { ...toast, name }].slice(-MAX_TOASTS);
  }, { signal });
  connection.addEventListener('dismissed', ({ detail }) => remove(detail.name), { signal });
  onScopeDispose(() => stop.abort());
  const dismiss = (name) => {
    connection.dismiss(name);
    remove(name);
  };
  return { toasts, dismiss };
}

export const TaskLine = {
  props: ['connection', 'id'],
  setup(props) {
    const task = useTask(props.connection, () => props.id);
    const words = ({ title, state, progress }) => [`${title}: `, state === 'running' ? h('progress', { value: progress }) : state];
    return () => h('p', task.value ? words(task.value) : '…');
  },
};

export const Toasts = {
  props: ['connection'],
  setup({ connection }) {
    const { toasts, dismiss } = useToasts(connection);
    return () => h('ul', { role: 'status' }, toasts.value.map(({ name, level, title, body }) => h('li', { key: name, class: level }, [
      h('strong', title), ' ', body, ' ', h('button', { onClick: () => dismiss(name), ariaLabel: `Dismiss: ${title}` }, '×'),
    ])));
  },
};
