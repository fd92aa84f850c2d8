"""What may be chosen of the fast path, beside its slow one."""

import mmap
from dataclasses import dataclass

from harness.envoy.node_tuning import NodeTuning
from harness.envoy.tuning import chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class FastTuning(NodeTuning):
    """Settings of ``ebpf-l7``.

    ``flows`` has every request told of, on all paths; ``flow_ring_bytes`` is the size of the ring in which the kernel tells
    the agent, which takes out what is there ten times a second.
    """

    flow_ring_bytes: int = 8 << 20


DEFAULTS = FastTuning()
NAMED = {"defaults": DEFAULTS}


def parse(settings: str) -> FastTuning:
    """Settings as a user writes them: ``defaults``, or changes to them as ``name=value,…``. Raises ValueError."""
    tuning = chosen(settings, DEFAULTS, NAMED)
    size = tuning.flow_ring_bytes
    if size % mmap.PAGESIZE or size & (size - 1) or not size:
        raise ValueError(f"flow_ring_bytes={size}: write a power of two of at least {mmap.PAGESIZE}")
    return tuning
