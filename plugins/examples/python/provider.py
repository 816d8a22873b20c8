#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0

"""A Rhyzome compute provider in Python, without a line of Go.

A core starts it as a child. Python's gRPC cannot serve on a connection that it made, so from another machine it attaches
by `rhyzome relay`.
"""

import concurrent.futures
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import uuid

import grpc

from backend import HOST, SCHEMA, Backend
from contract import Violations, controller_pb2, health_pb2, image_pb2, instance_pb2, provider_pb2, register
from engine import Engine
from images import Images
from watch import watch

COOKIE = "3f1c8f0d5b7e4f0c9a4d2b6e8c7a1f35"
VERSION = "1"  # of the contract

DESCRIPTION = provider_pb2.DescribeResponse(
    name="hello-python", version="0.1.0", services=["compute"],
    capabilities=[provider_pb2.Capability(name="images", revision=1)],
    config_schema=json.dumps(SCHEMA), process_id=str(uuid.uuid4()),
)

OPTIONS = (
    ("grpc.max_receive_message_length", 16 << 20),
    # The core pings every 10 s, also when nothing is called; by default that ends the connection.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 2000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 2000),
)


def settings(request):
    """Reads what Configure got. This provider has no secret settings, so a secret is an unknown key."""
    v = Violations()
    try:
        config = json.loads(request.config_json or "{}")
    except ValueError:
        config = None
    v.check(isinstance(config, dict), "", "the configuration must be one JSON object")
    for pointer in request.secrets:
        v.check(False, pointer, "is not a known setting")
    v.raise_any()
    return config


def serve(server, engine, ended):
    """Registers everything on a server."""
    images = Images(engine)

    def configure(request, _):
        engine.configure(settings(request), request.fence_floor)
        return provider_pb2.ConfigureResponse(generation=request.generation)

    def list_hosts(_, __):
        engine.accepts()
        return instance_pb2.ListHostsResponse(hosts=[HOST])

    def delete_image(request, _):
        images.delete(request.sha256)
        return image_pb2.DeleteImageResponse()

    def shutdown(_, __):
        ended.set()
        return controller_pb2.Empty()

    register(
        server, provider_pb2, "ProviderService",
        Describe=lambda _, __: DESCRIPTION,
        Configure=configure,
        Watch=lambda request, context: watch(engine, request, context),
        Cancel=lambda r, _: provider_pb2.CancelResponse(outcome=engine.cancel(r.kind, r.id, r.fence)),
        Drain=lambda r, _: provider_pb2.DrainResponse(running=engine.drain(r.timeout.ToTimedelta().total_seconds())),
    )
    register(
        server, instance_pb2, "InstanceService",
        ApplyInstance=lambda r, _: instance_pb2.ApplyInstanceResponse(instance=engine.apply(r.command, r.spec)),
        GetInstance=lambda r, _: instance_pb2.GetInstanceResponse(instance=engine.get(r.id)),
        DeleteInstance=lambda r, _: instance_pb2.DeleteInstanceResponse(observed=engine.delete(r.command)),
        ListInstances=lambda _, __: (instance_pb2.ListInstancesResponse(instance=i) for i in engine.list()),
        ListHosts=list_hosts,
    )
    register(
        server, image_pb2, "ImageService",
        GetImage=lambda r, _: image_pb2.GetImageResponse(image=images.get(r.sha256)),
        PutImage=lambda messages, _: image_pb2.PutImageResponse(image=images.put(messages)),
        DeleteImage=delete_image,
        ListImages=lambda _, __: (image_pb2.ListImagesResponse(image=i) for i in images.list()),
    )
    serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
    register(server, health_pb2, "Health", Check=lambda _, __: serving, Watch=lambda _, __: iter((serving,)))
    register(server, controller_pb2, "GRPCController", Shutdown=shutdown)


def main():
    if os.environ.get("RHYZOME_PROVIDER") != COOKIE:
        sys.exit(f"This is a provider's program. Attach it with: rhyzome relay attach --no-auto-mtls -- {sys.argv[0]}")
    if VERSION not in os.environ.get("PLUGIN_PROTOCOL_VERSIONS", "").split(","):
        sys.exit(f"the core speaks the contract's versions {os.environ.get('PLUGIN_PROTOCOL_VERSIONS')}, this provider {VERSION}")
    if os.environ.get("PLUGIN_CLIENT_CERT"):
        sys.exit("this provider speaks in the clear: start it without AutoMTLS")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")  # to stderr
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _, __: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, meant for the core
    directory = tempfile.mkdtemp(prefix="hello-python-", dir=os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or None)  # mode 0700
    try:
        # A Watch holds a thread as long as it lasts.
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=100), options=OPTIONS)
        serve(server, Engine(Backend()), ended)
        socket = os.path.join(directory, "socket")
        server.add_insecure_port("unix:" + socket)
        server.start()
        print(f"1|{VERSION}|unix|{socket}|grpc", flush=True)
        ended.wait()
        server.stop(0.2).wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


main()
