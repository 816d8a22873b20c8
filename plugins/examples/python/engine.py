# SPDX-License-Identifier: Apache-2.0

"""What the contract asks of every provider, whatever its backend: fences, generations, work that goes on in the
background, cancellation, draining. In Go the SDK does this.
"""

import collections
import logging
import threading

import validate
from backend import HOST
from contract import Fault, instance_pb2, provider_pb2, resource_pb2

ANSWER_WITHIN = 1.0  # seconds after which a call answers that work goes on
STOP_WITHIN = 0.8  # how long a call waits for work that was told to stop: Cancel has one second
MAX_FENCES = 1 << 16
DEFAULT_DRAIN = 3600.0

Tag = collections.namedtuple("Tag", "id generation spec_digest")


class Fences:
    """The highest fence seen for each id, deleted ids too. When there are too many, the oldest entries are forgotten, and
    what they held becomes the floor for everybody.
    """

    def __init__(self):
        self.floor, self.highest = 0, collections.OrderedDict()

    def admit(self, instance_id, fence):
        if fence < max(self.floor, self.highest.get(instance_id, 0)):
            raise Fault("FENCED", f"a newer command for {instance_id} was seen")
        self.highest[instance_id] = fence
        self.highest.move_to_end(instance_id)
        if len(self.highest) > MAX_FENCES:
            self.floor = max(self.floor, self.highest.popitem(last=False)[1])


class Job:
    """One Apply or Delete that runs."""

    def __init__(self, tag, deleting, record):
        self.tag, self.deleting, self.before = tag, deleting, record
        self.step, self.percent = "", 0
        self.stopping = threading.Event()
        self.ended, self.fault = False, None


