// SPDX-License-Identifier: Apache-2.0

// One call to the core, over a socket whose TLS handshake is done. grpc-js insists on making the connection itself, and
// on ALPN h2; but a unary gRPC call is one HTTP/2 request.
'use strict';

const http2 = require('node:http2');
const { definitions, reasonOf } = require('./contract');

// call calls a method of a service of the contract, and closes the socket. An error that the core answered has its reason.
async function call(socket, service, method, message, signal) {
  const { path, requestSerialize, responseDeserialize } = definitions[`rhyzome.provider.v1.${service}`][method];
  const session = http2.connect('http://core.rhyzome.internal', { createConnection: () => socket });
  try {
    const body = requestSerialize(message);
    const head = Buffer.alloc(5); // not compressed, and the length
    head.writeUInt32BE(body.length, 1);
    const { headers, content } = await request(session, path, Buffer.concat([head, body]), signal);
    if (headers['grpc-status'] !== '0') {
      const message = decodeURIComponent(headers['grpc-message'] ?? `status ${headers['grpc-status']}`);
      throw Object.assign(new Error(`the core refused: ${message}`), { reason: reasonOf(headers['grpc-status-details-bin']) });
    }
    return responseDeserialize(content.subarray(5));
  } finally {
    session.destroy();
    socket.destroy();
  }
}

// request makes the request, and returns the headers, trailers among them, and the content of the answer.
function request(session, path, body, signal) {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    session.on('close', () => reject(new Error('the core closed the connection')));
    const stream = session.request(
      { ':method': 'POST', ':path': path, ':scheme': 'http', 'content-type': 'application/grpc', te: 'trailers' }, { signal },
    );
    const headers = {};
    const chunks = [];
    stream.on('response', (all) => Object.assign(headers, all));
    stream.on('trailers', (all) => Object.assign(headers, all));
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => resolve({ headers, content: Buffer.concat(chunks) }));
    stream.end(body);
  });
}

module.exports = { call };
