// SPDX-License-Identifier: Apache-2.0

// What a machine got when it joined: one file, identity.json, as Go's SDK writes it too.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const timers = require('node:timers/promises');
const { call } = require('./call');
const { certificateRequest } = require('./request');

const lookEvery = 60000; // milliseconds between looks at the certificate's age
const renewWithin = 30000;

const file = (directory) => path.join(directory, 'identity.json');
const pem = (kind, der) => `-----BEGIN ${kind}-----\n${der.toString('base64').replace(/(.{64})(?=.)/g, '$1\n')}\n-----END ${kind}-----\n`;
const certificates = (all) => all.map((der) => pem('CERTIFICATE', der)).join('');

// certified completes an identity with what a core signed for a key.
function certified(identity, key, { certificate_chain: chain, roots }) {
  return {
    ...identity, key: key.export({ type: 'pkcs8', format: 'pem' }), certificate: certificates(chain), roots: certificates(roots),
  };
}

// write puts an identity on disk: the whole of it, for nobody else to read, or nothing.
function write(directory, identity) {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const fresh = `${file(directory)}.new`;
  fs.rmSync(fresh, { force: true });
  const fd = fs.openSync(fresh, 'wx', 0o600);
  try {
    fs.writeSync(fd, `${JSON.stringify(identity, null, 2)}\n`);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(fresh, file(directory));
}

// machineID returns the stable id of this machine. Where the system has none, one is made and kept beside the identity.
function machineID(directory, given) {
  if (given) return given;
  const own = path.join(directory, 'machine-id');
  for (const candidate of ['/etc/machine-id', own]) {
    const id = fs.existsSync(candidate) ? fs.readFileSync(candidate, 'utf8').trim() : '';
    if (id) return id;
  }
  const id = crypto.randomBytes(16).toString('hex');
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  fs.writeFileSync(own, `${id}\n`, { mode: 0o600 });
  return id;
}

// Member is the identity while it lives.
class Member {
  static load(directory, machine) {
    if (!fs.existsSync(file(directory))) throw new Error(`this machine has not joined a cloud: there is no ${file(directory)}; join first`);
    const member = new Member();
    Object.assign(member, { directory, identity: JSON.parse(fs.readFileSync(file(directory), 'utf8')), machine: machineID(directory, machine) });
    return member;
  }

  // credentials are asked for at each connection, so that a renewed certificate is used.
  credentials() {
    return { key: this.identity.key, cert: this.identity.certificate, ca: this.identity.roots };
  }

  // due says whether half of the certificate's life is over.
  due() {
    const leaf = new crypto.X509Certificate(this.identity.certificate);
    const [begin, end] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
    return Date.now() >= begin + (end - begin) / 2;
  }

  // keepRenewed renews the certificate at half of its life, until signal.
  async keepRenewed(addresses, dial, signal) {
    for (let i = 0; !signal.aborted; i++) {
      if (this.due()) {
        await this.renew(addresses[i % addresses.length], dial).catch((error) => {
          console.error(`the certificate could not be renewed; trying again: ${error.message}`);
        });
      }
      await timers.setTimeout(lookEvery, undefined, { signal }).catch(() => {});
    }
  }

  // renew gets a certificate for a new key. The old one stays in use until the new one is on disk.
  async renew(address, dial) {
    const { privateKey, request } = certificateRequest(this.identity.provider_name);
    const limit = AbortSignal.timeout(renewWithin);
    const socket = await dial(address, 'h2', this.credentials(), limit);
    const answer = await call(socket, 'CoreService', 'Renew', { certificate_request: request }, limit);
    const identity = certified(this.identity, privateKey, answer);
    write(this.directory, identity);
    this.identity = identity;
    console.error('certificate renewed');
  }
}

module.exports = { Member, certified, write, machineID, file };
