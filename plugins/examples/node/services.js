// SPDX-License-Identifier: Apache-2.0

// The contract's services on a gRPC server. The same server serves a core that started this process, and one that this
// process attached to.
'use strict';

const crypto = require('node:crypto');
const grpc = require('@grpc/grpc-js');
const { schema, host } = require('./backend');
const { contract, health, Fault, Violations, milliseconds } = require('./contract');
const { Images } = require('./images');
const { watch } = require('./watch');

const description = {
  name: 'hello-node', version: '0.1.0', services: ['compute'], capabilities: [{ name: 'images', revision: 1 }],
  config_schema: JSON.stringify(schema), process_id: crypto.randomUUID(),
};

const absentCommand = { id: '', generation: '0', spec_digest: '', fence: '0', backend_handle: Buffer.alloc(0) };
const absentSpec = { project: '', name: '', host_id: '', vcpus: 0, memory_bytes: '0', disk_bytes: '0', image: null, initrd: null, command_line: '', nics: [] };

// unary makes a gRPC handler of a function that returns the answer, or a promise of it, or throws.
function unary(handle) {
  return async (call, answer) => {
    try {
      answer(null, await handle(call.request, call));
    } catch (error) {
      answer(Fault.of(error).status());
    }
  };
}

// streaming makes a gRPC handler of a function that returns the messages to send.
function streaming(handle) {
  return (call) => {
    try {
      handle(call).forEach((message) => call.write(message));
      call.end();
    } catch (error) {
      call.emit('error', Fault.of(error).status());
    }
  };
}

// newServer returns a server with everything registered. local is the configuration of this machine: what the core
// sends goes over it, key by key.
function newServer(engine, local) {
  const server = new grpc.Server({
    'grpc.max_receive_message_length': 16 * 2 ** 20,
    'grpc.keepalive_time_ms': 10000, // a core that is silent for longer than these two is gone
    'grpc.keepalive_timeout_ms': 5000,
    'grpc-node.flow_control_window': 4 * 2 ** 20, // else an image crawls over a long line
  });
  const images = new Images(engine);
  server.addService(contract.ProviderService.service, {
    Describe: unary(() => description),
    Configure: unary(({ generation, config_json: text, secrets, fence_floor: floor }) => {
      engine.configure({ ...local, ...settings(text, secrets) }, floor);
      return { generation };
    }),
    Watch: (call) => {
      try {
        watch(engine, call);
      } catch (error) {
        call.emit('error', Fault.of(error).status());
      }
    },
    Cancel: unary(async ({ kind, id, fence }) => ({ outcome: await engine.cancel(kind, id, fence) })),
    Drain: unary(({ timeout }) => ({ running: engine.drain(milliseconds(timeout)) })),
  });
  server.addService(contract.InstanceService.service, {
    ApplyInstance: unary(async ({ command, spec }) => ({ instance: await engine.apply(command ?? absentCommand, spec ?? absentSpec) })),
    GetInstance: unary(({ id }) => ({ instance: engine.get(id) })),
    DeleteInstance: unary(async ({ command }) => ({ observed: await engine.delete(command ?? absentCommand) })),
    ListInstances: streaming(() => engine.list().map((instance) => ({ instance }))),
    ListHosts: unary(() => {
      engine.accepts();
      return { hosts: [host] };
    }),
  });
  server.addService(contract.ImageService.service, {
    GetImage: unary(({ sha256 }) => ({ image: images.get(sha256) })),
    PutImage: unary(async (_, call) => ({ image: await images.put(call) })),
    DeleteImage: unary(({ sha256 }) => images.delete(sha256) ?? {}),
    ListImages: streaming(() => images.list().map((image) => ({ image }))),
  });
  server.addService(health.Health.service, {
    Check: unary(() => ({ status: 'SERVING' })),
    Watch: (call) => call.write({ status: 'SERVING' }),
  });
  return server;
}

// settings reads what Configure got. This provider has no secret settings, so a secret is an unknown key.
function settings(text, secrets) {
  const v = new Violations();
  let config;
  try {
    config = JSON.parse(text || '{}');
  } catch {
    config = undefined;
  }
  v.check(config !== null && typeof config === 'object' && !Array.isArray(config), '', 'the configuration must be one JSON object');
  for (const pointer of Object.keys(secrets)) v.check(false, pointer, 'is not a known setting');
  v.raise();
  return config;
}

module.exports = { newServer, description };
