"""Connections that a pod's own rules redirected are found by where they were meant to go, and ended."""

import socket
from contextlib import ExitStack

import pytest

from harness.lab.conntrack import tracked
from harness.lab.port import Lab, LabPod
from harness.lab.redirected import Redirected, end_redirected

PORT = 15006
RULES = f"""
table inet redirecting {{
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    meta l4proto tcp redirect to :{PORT}
  }}
}}
"""


def opened(client: LabPod, server: LabPod, port: int, family: int, stack: ExitStack) -> socket.socket:
    with client.entered():
        return stack.enter_context(socket.create_connection((server.pod.ip(family), port), timeout=5.0))


@pytest.mark.parametrize("family", [4, 6])
def test_only_what_is_unwanted_of_what_was_redirected_is_ended(pair_lab: Lab, family: int) -> None:
    client, server = pair_lab.pod("shop/client"), pair_lab.pod("shop/server")
    server.run(["nft", "-f", "-"], stdin=RULES)
    seen: list[Redirected] = []

    def unwanted(each: Redirected) -> bool:
        seen.append(each)
        return each.port == 81

    try:
        with ExitStack() as stack:
            with server.entered():
                listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
            stack.enter_context(listener)
            kept, ended = (opened(client, server, port, family, stack) for port in (80, 81))
            accepted = [stack.enter_context(listener.accept()[0]) for _ in range(2)]
            with server.entered():
                end_redirected(PORT + 1, lambda _: True)
                end_redirected(PORT, unwanted)
            with pytest.raises(ConnectionError):
                ended.recv(1)
            kept.sendall(b"on")
            assert b"on" in [each.recv(2) for each in accepted if not broken(each)]
    finally:
        server.run(["nft", "delete", "table", "inet", "redirecting"])
    ends = client.pod.ip(family), server.pod.ip(family)
    assert sorted(seen, key=lambda each: each.port) == [Redirected(*ends, 80), Redirected(*ends, 81)]


def broken(accepted: socket.socket) -> bool:
    return accepted.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def test_what_is_tracked_says_where_answers_come_from(pair_lab: Lab) -> None:
    client, server = pair_lab.pod("shop/client"), pair_lab.pod("shop/server")
    server.run(["nft", "-f", "-"], stdin=RULES)
    try:
        with ExitStack() as stack:
            with server.entered():
                listener = stack.enter_context(socket.create_server((server.pod.ip(4), PORT)))
            one = opened(client, server, 80, 4, stack)
            stack.enter_context(listener.accept()[0])
            with server.entered():
                found = [each for each in tracked(socket.IPPROTO_TCP) if each.answers_to_port == one.getsockname()[1]]
    finally:
        server.run(["nft", "delete", "table", "inet", "redirecting"])
    (each,) = found
    assert (each.source, each.destination, each.port) == (client.pod.ip(4), server.pod.ip(4), 80)
    assert (each.answers_from_port, each.answers_to) == (PORT, client.pod.ip(4))
