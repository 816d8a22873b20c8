// SPDX-License-Identifier: Apache-2.0

// What has to be refused before anything is done. An id or digest that passes is safe as the name of a file.
'use strict';

const net = require('node:net');
const { Violations } = require('./contract');

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const sha256 = /^[0-9a-f]{64}$/;
const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const mac = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/; // unicast

const special = new net.BlockList(); // addresses that nothing on a network has
special.addAddress('0.0.0.0');
special.addSubnet('127.0.0.0', 8);
special.addSubnet('224.0.0.0', 4);
special.addAddress('::', 'ipv6');
special.addAddress('::1', 'ipv6');
special.addSubnet('ff00::', 8, 'ipv6');
special.addSubnet('::ffff:0:0', 96, 'ipv6');

function id(value) {
  const v = new Violations();
  v.check(uuid.test(value), '/id', 'must be a UUID in its usual lower-case form');
  v.raise();
}

function digest(value) {
  const v = new Violations();
  v.check(sha256.test(value), '/sha256', 'must be a SHA-256 in lower-case hexadecimal');
  v.raise();
}

// apply checks a command and the spec of an instance, for one host.
function apply(command, spec, host) {
  const v = new Violations();
  v.check(uuid.test(command.id), '/id', 'must be a UUID in its usual lower-case form');
  v.check(BigInt(command.generation) >= 1n, '/generation', 'must be at least 1');
  v.check(command.spec_digest !== '' && command.spec_digest.length <= 256, '/spec_digest', 'must have 1 to 256 characters');
  v.check(command.backend_handle.length <= 4096, '/backend_handle', 'must have at most 4096 bytes');
  v.check(label.test(spec.project), '/project', 'must be a DNS label');
  v.check(label.test(spec.name), '/name', 'must be a DNS label');
  v.check(spec.host_id === host.id, '/host_id', `there is one host here, ${host.id}`);
  v.check(spec.vcpus >= 1, '/vcpus', 'must be at least 1');
  v.check(BigInt(spec.memory_bytes) >= 1n, '/memory_bytes', 'must be more than 0');
  v.check(BigInt(spec.disk_bytes) >= 0n, '/disk_bytes', 'must not be negative');
  v.check(spec.power === 'POWER_RUNNING' || spec.power === 'POWER_STOPPED', '/power', 'must be running or stopped');
  if (spec.kind === 'INSTANCE_KIND_VM') {
    image(v, '/image', spec.image, ['qcow2', 'raw']);
    v.check(spec.command_line === '', '/command_line', 'is for unikernels');
    v.check(spec.initrd === null, '/initrd', 'is for unikernels');
  } else if (spec.kind === 'INSTANCE_KIND_UNIKERNEL') {
    image(v, '/image', spec.image, ['kernel']);
    if (spec.initrd !== null) image(v, '/initrd', spec.initrd, ['initrd']);
    v.check(BigInt(spec.disk_bytes) === 0n, '/disk_bytes', 'is for virtual machines');
  } else {
    v.check(false, '/kind', 'must be vm or unikernel');
  }
  spec.nics.forEach((n, i) => nic(v, `/nics/${i}`, n));
  v.raise();
}

function image(v, at, ref, formats) {
  v.check(ref !== null && sha256.test(ref.sha256), `${at}/sha256`, 'must be a SHA-256 in lower-case hexadecimal');
  v.check(ref !== null && formats.includes(ref.format), `${at}/format`, `must be one of ${formats.join(', ')}`);
  v.check(ref !== null && BigInt(ref.size_bytes) > 0n, `${at}/size_bytes`, 'must be more than 0');
}

function nic(v, at, n) {
  v.check(uuid.test(n.port_id), `${at}/port_id`, 'must be a UUID in its usual lower-case form');
  v.check(uuid.test(n.network_id), `${at}/network_id`, 'must be a UUID in its usual lower-case form');
  v.check(n.fabric !== '', `${at}/fabric`, 'is missing');
  v.check(n.segment_id < 1 << 24, `${at}/segment_id`, 'must be less than 16777216');
  v.check(mac.test(n.mac), `${at}/mac`, 'must be a unicast MAC address like 52:54:00:12:34:56');
  v.check(n.mtu >= 576 && n.mtu <= 65535, `${at}/mtu`, 'must be 576 to 65535');
  n.addresses.forEach((a, i) => {
    const family = net.isIP(a);
    const usable = family !== 0 && !a.includes('%') && !special.check(a, `ipv${family}`);
    v.check(usable, `${at}/addresses/${i}`, 'must be a unicast IP address without zone');
    v.check(n.addresses.indexOf(a) === i, `${at}/addresses/${i}`, 'is there twice');
  });
}

module.exports = { id, digest, apply };
