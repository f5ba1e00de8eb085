/** What somebody writes against SignalR's JavaScript client; the same text runs in Node and in a page. */

/**
 * Connects, and tells what it hears.
 * `comesBack` is how: by SignalR `alone`, with the cursor in the `url`, by invoking `Resume`, or by the `wrapper`.
 */
export async function open({ signalR, MessagePackHubProtocol, lossless }, asked, tell) {
  const { hub, tokens, transport, encoding, comesBack, skipNegotiation, statefulReconnect, serverTimeout } = asked;
  const builder = new signalR.HubConnectionBuilder().configureLogging({
    log: (level, text) => level >= signalR.LogLevel.Warning && tell('log', text),
  });
  if (encoding === 'MessagePack') builder.withHubProtocol(new MessagePackHubProtocol());
  if (statefulReconnect) builder.withStatefulReconnect();
  if (serverTimeout) builder.withServerTimeout(serverTimeout);
  const options = {
    accessTokenFactory: () => fetch(tokens).then((answer) => answer.text()),
    transport: signalR.HttpTransportType[transport],
    skipNegotiation,
  };
  const connection = comesBack === 'wrapper' ? lossless(builder, hub, options) : plain(builder, hub, options, comesBack);
  connection.on('event', (event) => void tell('event', event));
  if (comesBack !== 'alone') connection.on('gap', (reason) => void tell('gap', reason));
  if (comesBack !== 'alone') connection.on('cursor', (cursor) => void tell('cursor', cursor));
  connection.onreconnecting((error) => tell('state', { state: 'away', reason: String(error ?? '') }));
  connection.onreconnected(() => tell('state', { state: 'connected' }));
  connection.onclose((error) => tell('state', { state: 'closed', reason: String(error ?? '') }));
  await connection.start();
  tell('state', { state: 'connected' });
  return connection;
}

function plain(builder, hub, options, comesBack) {
  const again = { nextRetryDelayInMilliseconds: () => 200 };
  const connection = builder.withUrl(comesBack === 'alone' ? hub : `${hub}?after=now`, options).withAutomaticReconnect(again).build();
  if (comesBack === 'url') withCursorInUrl(connection, hub);
  if (comesBack === 'Resume') withResume(connection);
  return connection;
}

function withCursorInUrl(connection, hub) {
  let cursor = 'now';
  connection.on('event', (event) => void (cursor = event.cursor));
  connection.on('cursor', (place) => void (cursor = place));
  connection.onreconnecting(() => {
    connection.baseUrl = `${hub}?after=${cursor}`;
  });
}

/** Back on the URL of `now`, new events may come before the old ones are asked for: these then come again. */
function withResume(connection) {
  let cursor, left;
  connection.on('event', (event) => void (cursor = event.cursor));
  connection.on('cursor', (place) => void (cursor = place));
  connection.onreconnecting(() => {
    left ??= cursor;
  });
  connection.onreconnected(async () => {
    await connection.invoke('Resume', left);
    left = undefined;
  });
}
