# SPDX-License-Identifier: Apache-2.0

"""One Watch: a full snapshot, then what differs from it, and heartbeats."""

import time

from backend import HOST
from contract import instance_pb2, provider_pb2, resource_pb2

LOOK_EVERY = 5.0  # seconds; somebody else may change the directory
DEFAULT_HEARTBEAT = 2.0


def watch(engine, request, context):
    """Yields messages until the call ends."""
    engine.accepts()
    interval = request.heartbeat_interval.ToTimedelta().total_seconds() or DEFAULT_HEARTBEAT
    interval = min(max(interval, 0.1), 60.0)
    context.add_callback(engine.tell)  # so that the wait below ends with the call
    known, seen, condition, complete = {}, -1, None, False
    beat_at = look_at = time.monotonic()
    while context.is_active():
        if time.monotonic() >= beat_at:
            beat_at = time.monotonic() + interval
            beat = provider_pb2.Heartbeat()
            beat.at.GetCurrentTime()
            yield provider_pb2.WatchResponse(heartbeat=beat)
        if engine.version != seen or time.monotonic() >= look_at:
            seen, look_at = engine.version, time.monotonic() + LOOK_EVERY
            now = engine.status()
            if now != condition:
                condition = now
                yield provider_pb2.WatchResponse(status=now)
            if now.state != provider_pb2.Status.STATE_DEGRADED:  # nothing is said of what cannot be read
                if not complete:
                    yield provider_pb2.WatchResponse(host=HOST)
                yield from differences(known, engine.list())
                if not complete:
                    yield provider_pb2.WatchResponse(snapshot_end=provider_pb2.SnapshotEnd())
                complete = True
        with engine.changed:
            wait = min(beat_at, look_at) - time.monotonic()
            engine.changed.wait_for(lambda: engine.version != seen or not context.is_active(), max(wait, 0))


def differences(known, instances):
    """Yields what is new, changed or gone."""
    present = set()
    for instance in instances:
        bare = instance_pb2.Instance()
        bare.CopyFrom(instance)
        bare.observed.ClearField("observed_at")
        present.add(bare.observed.id)
        if known.get(bare.observed.id) != bare:
            known[bare.observed.id] = bare
            yield provider_pb2.WatchResponse(instance=instance)
    for gone in set(known) - present:
        del known[gone]
        removed = provider_pb2.Removed(kind=resource_pb2.KIND_INSTANCE, id=gone)
        yield provider_pb2.WatchResponse(removed=removed)
