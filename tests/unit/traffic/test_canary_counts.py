"""What got through of a flow that was begun again and again."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.model.flow import Flow
from harness.traffic import arrivals, canary
from harness.traffic.canary import Canary

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
PROTOCOLS = {"TCP": 6, "UDP": 17}


def bird(protocol: str, began: list[tuple[int, int, int]], came: list[tuple[int, int]]) -> Canary:
    """``began``: port, nonce and time of each; ``came``: source port and nonce of what came in at the server's interface."""
    attempts = np.array([(canary.Kind.BEGAN, port, nonce, at, at) for port, nonce, at in began], canary.RECORD)
    ends = arrivals.packed(CLIENT), arrivals.packed(SERVER)
    frames = [(arrivals.Kind.FRAME, 4, PROTOCOLS[protocol], port, 80, 0, *ends, nonce, 0) for port, nonce in came]
    made: Any = object.__new__(Canary)
    made.flow = Flow("shop/a", "shop/b", 80, protocol)
    made._ends, made._since = [CLIENT, SERVER], 0
    made._server = SimpleNamespace(records=lambda since: np.array(frames, arrivals.RECORD))
    made.of = lambda kind: attempts
    found: Canary = made
    return found


def test_those_begun_before_and_after_the_change_was_in_force_are_told_apart() -> None:
    seen = bird("TCP", [(1, 0, 50), (2, 0, 150), (3, 0, 180), (4, 0, 250)], [(1, 0), (2, 0)]).seen(100, 200, at_interface=True)
    assert (seen.meanwhile, seen.admitted, seen.after, seen.late) == (2, 1, 1, 0)
    assert (seen.seconds, seen.last) == (pytest.approx(100e-9), pytest.approx(50e-9))


def test_a_datagram_from_a_port_that_was_used_before_is_not_taken_for_the_former_one() -> None:
    """Linux chooses ports at random: of some dozens two are equal now and then."""
    seen = bird("UDP", [(7, 1, 50), (7, 2, 250)], [(7, 1)]).seen(100, 200, at_interface=True)
    assert (seen.after, seen.late) == (1, 0)
    seen = bird("UDP", [(7, 1, 50), (7, 2, 250)], [(7, 1), (7, 2)]).seen(100, 200, at_interface=True)
    assert (seen.after, seen.late) == (1, 1)


def test_what_the_interface_got_says_nothing_where_a_proxy_stands_behind_it() -> None:
    seen = bird("TCP", [(1, 0, 250)], [(1, 0)]).seen(100, 200, at_interface=False)
    assert (seen.after, seen.late) == (1, 0)
