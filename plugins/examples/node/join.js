// SPDX-License-Identifier: Apache-2.0

// Joining: a token, which an operator made for this machine, is exchanged for a certificate.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const timers = require('node:timers/promises');
const { dial } = require('./attach');
const { call } = require('./call');
const { certified, file, machineID, writeIdentity, writeWhole } = require('./identity');
const { certificateRequest, fingerprint, newKey } = require('./request');

const joinWithin = 30000; // milliseconds
const approvalEvery = 2000;
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

// joiningKey returns the key to join with: that of a join that did not end, so that its token can be used again.
function joiningKey(directory) {
  const name = joiningFile(directory);
  if (!fs.existsSync(name)) writeWhole(name, newKey().export({ type: 'pkcs8', format: 'pem' }));
  return crypto.createPrivateKey(fs.readFileSync(name));
}

const joiningFile = (directory) => path.join(directory, 'joining.key');

// enrol asks the first core that answers. A core is told the secret only after it has shown, on the connection that
// carries it, a certificate of the CA that the token names.
async function enrol(cores, token, message) {
  for (const [i, address] of cores.entries()) {
    try {
      const limit = AbortSignal.timeout(joinWithin);
      const ca = await findCA(address, token, limit);
      const socket = await dial(address, protocol, { ca }, limit);
      return await call(socket, 'JoinService', 'Enrol', { ...message, token: token.secret }, limit);
    } catch (error) {
      if (!away(error) || i === cores.length - 1) throw error;
    }
  }
  throw new Error('say where the core is: --core HOST:PORT');
}

const away = (error) => Boolean(error.syscall) || error.name === 'AbortError';

// redeem exchanges the token for a certificate. It waits while an operator has to approve the key.
async function redeem(cores, token, key, message) {
  for (let waiting = false; ; waiting = true) {
    try {
      return await enrol(cores, token, message);
    } catch (error) {
      if (error.reason !== 'APPROVAL_PENDING' && !(waiting && away(error))) throw error;
      if (!waiting) {
        console.log(`this machine's key is ${fingerprint(key)}; waiting for an operator who compares it with rhyzome provider get, and lets it in: rhyzome provider approve`);
      }
      await timers.setTimeout(approvalEvery);
    }
  }
}

// final are the refusals after which the key is of no use any more.
const final = ['TOKEN_INVALID', 'TOKEN_EXPIRED', 'TOKEN_USED', 'TOKEN_MISMATCH', 'INVALID_FIELD'];

// join enrols this machine. The key is made here, and stays.
async function join({ core, 'token-file': tokenFile, 'state-dir': directory, 'machine-id': given }, { name: plugin, services }) {
  if (fs.existsSync(file(directory))) throw new Error(`this machine has joined already: ${file(directory)}`);
  const token = parse(fs.readFileSync(tokenFile === '-' ? 0 : tokenFile, 'utf8'));
  const message = { machine_id: machineID(directory, given), plugin, services };
  const key = joiningKey(directory);
  try {
    const answer = await redeem(core, token, key, { ...message, certificate_request: certificateRequest(plugin, key) });
    writeIdentity(directory, certified({ provider_id: answer.provider_id, provider_name: answer.provider_name, core }, key, answer));
    fs.rmSync(joiningFile(directory));
    console.log(`joined as provider ${answer.provider_name}; key and certificate are in ${file(directory)}`);
  } catch (error) {
    if (final.includes(error.reason)) fs.rmSync(joiningFile(directory));
    throw error;
  }
}

module.exports = { join };
