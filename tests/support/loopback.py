"""Find out whether a process listens on other addresses than loopback."""

import socket
from pathlib import Path

LISTENING = "0A"


def find_public_listeners() -> set[str]:
    """Return the addresses outside of loopback on which any process listens."""
    addresses = set()
    for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in path.read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == LISTENING and not is_loopback(address):
                addresses.add(f"{address}:{int(port, 16)}")
    return addresses


def is_loopback(address: str) -> bool:
    data = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
    if len(data) == 4:
        return data[0] == 127
    mapped_loopback = b"\0" * 10 + b"\xff\xff\x7f"
    return data.startswith(mapped_loopback) or data == socket.inet_pton(socket.AF_INET6, "::1")
