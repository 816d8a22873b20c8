// SPDX-License-Identifier: Apache-2.0

// What the contract asks of every provider, whatever its backend: fences, generations, work that goes on in the
// background, cancellation, draining. In Go the SDK does this. Everything here but the work itself runs to its end
// without waiting, so that JavaScript's single thread is all the locking there is.
'use strict';

const { EventEmitter } = require('node:events');
const timers = require('node:timers/promises');
const { Fault, timestamp } = require('./contract');
const validate = require('./validate');
const { host } = require('./backend');

const answerWithin = 1000; // milliseconds after which a call answers that work goes on
const stopWithin = 800; // how long a call waits for work that was told to stop: Cancel has one second
const maxFences = 65536;
const defaultDrain = 3600 * 1000;

// Fences keeps the highest fence seen for each id, deleted ids too. When there are too many, the oldest entries are
// forgotten, and what they held becomes the floor for everybody.
class Fences {
  constructor() {
    this.floor = 0n;
    this.highest = new Map();
  }

  raise(floor) {
    if (floor > this.floor) this.floor = floor;
  }

  admit(id, text) {
    const fence = BigInt(text);
    if (fence < this.floor || fence < (this.highest.get(id) ?? 0n)) throw new Fault('FENCED', `a newer command for ${id} was seen`);
    this.highest.delete(id); // so that the map is in order of use
    this.highest.set(id, fence);
    if (this.highest.size > maxFences) {
      const [[oldest, last]] = this.highest;
      this.highest.delete(oldest);
      this.raise(last);
    }
  }
}

// Job is one Apply or Delete that runs.
class Job {
  constructor(tag, deleting, before) {
    Object.assign(this, { tag, deleting, before, step: '', percent: 0, controller: new AbortController() });
  }

  // stop tells the job to stop, and says whether it ended in time.
  async stop() {
    this.controller.abort(new Fault('CANCELED', 'the work was canceled'));
    await within(stopWithin, this.done);
    return this.ended;
  }
}

// within waits for a promise that never fails, but not longer than so many milliseconds.
async function within(ms, promise) {
  const timeout = new AbortController();
  await Promise.race([promise, timers.setTimeout(ms, undefined, { signal: timeout.signal }).catch(() => {})]);
  timeout.abort();
}

class Engine extends EventEmitter {
  constructor(backend) {
    super();
    this.setMaxListeners(0);
    Object.assign(this, { backend, fences: new Fences(), jobs: new Map(), failed: new Map(), configured: false, draining: false, running: 0 });
  }

  // configure installs settings. The first success of a process sets the floor of all fences.
  configure(config, floor) {
    this.backend.configure(config);
    if (!this.configured) this.fences.raise(BigInt(floor));
    this.configured = true;
    this.emit('changed');
  }

  accepts() {
    if (!this.configured) throw new Fault('NOT_CONFIGURED', 'the provider was not configured yet');
  }

  // begin admits a piece of work; end has to follow.
  begin() {
    if (this.draining) throw new Fault('DRAINING', 'the provider finishes its work and accepts nothing new');
    this.running++;
  }

  end() {
    this.running--;
    if (this.draining && this.running === 0) this.emit('drained');
    this.emit('changed');
  }

  get(id) {
    this.accepts();
    validate.id(id);
    const found = this.look(id);
    if (found === undefined) throw new Fault('NO_SUCH_OBJECT', `there is no instance ${id}`);
    return found;
  }

  list() {
    this.accepts();
    const ids = new Set([...this.backend.list().map((r) => r.id), ...this.jobs.keys(), ...this.failed.keys()]);
    return [...ids].map((id) => this.look(id)).filter((instance) => instance !== undefined);
  }

  // look shows an instance: what the backend says, and over it what is known here of work that runs or failed.
  look(id) {
    const job = this.jobs.get(id);
    if (job) {
      const phase = job.deleting ? 'PHASE_DELETING' : 'PHASE_PROGRESSING';
      return show(job.tag, job.before, { phase, step: job.step, percent: job.percent });
    }
    const record = this.backend.read(id);
    const failed = this.failed.get(id);
    if (failed && (record || !failed.deleting)) {
      return show(failed.deleting ? record : failed.tag, record, { phase: 'PHASE_FAILED', failure: failed.fault.failure() });
    }
    if (!record) return undefined;
    if (record.made) return show(record, record, { phase: 'PHASE_READY', percent: 100 });
    const fault = new Fault('INTERRUPTED', 'the greeting was not written to the end');
    return show(record, record, { phase: 'PHASE_FAILED', failure: fault.failure() });
  }

