import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { TaskLine, Toasts } from '../../../../client/examples/react.jsx';

function App() {
  const [id, setId] = useState('a');
  const [isShown, setShown] = useState(true);
  Object.assign(window, { setId, setShown });
  if (!isShown) return null;
  return <><TaskLine connection={window.connection} id={id} /><Toasts connection={window.connection} /></>;
}

createRoot(document.body.appendChild(document.createElement('main'))).render(<StrictMode><App /></StrictMode>);
