/** What somebody writes against JavaScript's clients of server-sent events; the same text runs in Node and in a page. */

/** An EventSource has no listener for all types. */
const TYPES = ['tests.number', 'bellwire.message'];

/**
 * Opens a stream by the client of this name, tells what it hears, and answers how to stop it.
 * `libraries` is what the client's package exports; `after` a cursor, where one is known already.
 */
export function open(name, libraries, { events, tokens, after }, tell) {
  const token = () => fetch(tokens).then((answer) => answer.text());
  const stream = { events, token, after, tell };
  return name === 'fetch-event-source' ? byFetch(libraries, stream) : byEventSource(makers[name](libraries, token), stream);
}

const makers = {
  // Its own way back asks for a fresh token too.
  eventsource: ({ EventSource }, token) => async (url) => new EventSource(url, {
    fetch: async (input, init) => fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${await token()}` } }),
  }),
  'event-source-polyfill': ({ EventSourcePolyfill }, token) => async (url) =>
    new EventSourcePolyfill(url, { headers: { authorization: `Bearer ${await token()}` } }),
  // It can set no header.
  EventSource: ({ EventSource }, token) => async (url) => new EventSource(`${url}&access_token=${await token()}`),
};

async function byEventSource(make, { events, after, tell }) {
  let cursor = after ?? 'now';
  let source, again;
  const start = async () => {
    source = await make(`${events}?after=${cursor}`);
    let knowsPlace = false;
    for (const type of TYPES) {
      source.addEventListener(type, ({ data, lastEventId }) => {
        tell('event', JSON.parse(data));
        cursor = lastEventId;
      });
    }
    source.addEventListener('gap', ({ data }) => tell('gap', JSON.parse(data).reason));
    // It is the stream's first event: from here on nothing can be missed.
    source.addEventListener('cursor', ({ lastEventId }) => {
      cursor = lastEventId;
      if (!knowsPlace) tell('state', { state: 'connected' });
      knowsPlace = true;
    });
    source.onopen = () => (knowsPlace = false);
    source.onerror = () => {
      tell('state', { state: 'away' });
      // It comes back by itself, but not after an answer that is no stream: 401, or a load balancer's 503.
      if (source.readyState === source.CLOSED) again = setTimeout(start, 500);
    };
  };
  await start();
  return {
    stop: () => {
      clearTimeout(again);
      source.close();
    },
  };
}

function byFetch({ fetchEventSource }, { events, token, after, tell }) {
  let knowsPlace = false;
  const stop = new AbortController();
  fetchEventSource(events, {
    signal: stop.signal,
    headers: after ? { 'last-event-id': after } : {},
    // Its headers are those of its beginning, but for the last id.
    fetch: async (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${await token()}` } }),
    onopen: async ({ ok, status }) => {
      if (!ok) throw new Error(`the gateway answered ${status}`);
      knowsPlace = false;
    },
    onmessage: ({ event, data }) => {
      if (event === 'gap') tell('gap', JSON.parse(data).reason);
      else if (data) tell('event', JSON.parse(data));
      else if (event === 'cursor' && !knowsPlace) {
        knowsPlace = true;
        tell('state', { state: 'connected' });
      }
    },
    // It ends for good with the stream, unless this throws.
    onclose: () => {
      throw new Error('the stream has ended');
    },
    onerror: ({ message }) => void tell('state', { state: 'away', reason: message }),
  });
  return { stop: () => stop.abort() };
}
