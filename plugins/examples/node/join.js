// SPDX-License-Identifier: Apache-2.0

// Joining: a token, which an operator made for this machine, is exchanged for a certificate.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const { dial } = require('./attach');
const { call } = require('./call');
const { certified, file, machineID, write } = require('./identity');
const { certificateRequest } = require('./request');

const joinWithin = 30000; // milliseconds
const protocol = 'rhyzome-join/1';

// parse reads a token: rhyzome-join-1.FINGERPRINT.SECRET, the fingerprint being the SHA-256 of the core's CA.
function parse(text) {
  const [kind, fingerprint, secret, ...more] = text.trim().split('.');
  const ca = Buffer.from(fingerprint ?? '', 'base64url');
  if (kind !== 'rhyzome-join-1' || ca.length !== 32 || !secret || more.length > 0) throw new Error('this is not a join token: it should look like rhyzome-join-1.….…');
  return { ca, secret };
}

// findCA returns the CA that a token names, which the core at an address shows. Nothing is sent on this connection.
async function findCA(address, token, signal) {
  const socket = await dial(address, protocol, { rejectUnauthorized: false }, signal);
  const seen = new Set();
  let certificate = socket.getPeerCertificate(true);
  socket.destroy();
  for (; certificate && !seen.has(certificate.fingerprint256); certificate = certificate.issuerCertificate) {
    if (crypto.createHash('sha256').update(certificate.raw).digest().equals(token.ca)) return new crypto.X509Certificate(certificate.raw).toString();
    seen.add(certificate.fingerprint256);
  }
  throw new Error('the core at this address is not the one that made the token: its CA is another one');
}

// join enrols this machine. The key is made here; the core is told the secret only after it has shown, on the connection
// that carries it, a certificate of the CA that the token names.
async function join({ core, 'token-file': tokenFile, 'state-dir': directory, 'machine-id': given }, plugin) {
  if (fs.existsSync(file(directory))) throw new Error(`this machine has joined already: ${file(directory)}`);
  const token = parse(fs.readFileSync(tokenFile === '-' ? 0 : tokenFile, 'utf8'));
  const machine = machineID(directory, given);
  const { privateKey, request } = certificateRequest(plugin);
  const limit = AbortSignal.timeout(joinWithin);
  const ca = await findCA(core[0], token, limit);
  const socket = await dial(core[0], protocol, { ca }, limit);
  const answer = await call(socket, 'JoinService', 'Enrol', { token: token.secret, certificate_request: request, machine_id: machine, plugin }, limit);
  const identity = { provider_id: answer.provider_id, provider_name: answer.provider_name, core };
  write(directory, certified(identity, privateKey, answer));
  console.log(`joined as provider ${answer.provider_name}; key and certificate are in ${file(directory)}`);
}

module.exports = { join };
