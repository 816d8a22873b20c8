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

// greet sends the Hello and returns the Welcome, which may be a refusal. Not a byte behind the Welcome is taken from the socket.
async function greet(socket, hello, signal) {
  const body = Buffer.from(JSON.stringify(hello));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  socket.write(Buffer.concat([length, body]));
  const size = (await take(socket, 4, signal)).readUInt32BE();
  if (size > maxFrame) throw new Error(`a frame of ${size} bytes is larger than ${maxFrame}`);
  return JSON.parse(await take(socket, size, signal));
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
    member.saw(welcome.core_time); // also if it refuses: so a machine learns that its certificate expired
    if (welcome.error) throw new Error(`the core refused this provider: ${welcome.error.message} (${welcome.error.reason})`);
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
async function keep(without, address, signal, session) {
  const pause = new Pause();
  let told = '';
  while (!signal.aborted) {
    const began = Date.now();
    let why = lost;
    try {
      await session();
    } catch (error) {
      why = error.name === 'AbortError' ? 'the core does not answer' : error.message;
    }
    if (signal.aborted) return;
    if (why === lost || why !== told) console.error(`${without} to ${address}: ${why}; trying again`);
    told = why;
    await pause.wait(Date.now() - began, signal);
  }
}

// keepAttached keeps the server attached to every one of the cores, until signal. A core that is away disturbs no other. Of
// two addresses of one core, one stands by: the core says so, and goes on to be asked.
async function keepAttached(server, member, addresses, hello, signal) {
  const cores = [...new Set(addresses)];
  await Promise.all([
    member.keepRenewed(cores, dial, signal),
    ...cores.map((core) => keepSession(server, member, core, { ...hello, core }, signal)),
  ]);
}

// keepSession keeps the server attached to one core. Each session has a second connection, for image content, that lives no
// longer than the first.
async function keepSession(server, member, address, hello, signal) {
  await keep('not attached', address, signal, async () => {
    const end = new AbortController();
    const over = () => end.abort();
    signal.addEventListener('abort', over);
    let data;
    try {
      await serve(server, address, 'rhyzome-provider/1', member, hello, end.signal, (welcome) => {
        console.error(`attached to ${address}, version ${welcome.version} of the contract`);
        data = keep('no data connection', address, end.signal, () => serve(server, address, 'rhyzome-data/1', member, hello, end.signal));
      });
    } finally {
      signal.removeEventListener('abort', over);
      end.abort();
      await data;
    }
  });
}

module.exports = { dial, keepAttached };
