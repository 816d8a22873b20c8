# SPDX-License-Identifier: Apache-2.0

"""The contract as it travels: the messages, the services, and errors with their reasons."""

import collections
import logging
import os
import sys

import grpc
from google.protobuf import any_pb2, descriptor_pb2

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "generated"))
try:
    import controller_pb2
    import error_pb2
    import health_pb2
    from rhyzome.provider.v1 import image_pb2, instance_pb2, provider_pb2, resource_pb2
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}: install python3-grpcio and python3-protobuf")

# The gRPC code of each reason that this provider has (docs/errors.md).
CODES = {
    "INVALID_FIELD": grpc.StatusCode.INVALID_ARGUMENT,
    "NO_SUCH_OBJECT": grpc.StatusCode.NOT_FOUND,
    "SPEC_CONFLICT": grpc.StatusCode.ALREADY_EXISTS,
    "NOT_CONFIGURED": grpc.StatusCode.FAILED_PRECONDITION,
    "STALE_GENERATION": grpc.StatusCode.FAILED_PRECONDITION,
    "IMAGE_MISSING": grpc.StatusCode.FAILED_PRECONDITION,
    "IN_USE": grpc.StatusCode.FAILED_PRECONDITION,
    "BAD_STATE": grpc.StatusCode.FAILED_PRECONDITION,
    "FENCED": grpc.StatusCode.ABORTED,
    "BUSY": grpc.StatusCode.ABORTED,
    "INTERRUPTED": grpc.StatusCode.ABORTED,
    "DIGEST_MISMATCH": grpc.StatusCode.DATA_LOSS,
    "CANCELED": grpc.StatusCode.CANCELLED,
    "DRAINING": grpc.StatusCode.UNAVAILABLE,
    "BACKEND_DOWN": grpc.StatusCode.UNAVAILABLE,
    "INTERNAL": grpc.StatusCode.INTERNAL,
}


class Status(collections.namedtuple("Status", "code details trailing_metadata"), grpc.Status):
    """What a gRPC call ends with."""


class Fault(Exception):
    """An error that the core can act on. Its message is one sentence for people, without secrets."""

    def __init__(self, reason, message, violations=()):
        super().__init__(message)
        self.reason, self.message, self.violations = reason, message, tuple(violations)

    @classmethod
    def of(cls, error):
        """Returns what to tell the core of any error. What is unforeseen stays in the log of this side."""
        if isinstance(error, cls):
            return error
        if isinstance(error, OSError):
            logging.warning("backend: %s", error)
            return cls("BACKEND_DOWN", f"the directory cannot be used: {os.strerror(error.errno or 0)}")
        logging.error("something unforeseen went wrong", exc_info=error)
        return cls("INTERNAL", "something unforeseen went wrong")

    def code(self):
        return CODES[self.reason].value[0]

    def failure(self):
        """Returns the fault as data, for an object in PHASE_FAILED."""
        violations = [resource_pb2.FieldViolation(field=f, description=d) for f, d in self.violations]
        return resource_pb2.Failure(code=self.code(), reason=self.reason, message=self.message, field_violations=violations)

    def status(self):
        """Returns the fault as a gRPC call ends with it: in the trailer lies one ErrorInfo, and what is wrong with fields."""
        status = error_pb2.Status(code=self.code(), message=self.message)
        status.details.append(packed(error_pb2.ErrorInfo(reason=self.reason, domain="rhyzome")))
        if self.violations:
            bad = error_pb2.BadRequest()
            for field, description in self.violations:
                bad.field_violations.add(field=field, description=description)
            status.details.append(packed(bad))
        trailer = (("grpc-status-details-bin", status.SerializeToString()),)
        return Status(CODES[self.reason], self.message, trailer)


def packed(message):
    any_message = any_pb2.Any()
    any_message.Pack(message)
    return any_message


class Violations:
    """Collects what is wrong, so that all of it is reported at once."""

    def __init__(self):
        self.all = []

    def check(self, ok, field, description):
        if not ok:
            self.all.append((field, description))

    def raise_any(self):
        if self.all:
            field, description = self.all[0]
            raise Fault("INVALID_FIELD", f"{field} {description}", self.all)


def register(server, module, name, **methods):
    """Registers the methods of a service, which is found in the descriptors of its module.

    A method gets the request, or an iterator of them, and the context. It returns the response, or an iterator of them,
    or raises.
    """
    service = module.DESCRIPTOR.services_by_name[name]
    handlers = {}
    for method in service.methods:
        about = descriptor_pb2.MethodDescriptorProto()
        method.CopyToProto(about)
        streams = ("stream" if about.client_streaming else "unary", "stream" if about.server_streaming else "unary")
        handlers[method.name] = getattr(grpc, "%s_%s_rpc_method_handler" % streams)(
            guarded_stream(methods[method.name]) if about.server_streaming else guarded(methods[method.name]),
            request_deserializer=getattr(module, method.input_type.name).FromString,
            response_serializer=getattr(module, method.output_type.name).SerializeToString,
        )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))


def guarded(method):
    """Makes a status of what a method raises."""

    def call(request, context):
        try:
            return method(request, context)
        except Exception as error:  # whatever it is, the core gets a reason
            context.abort_with_status(Fault.of(error).status())

    return call


def guarded_stream(method):
    """Does the same for a method that returns an iterator."""

    def call(request, context):
        try:
            yield from method(request, context)
        except Exception as error:  # whatever it is, the core gets a reason
            context.abort_with_status(Fault.of(error).status())

    return call