class Engine:
    """All of it is guarded by one condition, which is notified of every change. Work itself runs outside."""

    def __init__(self, backend):
        self.backend, self.fences = backend, Fences()
        self.jobs, self.failed = {}, {}
        self.configured, self.draining, self.running = False, False, 0
        self.changed, self.version = threading.Condition(), 0

    def tell(self):
        """Says that something may look different now."""
        with self.changed:
            self.version += 1
            self.changed.notify_all()

    def configure(self, config, floor):
        """Installs settings. The first success of a process sets the floor of all fences."""
        with self.changed:
            self.backend.configure(config)
            if not self.configured:
                self.fences.floor = floor
            self.configured = True
            self.tell()

    def accepts(self):
        if not self.configured:
            raise Fault("NOT_CONFIGURED", "the provider was not configured yet")

    def begin(self):
        """Admits a piece of work; end has to follow."""
        with self.changed:
            if self.draining:
                raise Fault("DRAINING", "the provider finishes its work and accepts nothing new")
            self.running += 1

    def end(self):
        with self.changed:
            self.running -= 1
            self.tell()

    def get(self, instance_id):
        self.accepts()
        validate.identity(instance_id)
        with self.changed:
            found = self.look(instance_id)
        if found is None:
            raise Fault("NO_SUCH_OBJECT", f"there is no instance {instance_id}")
        return found

    def list(self):
        self.accepts()
        with self.changed:
            ids = {record["id"] for record in self.backend.list()} | set(self.jobs) | set(self.failed)
            return [instance for instance in map(self.look, sorted(ids)) if instance is not None]

    def look(self, instance_id):
        """Shows an instance: what the backend says, and over it what is known here of work that runs or failed."""
        job = self.jobs.get(instance_id)
        if job is not None:
            phase = resource_pb2.PHASE_DELETING if job.deleting else resource_pb2.PHASE_PROGRESSING
            return show(job.tag, job.before, phase=phase, step=job.step, percent=job.percent)
        record = self.backend.read(instance_id)
        failed = self.failed.get(instance_id)
        if failed is not None and (record is not None or not failed.deleting):
            tag = tag_of(record) if failed.deleting else failed.tag
            return show(tag, record, phase=resource_pb2.PHASE_FAILED, failure=failed.fault.failure())
        if record is None:
            return None
        if record["made"]:
            return show(tag_of(record), record, phase=resource_pb2.PHASE_READY, percent=100)
        fault = Fault("INTERRUPTED", "the greeting was not written to the end")
        return show(tag_of(record), record, phase=resource_pb2.PHASE_FAILED, failure=fault.failure())

    def apply(self, command, spec):
        """Makes an instance as its spec says, or begins to."""
        self.accepts()
        validate.apply(command, spec, HOST)
        tag = Tag(command.id, command.generation, command.spec_digest)
        with self.changed:
            job = self.settle(command, lambda job: in_order(job.tag, tag) or job.tag.generation == tag.generation)
            if job is not None and job.deleting:
                raise Fault("BUSY", f"instance {tag.id} is being deleted")
            if job is None:
                there = self.look(tag.id)
                if there is not None:
                    in_order(there.observed, tag)
                    if there.observed.generation == tag.generation and there.observed.phase == resource_pb2.PHASE_READY:
                        return there
                record = self.record(tag, spec)
                self.needs_images(record)
                job = self.start(tag, False, lambda job: self.make(record, job), lambda: self.backend.begin(record))
            instance = self.answer(job)
        if instance is None:
            raise Fault("CANCELED", "the instance was made, and deleted at once")
        return instance

    def delete(self, command):
        """Removes an instance. Returns None when nothing is left, and what is observed while work goes on."""
        self.accepts()
        validate.identity(command.id)
        with self.changed:
            job = self.settle(command, lambda job: job.deleting)
            if job is None:
                record = self.backend.read(command.id)
                tag = tag_of(record) if record is not None else Tag(command.id, 0, "")
                job = self.start(tag, True, lambda _: self.backend.remove(command.id))
            instance = self.answer(job)
        if instance is None or instance.observed.phase != resource_pb2.PHASE_DELETING:
            return None
        return instance.observed

    def settle(self, command, same):
        """Admits a command, and returns the job that does the same already. Another one is stopped first; but a deletion
        is left to its end.
        """
        while True:
            self.fences.admit(command.id, command.fence)
            job = self.jobs.get(command.id)
            if job is None or job.deleting or same(job):
                return job
            if not self.stop(job):
                raise Fault("BUSY", f"instance {command.id} is being worked on, and does not stop at once")

    def record(self, tag, spec):
        images = [ref.sha256 for ref in (spec.image, spec.initrd) if ref.sha256]
        return {**tag._asdict(), "name": spec.name, "power": spec.power, "host_id": spec.host_id, "images": images, "made": False}

    def needs_images(self, record):
        """Refuses a record whose images are not here. The core then pushes them, and asks again."""
        for digest in record["images"]:
            if not self.backend.has(digest):
                raise Fault("IMAGE_MISSING", f"the content of image {digest} is not here")

    def start(self, tag, deleting, work, first=lambda: None):
        """Runs work for one instance in the background, after what has to be done at once."""
        self.begin()
        job = Job(tag, deleting, self.backend.read(tag.id))
        self.jobs[tag.id] = job
        self.failed.pop(tag.id, None)
        try:
            first()
        except Exception as error:
            self.finish(job, Fault.of(error))
            return job
        self.tell()
        threading.Thread(target=self.run, args=(job, work), daemon=True).start()
        return job

    def make(self, record, job):
        def progress(step, percent):
            with self.changed:
                job.step, job.percent = step, max(job.percent, percent)
                self.tell()

        self.backend.make(record, progress, job.stopping)

    def run(self, job, work):
        fault = None
        try:
            work(job)
        except Exception as error:
            fault = Fault.of(error)
        self.finish(job, fault)

    def finish(self, job, fault):
        with self.changed:
            job.ended, job.fault = True, fault
            if fault is not None:
                self.failed[job.tag.id] = job
                logging.warning("instance %s: %s", job.tag.id, fault.message)
            del self.jobs[job.tag.id]
            self.end()

    def answer(self, job):
        """Waits a moment for a job, so that quick work needs one call only."""
        self.changed.wait_for(lambda: job.ended, ANSWER_WITHIN)
        if job.fault is not None:
            raise job.fault
        return self.look(job.tag.id)

    def stop(self, job):
        """Tells a job to stop, and says whether it ended in time."""
        job.stopping.set()
        return self.changed.wait_for(lambda: job.ended, STOP_WITHIN)

    def cancel(self, kind, instance_id, fence):
        self.accepts()
        validate.identity(instance_id)
        if kind != resource_pb2.KIND_INSTANCE:
            return provider_pb2.CancelResponse.OUTCOME_NOTHING_RUNNING
        with self.changed:
            self.fences.admit(instance_id, fence)
            job = self.jobs.get(instance_id)
            if job is None:
                return provider_pb2.CancelResponse.OUTCOME_NOTHING_RUNNING
            if self.stop(job) and job.fault is not None:
                return provider_pb2.CancelResponse.OUTCOME_CANCELED
            return provider_pb2.CancelResponse.OUTCOME_TOO_LATE

    def drain(self, timeout):
        """Refuses new work from now on, and returns how much runs. What still runs after the timeout is canceled."""
        with self.changed:
            self.draining = True
            self.tell()
            late = threading.Timer(timeout or DEFAULT_DRAIN, self.stop_all)
            late.daemon = True
            late.start()
            return self.running

    def stop_all(self):
        with self.changed:
            for job in self.jobs.values():
                job.stopping.set()

    def status(self):
        """Returns the provider's own condition."""
        with self.changed:
            if self.draining:
                state = provider_pb2.Status.STATE_DRAINING if self.running else provider_pb2.Status.STATE_DRAINED
                return provider_pb2.Status(state=state)
            try:
                self.backend.list()
            except OSError as error:
                return provider_pb2.Status(state=provider_pb2.Status.STATE_DEGRADED, message=Fault.of(error).message)
            return provider_pb2.Status(state=provider_pb2.Status.STATE_READY)


def in_order(now, asked):
    """Compares the tag of what is there with that of what is asked for."""
    if asked.generation < now.generation:
        raise Fault("STALE_GENERATION", f"generation {asked.generation} was asked for, and {now.generation} is there")
    if asked.generation == now.generation and asked.spec_digest != now.spec_digest:
        raise Fault("SPEC_CONFLICT", f"generation {now.generation} is there with another spec")


def tag_of(record):
    return Tag(record["id"], record["generation"], record["spec_digest"])


def show(tag, record, **condition):
    """Makes the message for an instance of its tag, its record, if there is one, and its condition."""
    observed = resource_pb2.Observed(**tag._asdict(), backend_ref=tag.id + ".txt", **condition)
    observed.observed_at.GetCurrentTime()
    record = record or {}
    return instance_pb2.Instance(observed=observed, power=record.get("power", 0), host_id=record.get("host_id", ""))
