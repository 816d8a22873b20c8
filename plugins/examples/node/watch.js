// SPDX-License-Identifier: Apache-2.0

// One Watch: a full snapshot, then what differs from it, and heartbeats.
'use strict';

const { isDeepStrictEqual } = require('node:util');
const { host } = require('./backend');
const { Fault, timestamp, milliseconds } = require('./contract');

const lookEvery = 5000; // milliseconds; somebody else may change the directory
const defaultHeartbeat = 2000;
const maxUnsent = 2 ** 20; // bytes that a reader who does not read may leave

// watch serves one call until it ends.
function watch(engine, call) {
  engine.accepts();
  const known = new Map(); // what was sent of each instance
  let complete = false;
  let condition;
  let scheduled;

  const send = (message) => {
    call.write(message);
    if (call.writableLength > maxUnsent) finish(new Fault('BUSY', 'the reader of this watch does not read').status());
  };
  const heartbeat = () => send({ heartbeat: { at: timestamp(new Date()) } });
  const look = () => {
    const now = engine.status();
    if (!isDeepStrictEqual(now, condition)) send({ status: now });
    condition = now;
    if (now.state === 'STATE_DEGRADED') return; // nothing is said of what cannot be read
    if (!complete) send({ host });
    differences(known, engine.list(), send);
    if (!complete) send({ snapshot_end: {} });
    complete = true;
  };
  // soon puts many changes together, and never runs inside the change itself.
  const soon = () => {
    scheduled ??= setImmediate(() => {
      scheduled = undefined;
      try {
        look();
      } catch (error) {
        finish(Fault.of(error).status()); // whoever watches asks again
      }
    });
  };
  const interval = Math.min(Math.max(milliseconds(call.request.heartbeat_interval) || defaultHeartbeat, 100), 60000);
  const tickers = [setInterval(heartbeat, interval), setInterval(soon, lookEvery)];
  const finish = (status) => {
    tickers.forEach(clearInterval);
    clearImmediate(scheduled);
    engine.off('changed', soon);
    if (status) call.emit('error', status);
  };
  call.on('cancelled', () => finish());
  engine.on('changed', soon);
  heartbeat();
  soon();
}

// differences sends what is new, changed or gone.
function differences(known, instances, send) {
  const present = new Set();
  for (const instance of instances) {
    const { observed_at: _, ...observed } = instance.observed;
    const bare = { ...instance, observed };
    present.add(observed.id);
    if (isDeepStrictEqual(bare, known.get(observed.id))) continue;
    known.set(observed.id, bare);
    send({ instance });
  }
  for (const id of known.keys()) {
    if (present.has(id)) continue;
    known.delete(id);
    send({ removed: { kind: 'KIND_INSTANCE', id } });
  }
}

module.exports = { watch };
