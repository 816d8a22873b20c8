# SPDX-License-Identifier: Apache-2.0

"""What has to be refused before anything is done. An id or digest that passes is safe as the name of a file."""

import ipaddress
import re

from contract import Violations, instance_pb2

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHA256 = re.compile(r"[0-9a-f]{64}")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
MAC = re.compile(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}")  # unicast


def identity(value):
    v = Violations()
    v.check(UUID.fullmatch(value), "/id", "must be a UUID in its usual lower-case form")
    v.raise_any()


def digest(value):
    v = Violations()
    v.check(SHA256.fullmatch(value), "/sha256", "must be a SHA-256 in lower-case hexadecimal")
    v.raise_any()


def apply(command, spec, host):
    """Checks a command and the spec of an instance, for one host."""
    v = Violations()
    v.check(UUID.fullmatch(command.id), "/id", "must be a UUID in its usual lower-case form")
    v.check(command.generation >= 1, "/generation", "must be at least 1")
    v.check(0 < len(command.spec_digest) <= 256, "/spec_digest", "must have 1 to 256 characters")
    v.check(len(command.backend_handle) <= 4096, "/backend_handle", "must have at most 4096 bytes")
    v.check(LABEL.fullmatch(spec.project), "/project", "must be a DNS label")
    v.check(LABEL.fullmatch(spec.name), "/name", "must be a DNS label")
    v.check(spec.host_id == host.id, "/host_id", f"there is one host here, {host.id}")
    v.check(spec.vcpus >= 1, "/vcpus", "must be at least 1")
    v.check(spec.memory_bytes >= 1, "/memory_bytes", "must be more than 0")
    v.check(spec.disk_bytes >= 0, "/disk_bytes", "must not be negative")
    v.check(spec.power in (instance_pb2.POWER_RUNNING, instance_pb2.POWER_STOPPED), "/power", "must be running or stopped")
    if spec.kind == instance_pb2.INSTANCE_KIND_VM:
        image(v, "/image", spec.image, ("qcow2", "raw"))
        v.check(not spec.command_line, "/command_line", "is for unikernels")
        v.check(not spec.HasField("initrd"), "/initrd", "is for unikernels")
    elif spec.kind == instance_pb2.INSTANCE_KIND_UNIKERNEL:
        image(v, "/image", spec.image, ("kernel",))
        if spec.HasField("initrd"):
            image(v, "/initrd", spec.initrd, ("initrd",))
        v.check(spec.disk_bytes == 0, "/disk_bytes", "is for virtual machines")
    else:
        v.check(False, "/kind", "must be vm or unikernel")
    for i, n in enumerate(spec.nics):
        nic(v, f"/nics/{i}", n)
    v.raise_any()


def image(v, at, ref, formats):
    v.check(SHA256.fullmatch(ref.sha256), f"{at}/sha256", "must be a SHA-256 in lower-case hexadecimal")
    v.check(ref.format in formats, f"{at}/format", f"must be one of {', '.join(formats)}")
    v.check(ref.size_bytes > 0, f"{at}/size_bytes", "must be more than 0")


def nic(v, at, n):
    v.check(UUID.fullmatch(n.port_id), f"{at}/port_id", "must be a UUID in its usual lower-case form")
    v.check(UUID.fullmatch(n.network_id), f"{at}/network_id", "must be a UUID in its usual lower-case form")
    v.check(n.fabric, f"{at}/fabric", "is missing")
    v.check(n.segment_id < 1 << 24, f"{at}/segment_id", "must be less than 16777216")
    v.check(MAC.fullmatch(n.mac), f"{at}/mac", "must be a unicast MAC address like 52:54:00:12:34:56")
    v.check(576 <= n.mtu <= 65535, f"{at}/mtu", "must be 576 to 65535")
    for i, text in enumerate(n.addresses):
        v.check(usable(text), f"{at}/addresses/{i}", "must be a unicast IP address without zone")
        v.check(list(n.addresses).index(text) == i, f"{at}/addresses/{i}", "is there twice")


def usable(text):
    try:
        a = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(a, "ipv4_mapped", None) is not None
    return not (mapped or a.is_unspecified or a.is_multicast or a.is_loopback or "%" in text)
