"""Tries to use Ray without the right token, from a host, and prints the open ports.

Arguments: the tried token ("" for none), the head's address, and every ADDRESS:PORT of the cluster.
It prints the ports that answer without asking for the right token.
"""

import http.client
import sys
import urllib.error
import urllib.request

import grpc
import ray

# Every port that speaks gRPC has one of these methods; no method is on every port.
METHODS = (
    *("NodeInfoGcsService/GetAllNodeInfo", "NodeManagerService/GetNodeStats"),
    *("CoreWorkerService/GetCoreWorkerStats", "ObjectManagerService/Pull"),
    *("ReporterService/GetTraceback", "RayletDriver/ClusterInfo"),
)


def asked_over_http(place, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://{place}/api/jobs/", headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return 0


def asked_over_grpc(place, token):
    metadata = [("authorization", f"Bearer {token}")] if token else None
    said = set()
    with grpc.insecure_channel(place) as channel:
        for method in METHODS:
            try:
                channel.unary_unary(f"/ray.rpc.{method}")(b"", timeout=5, metadata=metadata)
                said.add("OK")
            except grpc.RpcError as error:
                said.add(error.code().name)
    return said


def joined(address):
    try:
        ray.init(address, logging_level=40)
    except (ConnectionError, RuntimeError, ray.exceptions.RayError):
        return False
    return True


if __name__ == "__main__":
    token, head, *places = sys.argv[1:]
    said = []
    for place in places:
        over_http, over_grpc = asked_over_http(place, token), asked_over_grpc(place, token)
        if over_http not in (401, 403) and (
            over_http or "OK" in over_grpc or "UNAUTHENTICATED" not in over_grpc
        ):
            said.append(f"let in: {place} {over_http} {sorted(over_grpc)}")
    for address in (f"{head}:6379", f"ray://{head}:10001"):
        if joined(address):
            said.append(f"let in: {address}")
    sys.stdout.write("\n".join([*said, f"asked {len(places)}", ""]))
