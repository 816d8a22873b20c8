# SPDX-License-Identifier: Apache-2.0

"""The backend: a directory.

An instance is a greeting in ID.txt; beside it lies ID.json, its record, with the tag. The content of an image is
SHA256.image, or SHA256.part while it is coming. To write a provider of your own, replace this.
"""

import json
import os
import re

from contract import Fault, Violations, instance_pb2

# The machine. A real one takes its id from /etc/machine-id, and measures what there is.
HOST = instance_pb2.Host(
    id="hello-python-host", name="hello-python-host", architecture="x86_64",
    capacity={"vcpus": 8, "memory_bytes": 16 << 30, "disk_bytes": 1 << 40},
)

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["directory"],
    "additionalProperties": False,
    "properties": {
        "directory": {"type": "string", "minLength": 1, "description": "Where the instances lie. Made if it is missing."},
        "step_delay_ms": {
            "type": "integer", "minimum": 0, "maximum": 60000, "default": 0,
            "description": "How long each step pretends to take.",
        },
    },
}

OURS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json")
STEPS = ("asking for the name", "choosing the words", "writing the greeting")


class Backend:
    """Calls for one instance come one after the other; those for others come meanwhile."""

    def __init__(self):
        self.directory, self.delay = "", 0.0

    def configure(self, config):
        """Installs settings, after it found all that is wrong with them."""
        v = Violations()
        for key in config:
            v.check(key in SCHEMA["properties"], "/" + key.replace("~", "~0").replace("/", "~1"), "is not a known setting")
        directory, delay = config.get("directory"), config.get("step_delay_ms", 0)
        v.check(isinstance(directory, str) and directory, "/directory", "must be the path of a directory")
        v.check(type(delay) is int and 0 <= delay <= 60000, "/step_delay_ms", "must be 0 to 60000")
        v.raise_any()
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
        except (OSError, ValueError) as error:
            v.check(False, "/directory", f"cannot be used: {type(error).__name__}")
            v.raise_any()
        self.directory, self.delay = directory, delay / 1000

    def path(self, name, ending):
        return os.path.join(self.directory, name + ending)

    def read(self, instance_id):
        """Returns the record of an instance, or None."""
        try:
            with open(self.path(instance_id, ".json"), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            self.check()
            return None

    def check(self):
        """Raises if the backend is away: what cannot be seen then is not gone."""
        os.stat(self.directory)

    def list(self):
        """Reads all records there are, of whichever process wrote them. Other files are somebody else's."""
        names = [name[:-5] for name in os.listdir(self.directory) if OURS.fullmatch(name)]
        return [record for record in map(self.read, names) if record is not None]

    def has(self, digest):
        """Says whether the content of an image is here."""
        self.check()
        return os.path.exists(self.path(digest, ".image"))

    def begin(self, record):
        """Writes the record of an instance that is to be made. Whatever a process that dies leaves behind, the next one
        finds it, with its tag.
        """
        replace(self.path(record["id"], ".json"), json.dumps(record))

    def make(self, record, progress, stopping):
        """Makes an instance of a record, unless it is told to stop."""
        for i, step in enumerate(STEPS):
            progress(step, round(100 * (i + 1) / (len(STEPS) + 1)))
            if stopping.wait(self.delay):
                raise Fault("CANCELED", "the work was canceled")
        power = "running" if record["power"] == instance_pb2.POWER_RUNNING else "stopped"
        replace(self.path(record["id"], ".txt"), f"Hello from {record['name']}, which is {power}.\n")
        self.begin({**record, "made": True})

    def remove(self, instance_id):
        """Takes an instance away. The record goes last: until then, the instance is listed."""
        self.check()
        for ending in (".txt.new", ".txt", ".json.new", ".json"):
            remove(self.path(instance_id, ending))


def replace(file, text):
    """Writes a file, whole and on disk, or not at all."""
    fd = os.open(file + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "w", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.rename(file + ".new", file)


def remove(file):
    """Removes a file; nothing is fine."""
    try:
        os.remove(file)
    except FileNotFoundError:
        pass
