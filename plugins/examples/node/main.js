#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0

// A Rhyzome compute provider in Node, without a line of Go. A core starts it as a child; by hand it joins a cloud and
// attaches to it.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const os = require('node:os');
const { parseArgs } = require('node:util');
const grpc = require('@grpc/grpc-js');
const { keepAttached } = require('./attach');
const { Backend } = require('./backend');
const { controller } = require('./contract');
const { Engine } = require('./engine');
const { join } = require('./join');
const { Member } = require('./identity');
const { newServer, description } = require('./services');

const cookie = '3f1c8f0d5b7e4f0c9a4d2b6e8c7a1f35';
const version = 1; // of the contract
const drainWithin = 60000; // milliseconds

const usage = `usage: main.js join   --core HOST:PORT --token-file FILE  [--state-dir DIR] [--machine-id ID]
       main.js attach [--core HOST:PORT]... [--config FILE.json]  [--state-dir DIR] [--machine-id ID]
Where a flag is not given, RHYZOME_CORE, RHYZOME_TOKEN_FILE, RHYZOME_STATE_DIR, RHYZOME_MACHINE_ID, RHYZOME_CONFIG are.`;

// serveChild serves the core that started this process.
function serveChild() {
  if (!process.env.PLUGIN_PROTOCOL_VERSIONS?.split(',').includes(String(version))) {
    throw new Error(`the core speaks the contract's versions ${process.env.PLUGIN_PROTOCOL_VERSIONS}, this provider ${version}`);
  }
  if (process.env.PLUGIN_CLIENT_CERT) throw new Error('this provider speaks in the clear: start it without AutoMTLS');
  const directory = fs.mkdtempSync(path.join(process.env.PLUGIN_UNIX_SOCKET_DIR || os.tmpdir(), 'hello-node-')); // mode 0700
  const socket = path.join(directory, 'socket');
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(0));
  process.on('SIGINT', () => {}); // of a terminal, meant for the core
  const server = newServer(new Engine(new Backend()), {});
  server.addService(controller.GRPCController.service, {
    Shutdown: (_, answer) => {
      answer(null, {});
      server.tryShutdown(() => process.exit(0));
      setTimeout(() => process.exit(0), 500); // a Watch is still open
    },
  });
  server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
    process.stdout.write(`1|${version}|unix|${socket}|grpc\n`);
  });
}

// attach serves the cores that this machine joined, until SIGTERM: then what runs is finished, and nothing new accepted.
async function attach({ config, core, ...where }) {
  const member = Member.load(where['state-dir'], where['machine-id']);
  const local = config ? JSON.parse(fs.readFileSync(config, 'utf8') || '{}') : {};
  const engine = new Engine(new Backend());
  const end = new AbortController();
  const attached = keepAttached(newServer(engine, local), member, core ?? member.identity.core, hello(member), end.signal);
  await new Promise((resolve) => { for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, resolve); });
  console.error('draining: what runs is finished, nothing new is accepted');
  if (engine.drain(drainWithin) > 0) {
    await Promise.race([new Promise((resolve) => { engine.once('drained', resolve); }), new Promise((resolve) => { setTimeout(resolve, drainWithin); })]);
  }
  end.abort();
  await attached;
  process.exit(0);
}

function hello(member) {
  return {
    provider: member.identity.provider_name, machine_id: member.machine, plugin: description.name, plugin_version: description.version,
    versions: [version], sdk: `node ${process.versions.node}`, process_id: description.process_id,
  };
}

async function main() {
  if (process.env.RHYZOME_PROVIDER === cookie) return serveChild();
  const { env } = process;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      core: { type: 'string', multiple: true, default: env.RHYZOME_CORE?.split(',') },
      'token-file': { type: 'string', default: env.RHYZOME_TOKEN_FILE },
      'state-dir': { type: 'string', default: env.RHYZOME_STATE_DIR || '/var/lib/rhyzome/hello-node' },
      'machine-id': { type: 'string', default: env.RHYZOME_MACHINE_ID },
      config: { type: 'string', default: env.RHYZOME_CONFIG },
    },
  });
  if (positionals.join(' ') === 'join' && values.core && values['token-file']) return join(values, description);
  if (positionals.join(' ') === 'attach') return attach(values);
  throw new Error(usage);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
