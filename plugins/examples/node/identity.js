// SPDX-License-Identifier: Apache-2.0

// What a machine got when it joined: one file, identity.json, as Go's SDK writes it too.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const timers = require('node:timers/promises');
const { call } = require('./call');
const { certificateRequest, newKey } = require('./request');

// Milliseconds.
const lookEvery = 1000; // at the certificate's age; often, because clocks jump
const renewAgain = 60000;
const renewExpiredAgain = 5000; // until it is renewed, this provider cannot attach
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

const writeIdentity = (directory, identity) => writeWhole(file(directory), `${JSON.stringify(identity, null, 2)}\n`);

// writeWhole puts a secret on disk: the whole of it, for nobody else to read, or nothing.
function writeWhole(name, text) {
  fs.mkdirSync(path.dirname(name), { recursive: true, mode: 0o700 });
  const fresh = `${name}.new`;
  fs.rmSync(fresh, { force: true });
  const fd = fs.openSync(fresh, 'wx', 0o600);
  try {
    fs.writeSync(fd, text);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(fresh, name);
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
    const identity = JSON.parse(fs.readFileSync(file(directory), 'utf8'));
    Object.assign(member, { directory, identity, machine: machineID(directory, machine), coreTime: 0 });
    return member;
  }

  // credentials are asked for at each connection, so that a renewed certificate is used.
  credentials() {
    return { key: this.identity.key, cert: this.identity.certificate, ca: this.identity.roots };
  }

  // saw takes note of a core's time: this machine's clock may be behind it.
  saw(coreTime) {
    this.coreTime = Math.max(this.coreTime, Date.parse(coreTime) || 0);
  }

  now() { return Math.max(Date.now(), this.coreTime); }

  // life returns when the certificate begins and ends.
  life() {
    const leaf = new crypto.X509Certificate(this.identity.certificate);
    return [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  }

  // due says whether half of the certificate's life is over.
  due() {
    const [begin, end] = this.life();
    return this.now() >= begin + (end - begin) / 2;
  }

  // expired says whether the certificate is too old to attach with.
  expired() { return this.now() > this.life()[1]; }

  // keepRenewed renews the certificate at half of its life, and when it expired because this machine or the cores were away
  // for long, until signal.
  async keepRenewed(addresses, dial, signal) {
    let told = '';
    for (let i = 0; !signal.aborted;) {
      let pause = lookEvery;
      if (this.due()) {
        try {
          await this.renew(addresses[i++ % addresses.length], dial);
          told = '';
        } catch ({ message }) {
          if (message !== told) console.error(`the certificate could not be renewed; trying again: ${message}`);
          told = message;
          pause = this.expired() ? renewExpiredAgain : renewAgain;
        }
      }
      await timers.setTimeout(pause, undefined, { signal }).catch(() => {});
    }
  }

  // renew gets a certificate for a new key. The old one stays in use until the new one is on disk. One that expired opens
  // another door, for 90 days.
  async renew(address, dial) {
    const key = newKey();
    const message = { certificate_request: certificateRequest(this.identity.provider_name, key) };
    const limit = AbortSignal.timeout(renewWithin);
    let answer;
    if (this.expired()) {
      const socket = await dial(address, 'rhyzome-join/1', this.credentials(), limit);
      answer = await call(socket, 'JoinService', 'RenewExpired', { ...message, machine_id: this.machine }, limit);
    } else {
      const socket = await dial(address, 'h2', this.credentials(), limit);
      answer = await call(socket, 'CoreService', 'Renew', message, limit);
    }
    const identity = certified(this.identity, key, answer);
    writeIdentity(this.directory, identity);
    this.identity = identity;
    console.error('certificate renewed');
  }
}

module.exports = { Member, certified, writeIdentity, writeWhole, machineID, file };
