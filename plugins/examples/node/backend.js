// SPDX-License-Identifier: Apache-2.0

// The backend: a directory. An instance is a greeting in ID.txt; beside it lies ID.json, its record, with the tag. The
// content of an image is SHA256.image, or SHA256.part while it is coming. To write a provider of your own, replace this.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const timers = require('node:timers/promises');
const { Fault, Violations } = require('./contract');

// host is the machine. A real one takes its id from /etc/machine-id, and measures what there is.
const host = {
  id: 'hello-node-host', name: 'hello-node-host', architecture: 'x86_64', fabrics: [], labels: {},
  capacity: { vcpus: '8', memory_bytes: String(16 * 2 ** 30), disk_bytes: String(2 ** 40) },
};

const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  required: ['directory'],
  additionalProperties: false,
  properties: {
    directory: { type: 'string', minLength: 1, description: 'Where the instances lie. Made if it is missing.' },
    step_delay_ms: { type: 'integer', minimum: 0, maximum: 60000, default: 0, description: 'How long each step pretends to take.' },
  },
};

const ours = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json$/;
const steps = ['asking for the name', 'choosing the words', 'writing the greeting'];

class Backend {
  // configure installs settings, after it found all that is wrong with them.
  configure(config) {
    const v = new Violations();
    for (const key of Object.keys(config)) {
      v.check(Object.hasOwn(schema.properties, key), `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, 'is not a known setting');
    }
    const { directory, step_delay_ms: delay = 0 } = config;
    v.check(typeof directory === 'string' && directory !== '', '/directory', 'must be the path of a directory');
    v.check(Number.isInteger(delay) && delay >= 0 && delay <= 60000, '/step_delay_ms', 'must be 0 to 60000');
    v.raise();
    try {
      fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      v.check(false, '/directory', `cannot be used: ${error.code}`);
      v.raise();
    }
    this.directory = directory;
    this.delay = delay;
  }

  path(name, ending) { return path.join(this.directory, name + ending); }

  // check throws if the backend is away: what cannot be seen then is not gone.
  check() { fs.accessSync(this.directory, fs.constants.W_OK); }

  // read returns the record of an instance, or undefined.
  read(id) {
    try {
      return JSON.parse(fs.readFileSync(this.path(id, '.json'), 'utf8'));
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
      this.check();
      return undefined;
    }
  }

  // list reads all records there are, of whichever process wrote them. Other files are somebody else's.
  list() {
    return fs.readdirSync(this.directory).filter((name) => ours.test(name))
      .map((name) => this.read(path.basename(name, '.json'))).filter((record) => record !== undefined);
  }

  // make makes an instance of a record. The record is on disk before make first waits: whatever a process that dies
  // leaves behind, the next one finds it, with its tag.
  async make(record, { signal, progress }) {
    this.write(record);
    for (const [i, step] of steps.entries()) {
      progress(step, Math.round((100 * (i + 1)) / (steps.length + 1)));
      if (this.delay > 0) await timers.setTimeout(this.delay, undefined, { signal });
      signal.throwIfAborted();
    }
    const power = record.power === 'POWER_RUNNING' ? 'running' : 'stopped';
    replace(this.path(record.id, '.txt'), `Hello from ${record.name}, which is ${power}.\n`);
    this.write({ ...record, made: true });
  }

  // remove takes an instance away. The record goes last: until then, the instance is listed.
  async remove(id) {
    this.check();
    for (const ending of ['.txt.new', '.txt', '.json.new', '.json']) fs.rmSync(this.path(id, ending), { force: true });
  }

  write(record) { replace(this.path(record.id, '.json'), JSON.stringify(record)); }

  // needsImages refuses a record whose images are not here. The core then pushes them, and asks again.
  needsImages(record) {
    this.check();
    for (const sum of record.images) {
      if (!fs.existsSync(this.path(sum, '.image'))) throw new Fault('IMAGE_MISSING', `the content of image ${sum} is not here`);
    }
  }
}

// replace writes a file, whole and on disk, or not at all.
function replace(file, text) {
  const fd = fs.openSync(`${file}.new`, 'w', 0o600);
  try {
    fs.writeSync(fd, text);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(`${file}.new`, file);
}

module.exports = { Backend, host, schema };
