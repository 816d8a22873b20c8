# SPDX-License-Identifier: Apache-2.0

"""The capability "images": content that the core pushes, named by its SHA-256."""

import hashlib
import os
import re
import threading

import validate
from backend import remove
from contract import Fault, Violations, image_pb2

MAX_CHUNK = 1 << 20
WHOLE, PART = ".image", ".part"
OURS = re.compile(r"[0-9a-f]{64}\.(image|part)")


class Images:
    def __init__(self, engine):
        self.engine, self.backend = engine, engine.backend
        self.guard, self.writing = threading.Condition(), set()

    def get(self, digest):
        self.engine.accepts()
        validate.digest(digest)
        found = self.look(digest)
        if found is None:
            raise Fault("NO_SUCH_OBJECT", f"there is no image {digest}")
        return found

    def look(self, digest):
        for ending in (PART, WHOLE):  # in the order in which content moves
            try:
                size = os.stat(self.backend.path(digest, ending)).st_size
            except FileNotFoundError:
                continue
            return image_pb2.Image(sha256=digest, size_bytes=size, offset_bytes=size, ready=ending == WHOLE)
        self.backend.check()
        return None

    def list(self):
        self.engine.accepts()
        names = [name for name in os.listdir(self.backend.directory) if OURS.fullmatch(name)]
        found = [self.look(os.path.splitext(name)[0]) for name in names]
        return [image for image in found if image is not None]

    def delete(self, digest):
        self.engine.accepts()
        validate.digest(digest)
        with self.engine.changed:  # no instance begins to use it meanwhile
            for record in self.backend.list():
                if digest in record["images"]:
                    raise Fault("IN_USE", f"instance {record['id']} stands on image {digest}")
            remove(self.backend.path(digest, PART))
            remove(self.backend.path(digest, WHOLE))

    def put(self, messages):
        """Takes the messages of a PutImage. Those of one digest go one after the other."""
        first = next(messages, image_pb2.PutImageRequest())
        self.engine.accepts()
        header = first.header
        validate.digest(header.sha256)
        v = Violations()
        v.check(header.size_bytes > 0, "/size_bytes", "must be more than 0")
        v.check(0 <= header.offset_bytes <= header.size_bytes, "/offset_bytes", "must lie inside the content")
        v.raise_any()
        with self.guard:
            self.guard.wait_for(lambda: header.sha256 not in self.writing)
            self.writing.add(header.sha256)
        try:
            self.engine.begin()
            try:
                return self.write(header, first, messages)
            finally:
                self.engine.end()
        finally:
            with self.guard:
                self.writing.remove(header.sha256)
                self.guard.notify_all()

    def write(self, header, first, messages):
        there = self.look(header.sha256) or image_pb2.Image()
        if there.ready:
            return there
        if there.offset_bytes != header.offset_bytes:
            raise Fault("BAD_STATE", f"{there.offset_bytes} bytes are there, and the content begins at {header.offset_bytes}")
        part = self.backend.path(header.sha256, PART)
        self.append(part, header, first, messages)
        if os.stat(part).st_size < header.size_bytes:
            return self.look(header.sha256)
        try:
            inspect(part, header)
        except Fault:
            remove(part)
            raise
        os.rename(part, self.backend.path(header.sha256, WHOLE))
        return self.look(header.sha256)

    def append(self, part, header, first, messages):
        """Writes what comes. What came before the stream broke stays: the next PutImage goes on there."""
        left = header.size_bytes - header.offset_bytes
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as f:
            message = first
            while message is not None:
                v = Violations()
                v.check(len(message.chunk) <= MAX_CHUNK, "/chunk", f"must have at most {MAX_CHUNK} bytes")
                v.check(len(message.chunk) <= left, "/size_bytes", "promises less content than came")
                v.raise_any()
                f.write(message.chunk)
                left -= len(message.chunk)
                message = next(messages, None)
            f.flush()
            os.fsync(f.fileno())


def inspect(part, header):
    """Checks the digest, and refuses a disk that would read somebody else's file."""
    digest = hashlib.sha256()
    with open(part, "rb") as f:
        head = f.read(80)
        digest.update(head)
        for piece in iter(lambda: f.read(MAX_CHUNK), b""):
            digest.update(piece)
    if digest.hexdigest() != header.sha256:
        raise Fault("DIGEST_MISMATCH", f"the content does not have the SHA-256 {header.sha256}")
    if header.format != "qcow2" or len(head) < 80:
        return
    v = Violations()
    v.check(head[8:16] == bytes(8), "/content", "names a backing file")
    v.check(int.from_bytes(head[4:8], "big") < 3 or not head[79] & 4, "/content", "names an external data file")
    v.raise_any()
