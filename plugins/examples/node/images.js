// SPDX-License-Identifier: Apache-2.0

// The capability "images": content that the core pushes, named by its SHA-256.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { Fault, Violations } = require('./contract');
const validate = require('./validate');

const maxChunk = 2 ** 20;
const whole = '.image';
const part = '.part';
const ours = /^[0-9a-f]{64}\.(image|part)$/;

class Images {
  constructor(engine) {
    this.engine = engine;
    this.backend = engine.backend;
    this.writing = new Map(); // the last PutImage of a digest: they go one after the other
  }

  get(sum) {
    this.engine.accepts();
    validate.digest(sum);
    const found = this.look(sum);
    if (!found) throw new Fault('NO_SUCH_OBJECT', `there is no image ${sum}`);
    return found;
  }

  look(sum) {
    for (const ending of [part, whole]) { // in the order in which content moves
      const info = fs.statSync(this.backend.path(sum, ending), { throwIfNoEntry: false });
      if (info) return { sha256: sum, size_bytes: String(info.size), offset_bytes: String(info.size), ready: ending === whole };
    }
    this.backend.check();
    return undefined;
  }

  list() {
    this.engine.accepts();
    return fs.readdirSync(this.backend.directory).filter((name) => ours.test(name))
      .map((name) => this.look(path.parse(name).name)).filter((image) => image !== undefined);
  }

  delete(sum) {
    this.engine.accepts();
    validate.digest(sum);
    const user = this.backend.list().find((record) => record.images.includes(sum));
    if (user) throw new Fault('IN_USE', `instance ${user.id} stands on image ${sum}`);
    fs.rmSync(this.backend.path(sum, part), { force: true });
    fs.rmSync(this.backend.path(sum, whole), { force: true });
  }

  // put takes the messages of a PutImage.
  async put(messages) {
    const reader = messages[Symbol.asyncIterator]();
    const first = await reader.next();
    this.engine.accepts();
    const header = first.value?.header;
    checkHeader(header);
    const before = this.writing.get(header.sha256);
    const write = (async () => {
      await before?.catch(() => {}); // its own caller was told
      return this.write(header, first.value, reader);
    })();
    this.writing.set(header.sha256, write);
    try {
      return await write;
    } finally {
      if (this.writing.get(header.sha256) === write) this.writing.delete(header.sha256);
    }
  }

  async write(header, first, reader) {
    this.engine.begin();
    try {
      const there = this.look(header.sha256);
      if (there?.ready) return there;
      if ((there?.offset_bytes ?? '0') !== header.offset_bytes) {
        throw new Fault('BAD_STATE', `${there?.offset_bytes ?? 0} bytes are there, and the content begins at ${header.offset_bytes}`);
      }
      await this.append(header, first, reader);
      const file = this.backend.path(header.sha256, part);
      if (fs.statSync(file).size < Number(header.size_bytes)) return this.look(header.sha256);
      await this.accept(file, header);
      return this.look(header.sha256);
    } finally {
      this.engine.end();
    }
  }

  // append writes what comes. What came before the stream broke stays: the next PutImage goes on there.
  async append(header, first, reader) {
    let left = Number(header.size_bytes) - Number(header.offset_bytes);
    const file = fs.openSync(this.backend.path(header.sha256, part), 'a', 0o600);
    try {
      for (let next = { value: first }; !next.done; next = await reader.next()) {
        const { chunk } = next.value;
        const v = new Violations();
        v.check(chunk.length <= maxChunk, '/chunk', `must have at most ${maxChunk} bytes`);
        v.check(chunk.length <= left, '/size_bytes', 'promises less content than came');
        v.raise();
        fs.writeSync(file, chunk);
        left -= chunk.length;
      }
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
  }

  // accept makes the part an image, or removes it.
  async accept(file, header) {
    try {
      await inspect(file, header);
    } catch (error) {
      fs.rmSync(file, { force: true });
      throw error;
    }
    fs.renameSync(file, this.backend.path(header.sha256, whole));
  }
}

function checkHeader(header) {
  validate.digest(header?.sha256);
  const v = new Violations();
  const [size, offset] = [BigInt(header.size_bytes), BigInt(header.offset_bytes)];
  v.check(size > 0n, '/size_bytes', 'must be more than 0');
  v.check(offset >= 0n && offset <= size, '/offset_bytes', 'must lie inside the content');
  v.raise();
}

// inspect checks the digest, and refuses a disk that would read somebody else's file.
async function inspect(file, header) {
  const hash = crypto.createHash('sha256');
  let head = Buffer.alloc(0);
  for await (const piece of fs.createReadStream(file)) {
    if (head.length < 80) head = Buffer.concat([head, piece.subarray(0, 80)]);
    hash.update(piece);
  }
  if (hash.digest('hex') !== header.sha256) throw new Fault('DIGEST_MISMATCH', `the content does not have the SHA-256 ${header.sha256}`);
  if (header.format !== 'qcow2' || head.length < 80) return;
  const v = new Violations();
  v.check(head.readBigUInt64BE(8) === 0n, '/content', 'names a backing file');
  v.check(head.readUInt32BE(4) < 3 || (head[79] & 4) === 0, '/content', 'names an external data file');
  v.raise();
}

module.exports = { Images };
