"""Everything about a node's Envoy for TCP that may be chosen, in one value."""

from dataclasses import dataclass

from harness.envoy.tuning import EnvoyTuning, chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class L4Tuning(EnvoyTuning):
    """Settings of the Envoy of a node that passes on TCP.

    ``drain_seconds`` only bounds how long a connection may live on that a change of policy found open and allows: those that
    it does not allow are ended one by one. ``trust_port_names`` as for a sidecar: on ports called ``tcp…`` servers may speak
    first, also where policies isolate.
    """

    drain_seconds: int = 600
    trust_port_names: bool = True


DEFAULTS = L4Tuning()
NAMED = {"defaults": DEFAULTS}


def parse(settings: str) -> L4Tuning:
    """Settings as a user writes them: ``defaults``, or changes to them as ``name=value,…``. Raises ValueError."""
    return chosen(settings, DEFAULTS, NAMED)
