// SPDX-License-Identifier: Apache-2.0

// A certificate request (PKCS #10, RFC 2986), which Node has no function for. It is short enough to write as DER.
'use strict';

const crypto = require('node:crypto');

// der encodes one element: its tag, its length, and its content.
function der(tag, ...content) {
  const body = Buffer.concat(content);
  if (body.length < 128) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  const short = length.subarray(length.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([tag, 0x80 | short.length]), short, body]);
}

const sequence = (...content) => der(0x30, ...content);
const commonName = der(0x06, Buffer.from('550403', 'hex')); // 2.5.4.3
const ecdsaWithSHA256 = sequence(der(0x06, Buffer.from('2a8648ce3d040302', 'hex'))); // 1.2.840.10045.4.3.2

// newKey makes a key that a core takes.
const newKey = () => crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

const publicKey = (key) => crypto.createPublicKey(key).export({ type: 'spki', format: 'der' });

// fingerprint is how people recognise a key.
function fingerprint(key) {
  return `SHA256:${crypto.createHash('sha256').update(publicKey(key)).digest('base64').replace(/=+$/, '')}`;
}

// certificateRequest makes the request for the certificate of a key. The core decides what the certificate says; a name in
// it is for people.
function certificateRequest(name, key) {
  const info = sequence(
    der(0x02, Buffer.from([0])), // version
    sequence(der(0x31, sequence(commonName, der(0x0c, Buffer.from(name))))),
    publicKey(key),
    der(0xa0), // no attributes
  );
  const signature = der(0x03, Buffer.from([0]), crypto.sign('sha256', info, key));
  return sequence(info, ecdsaWithSHA256, signature);
}

module.exports = { certificateRequest, fingerprint, newKey };
