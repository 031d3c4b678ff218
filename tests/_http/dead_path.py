"""Script of ``test_stale_connections``; runs in its own network namespace.

After the first call, the answers of the server to that connection are silently dropped.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.local_client import COMPLETION, local_client
from support.loopback_server import Loopback, complete_response
from support.scripted_router import ANSWER, create_call

from orq_router_integrations._http import dialing


def run(command: str) -> None:
    subprocess.run(command.split(), check=True)


def cut_path(server: Loopback) -> None:
    """Drop what the server sends to the port of its only connection."""
    port = server._connections[0][1].get_extra_info("peername")[1]
    run("ip rule add pref 10 lookup local")
    run("ip rule del pref 0")
    run(f"ip rule add pref 1 ipproto tcp dport {port} blackhole")


async def acall_twice(server: Loopback) -> None:
    client = local_client(server, deadline=60.0, timeout=60.0)
    assert await client.asend(create_call()) == ANSWER
    cut_path(server)
    assert await client.asend(create_call()) == ANSWER


def call_twice(server: Loopback) -> None:
    client = local_client(server, deadline=60.0, timeout=60.0)
    assert client.send(create_call()) == ANSWER
    cut_path(server)
    assert client.send(create_call()) == ANSWER


def main(kind: str) -> None:
    run("ip link set lo up")
    dialing._TCP_OPTIONS["TCP_USER_TIMEOUT"] = 2000
    with Loopback(complete_response(COMPLETION)) as server:
        if kind == "sync":
            call_twice(server)
        elif kind == "async":
            asyncio.run(acall_twice(server))
        else:
            import uvloop

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(acall_twice(server))
        print("answered", server.accepted, "connections")


if __name__ == "__main__":
    main(sys.argv[1])
