// SPDX-License-Identifier: Apache-2.0

// The contract as it travels: the messages, and errors with their reasons.
'use strict';

const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

// Where the .proto files are: the contract, and the few messages of others that go with it.
const directories = [path.join(__dirname, '../../../proto'), path.join(__dirname, '../proto')];

// 64-bit numbers become strings, since a JavaScript number is too small for them. An unknown enum value stays a number.
const definitions = loader.loadSync([
  'rhyzome/provider/v1/provider.proto', 'rhyzome/provider/v1/image.proto', 'rhyzome/provider/v1/core.proto',
  'health.proto', 'error.proto', 'controller.proto',
], { includeDirs: directories, keepCase: true, longs: String, enums: String, defaults: true, oneofs: true });

const packages = grpc.loadPackageDefinition(definitions);

const encode = (type, message) => definitions[type].serialize(message);

// codes gives each reason that this provider has its gRPC code (docs/errors.md).
const codes = {
  INVALID_FIELD: grpc.status.INVALID_ARGUMENT,
  NO_SUCH_OBJECT: grpc.status.NOT_FOUND,
  SPEC_CONFLICT: grpc.status.ALREADY_EXISTS,
  NOT_CONFIGURED: grpc.status.FAILED_PRECONDITION,
  STALE_GENERATION: grpc.status.FAILED_PRECONDITION,
  IMAGE_MISSING: grpc.status.FAILED_PRECONDITION,
  IN_USE: grpc.status.FAILED_PRECONDITION,
  BAD_STATE: grpc.status.FAILED_PRECONDITION,
  FENCED: grpc.status.ABORTED,
  BUSY: grpc.status.ABORTED,
  INTERRUPTED: grpc.status.ABORTED,
  DIGEST_MISMATCH: grpc.status.DATA_LOSS,
  CANCELED: grpc.status.CANCELLED,
  DRAINING: grpc.status.UNAVAILABLE,
  BACKEND_DOWN: grpc.status.UNAVAILABLE,
  INTERNAL: grpc.status.INTERNAL,
};

// Fault is an error that the core can act on. Its message is one sentence for people, without secrets.
class Fault extends Error {
  constructor(reason, message, violations = []) {
    super(message);
    this.reason = reason;
    this.violations = violations; // {field, description}, the field as a JSON pointer
  }

  // of returns what to tell the core of any error. What is unforeseen stays in the log of this side.
  static of(error) {
    if (error instanceof Fault) return error;
    if (error.code && error.syscall) {
      console.error('backend:', error.message);
      return new Fault('BACKEND_DOWN', `the directory cannot be used: ${error.code}`);
    }
    console.error(error);
    return new Fault('INTERNAL', 'something unforeseen went wrong');
  }

  // failure is the fault as data, for an object in PHASE_FAILED.
  failure() {
    return { code: codes[this.reason], reason: this.reason, message: this.message, field_violations: this.violations };
  }

  // status is the fault as what a gRPC handler answers.
  status() {
    const details = [any('google.rpc.ErrorInfo', { reason: this.reason, domain: 'rhyzome' })];
    if (this.violations.length > 0) details.push(any('google.rpc.BadRequest', { field_violations: this.violations }));
    const code = codes[this.reason];
    const metadata = new grpc.Metadata();
    metadata.set('grpc-status-details-bin', encode('google.rpc.Status', { code, message: this.message, details }));
    return { code, details: this.message, metadata };
  }
}

function any(type, message) {
  return { type_url: `type.googleapis.com/${type}`, value: encode(type, message) };
}

// reasonOf reads the reason of an error that somebody answered, from the trailer that holds its details in base64.
function reasonOf(trailer) {
  const { details } = definitions['google.rpc.Status'].deserialize(Buffer.from(trailer ?? '', 'base64'));
  const info = details.find(({ type_url: type }) => type === 'type.googleapis.com/google.rpc.ErrorInfo');
  return info ? definitions['google.rpc.ErrorInfo'].deserialize(info.value).reason : '';
}

// Violations collects what is wrong, so that all of it is reported at once.
class Violations {
  constructor() { this.all = []; }

  check(ok, field, description) {
    if (!ok) this.all.push({ field, description });
  }

  raise() {
    if (this.all.length === 0) return;
    const [first] = this.all;
    throw new Fault('INVALID_FIELD', `${first.field} ${first.description}`, this.all);
  }
}

// timestamp makes a google.protobuf.Timestamp of a Date.
function timestamp(date) {
  const ms = date.getTime();
  return { seconds: String(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 };
}

// milliseconds reads a google.protobuf.Duration; undefined if there is none.
function milliseconds(duration) {
  return duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : undefined;
}

module.exports = {
  contract: packages.rhyzome.provider.v1, health: packages.grpc.health.v1, controller: packages.plugin,
  definitions, Fault, reasonOf, Violations, timestamp, milliseconds,
};
