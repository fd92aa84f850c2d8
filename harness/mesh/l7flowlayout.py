"""A flow event as the kernel packs it, and the frames in which an agent files them; bpf/l7.h is the source of the first."""

import struct
from enum import IntFlag

from harness.mesh.l7layout import TUPLE

FLOW = struct.Struct(f"=QQ{TUPLE.size}s8sHHHH96s")
"""Time, latency, tuple, method, status, bytes of the path, why it is slow, ways, the path's beginning."""

RECORD_BYTES = 8 + FLOW.size
"""In the ring: the kernel puts a word of its own before each. All are of one size, so that they are taken without a look."""

FRAME = struct.Struct("=4sIQqqQ")
"""What precedes data in a file: its kind, its bytes, where it began in the ring or log, wall clock less CLOCK_MONOTONIC
and the wall clock in ns, and how many events the kernel had lost by then."""

EVENTS, LINES = b"flow", b"slow"
"""Kinds of data: records of the ring, and lines of the proxy's log."""

SUFFIX = ".flows"


class Way(IntFlag):
    """``enum l7_way``."""

    CLIENT = 1
    ASKED = 2
    ANSWERED = 4
    RELAYED = 8
    LOST = 16
    GONE = 32
