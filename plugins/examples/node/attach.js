// SPDX-License-Identifier: Apache-2.0

// Attaching: this process dials the core with its certificate, one frame goes each way, and from then on the core is the
// gRPC client on that connection, and this process serves.
'use strict';

const { once } = require('node:events');
const timers = require('node:timers/promises');
const tls = require('node:tls');
const grpc = require('@grpc/grpc-js');

const serverName = 'core.rhyzome.internal'; // in every core's certificate; a core may be reached at any address
const handshakeWithin = 10000; // milliseconds
const maxFrame = 65536;
const lost = 'the connection to the core was lost';

// dial connects to the core at HOST:PORT for one protocol of the attach port.
async function dial(address, protocol, options, signal) {
  const { hostname: host, port } = new URL(`tls://${address}`);
  const socket = tls.connect({
    host: host.replace(/^\[|\]$/g, ''), port, servername: serverName, ALPNProtocols: [protocol], minVersion: 'TLSv1.3', ...options,
  });
  socket.on('error', () => {}); // whoever waits is told; else close follows
  try {
    await once(socket, 'secureConnect', { signal });
    if (socket.alpnProtocol !== protocol) throw new Error('what answers is not a core: it does not speak ' + protocol);
    socket.setNoDelay(true);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

// greet sends the Hello and returns the Welcome. Not a byte behind the Welcome is taken from the socket.
async function greet(socket, hello, signal) {
  const body = Buffer.from(JSON.stringify(hello));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  socket.write(Buffer.concat([length, body]));
  const size = (await take(socket, 4, signal)).readUInt32BE();
  if (size > maxFrame) throw new Error(`a frame of ${size} bytes is larger than ${maxFrame}`);
  const welcome = JSON.parse(await take(socket, size, signal));
  if (welcome.error) throw new Error(`the core refused this provider: ${welcome.error.message} (${welcome.error.reason})`);
  return welcome;
}

// take reads exactly so many bytes.
async function take(socket, size, signal) {
  for (;;) {
    const bytes = socket.read(size);
    if (bytes) return bytes;
    if (socket.readableEnded || socket.destroyed) throw new Error('the core closed the connection');
    const stop = new AbortController(); // takes the listeners away that were not needed
    const either = { signal: AbortSignal.any([signal, stop.signal]) };
    await Promise.race([once(socket, 'readable', either), once(socket, 'end', either), once(socket, 'close', either)]);
    stop.abort();
  }
}

// serve attaches once, and returns when the connection has ended.
async function serve(server, address, protocol, member, hello, signal, attached) {
  const limit = AbortSignal.timeout(handshakeWithin);
  const socket = await dial(address, protocol, member.credentials(), limit);
  const close = () => socket.destroy();
  signal.addEventListener('abort', close);
  try {
    const welcome = await greet(socket, hello, limit);
    const closed = new Promise((resolve) => { socket.once('close', resolve); });
    server.createConnectionInjector(grpc.ServerCredentials.createInsecure()).injectConnection(socket); // TLS is below
    attached?.(welcome);
    await closed;
  } finally {
    signal.removeEventListener('abort', close);
    socket.destroy();
  }
}

// Pause waits between attempts, with full jitter: a thousand providers that lost their core together don't come back
// together.
class Pause {
  constructor() { this.failures = 0; }

  async wait(lived, signal) {
    if (lived >= 5000) this.failures = 0; // that was a good life
    const limit = Math.min(100 * 2 ** this.failures++, 5000);
    await timers.setTimeout(Math.random() * limit, undefined, { signal }).catch(() => {});
  }
}

// keep makes one kind of connection, again and again, until signal. It never gives up: what refuses a provider is mended on
// the other side. without is what the log says there is meanwhile.
async function keep(without, addresses, signal, session) {
  const pause = new Pause();
  let told = '';
  for (let i = 0; !signal.aborted; i++) {
    const address = addresses[i % addresses.length];
    const began = Date.now();
    let why = lost;
    try {
      await session(address);
    } catch (error) {
      why = error.name === 'AbortError' ? 'the core does not answer' : error.message;
    }
    if (signal.aborted) return;
    if (why === lost || why !== told) console.error(`${without} to ${address}: ${why}; trying again`);
    told = why;
    await pause.wait(Date.now() - began, signal);
  }
}

// keepAttached keeps the server attached to one of the cores, until signal. Each session has a second connection, for
// image content, that lives no longer than the first.
async function keepAttached(server, member, addresses, hello, signal) {
  const renewals = member.keepRenewed(addresses, dial, signal);
  await keep('not attached', addresses, signal, async (address) => {
    const end = new AbortController();
    const over = () => end.abort();
    signal.addEventListener('abort', over);
    let data;
    try {
      await serve(server, address, 'rhyzome-provider/1', member, hello, end.signal, (welcome) => {
        console.error(`attached to ${address}, version ${welcome.version} of the contract`);
        data = keep('no data connection', [address], end.signal, () => serve(server, address, 'rhyzome-data/1', member, hello, end.signal));
      });
    } finally {
      signal.removeEventListener('abort', over);
      end.abort();
      await data;
    }
  });
  await renewals;
}

module.exports = { dial, keepAttached };