  // apply makes an instance as its spec says, or begins to.
  async apply(command, spec) {
    this.accepts();
    validate.apply(command, spec, host);
    const tag = { id: command.id, generation: command.generation, spec_digest: command.spec_digest };
    for (;;) {
      this.fences.admit(tag.id, command.fence);
      const job = this.jobs.get(tag.id);
      if (!job) break;
      if (job.deleting) throw new Fault('BUSY', `instance ${tag.id} is being deleted`);
      inOrder(job.tag, tag);
      if (job.tag.generation === tag.generation) return this.applied(job);
      if (!await job.stop()) throw new Fault('BUSY', `instance ${tag.id} is being worked on, and does not stop at once`);
    }
    const there = this.look(tag.id);
    if (there) {
      inOrder(there.observed, tag);
      if (there.observed.generation === tag.generation && there.observed.phase === 'PHASE_READY') return there;
    }
    const images = [spec.image, spec.initrd].filter((ref) => ref !== null).map((ref) => ref.sha256);
    const record = { ...tag, name: spec.name, power: spec.power, host_id: spec.host_id, images, made: false };
    this.backend.needsImages(record);
    return this.applied(this.start(tag, false, (job) => this.backend.make(record, job)));
  }

  async applied(job) {
    const instance = await this.answer(job);
    if (!instance) throw new Fault('CANCELED', 'the instance was made, and deleted at once');
    return instance;
  }

  // delete removes an instance. It returns null when nothing is left, and what is observed while work goes on.
  async delete(command) {
    this.accepts();
    validate.id(command.id);
    for (;;) {
      this.fences.admit(command.id, command.fence);
      const job = this.jobs.get(command.id);
      if (!job) break;
      if (job.deleting) return this.deleted(job);
      if (!await job.stop()) throw new Fault('BUSY', `instance ${command.id} is being worked on, and does not stop at once`);
    }
    const tag = this.backend.read(command.id) ?? { id: command.id, generation: '0', spec_digest: '' };
    return this.deleted(this.start(tag, true, () => this.backend.remove(command.id)));
  }

  async deleted(job) {
    const instance = await this.answer(job);
    return instance && instance.observed.phase === 'PHASE_DELETING' ? instance.observed : null;
  }

  // start runs work for one instance in the background. The lines before its first wait run at once.
  start(tag, deleting, work) {
    this.begin();
    const job = new Job(tag, deleting, this.backend.read(tag.id));
    this.jobs.set(tag.id, job);
    this.failed.delete(tag.id);
    const progress = (step, percent) => {
      job.step = step;
      job.percent = Math.max(job.percent, percent);
      this.emit('changed');
    };
    job.done = this.run(job, () => work({ signal: job.controller.signal, progress }));
    return job;
  }

  async run(job, work) {
    try {
      await work();
    } catch (error) {
      const { signal } = job.controller;
      job.fault = signal.aborted ? signal.reason : Fault.of(error);
      this.failed.set(job.tag.id, job);
      console.error(`instance ${job.tag.id}:`, job.fault.message);
    }
    job.ended = true;
    this.jobs.delete(job.tag.id);
    this.end();
  }

  // answer waits a moment for a job, so that quick work needs one call only.
  async answer(job) {
    await within(answerWithin, job.done);
    if (job.fault) throw job.fault;
    return this.look(job.tag.id);
  }

  async cancel(kind, id, fence) {
    this.accepts();
    validate.id(id);
    if (kind !== 'KIND_INSTANCE') return 'OUTCOME_NOTHING_RUNNING';
    this.fences.admit(id, fence);
    const job = this.jobs.get(id);
    if (!job) return 'OUTCOME_NOTHING_RUNNING';
    return await job.stop() && job.fault ? 'OUTCOME_CANCELED' : 'OUTCOME_TOO_LATE';
  }

  // drain refuses new work from now on, and returns how much runs. What still runs after the timeout is canceled.
  drain(timeout) {
    this.draining = true;
    this.emit('changed');
    const late = setTimeout(() => this.jobs.forEach((job) => job.stop()), timeout || defaultDrain);
    late.unref();
    return this.running;
  }

  // status is the provider's own condition.
  status() {
    if (this.draining) return { state: this.running > 0 ? 'STATE_DRAINING' : 'STATE_DRAINED', message: '' };
    try {
      this.backend.list();
      return { state: 'STATE_READY', message: '' };
    } catch (error) {
      return { state: 'STATE_DEGRADED', message: Fault.of(error).message };
    }
  }
}

// inOrder compares the tag of what is there with that of what is asked for.
function inOrder(now, asked) {
  if (BigInt(asked.generation) < BigInt(now.generation)) {
    throw new Fault('STALE_GENERATION', `generation ${asked.generation} was asked for, and ${now.generation} is there`);
  }
  if (asked.generation === now.generation && asked.spec_digest !== now.spec_digest) {
    throw new Fault('SPEC_CONFLICT', `generation ${now.generation} is there with another spec`);
  }
}

// show makes the message for an instance of its tag, its record, if there is one, and its condition.
function show(tag, record, condition) {
  return {
    observed: {
      id: tag.id, generation: tag.generation, spec_digest: tag.spec_digest,
      backend_ref: `${tag.id}.txt`, observed_at: timestamp(new Date()), ...condition,
    },
    power: record?.power ?? 'POWER_UNSPECIFIED', host_id: record?.host_id ?? '',
  };
}

module.exports = { Engine, answerWithin };
