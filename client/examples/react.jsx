/**
 * Bellwire in React: a task that keeps itself up to date, and toasts in a look of your own. Copy it and change what you like.
 *
 * ```jsx
 * const connection = connect({ url: 'https://bellwire.example', token: () => fetch('/my/token').then((answer) => answer.text()) });
 * const App = () => <><TaskLine connection={connection} id={id} /><Toasts connection={connection} /></>;
 * ```
 *
 * The connection lives as long as the page and outside of React: components come and go, a stream need not.
 */

import { useEffect, useState } from 'react';
import { toastName, watchTask } from '@bellwire/client';

/** The most toasts that are shown at once. */
const MAX_TOASTS = 5;

/** A task, from its start to its end; null until it is known. */
export function useTask(connection, id) {
  const [task, setTask] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    setTask(null);
    watchTask(connection, id, setTask, { signal: stop.signal });
    return () => stop.abort();
  }, [connection, id]);
  return task;
}

/** The toasts for this tab, oldest first, and how to dismiss one in all tabs. While nothing uses it they wait, or go to other tabs. */
export function useToasts(connection) {
  const [toasts, setToasts] = useState([]);
  const remove = (name) => setToasts((all) => all.filter((toast) => toast.name !== name));
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    connection.addEventListener('toast', ({ detail: { toast, event } }) => {
      const name = toastName(event);
      setToasts((all) => [...all.filter((each) => each.name !== name), { ...toast, name }].slice(-MAX_TOASTS));
    }, { signal });
    connection.addEventListener('dismissed', ({ detail }) => remove(detail.name), { signal });
    return () => stop.abort();
  }, [connection]);
  const dismiss = (name) => {
    connection.dismiss(name);
    remove(name);
  };
  return { toasts, dismiss };
}

export function TaskLine({ connection, id }) {
  const task = useTask(connection, id);
  if (!task) return <p>…</p>;
  return <p>{task.title}: {task.state === 'running' ? <progress value={task.progress} /> : task.state}</p>;
}

export function Toasts({ connection }) {
  const { toasts, dismiss } = useToasts(connection);
  return (
    <ul role="status">
      {toasts.map(({ name, level, title, body }) => (
        <li key={name} className={level}>
          <strong>{title}</strong> {body} <button onClick={() => dismiss(name)} aria-label={`Dismiss: ${title}`}>×</button>
        </li>
      ))}
    </ul>
  );
}
