"""What a load cost. A meter is one module here with a ``METERS`` tuple; nothing else need change."""

import pkgutil
from collections.abc import Callable
from importlib import import_module

from harness.meters.port import Meter


def registered() -> dict[str, Meter]:
    """Every meter by name, in the order of module names."""
    meters: dict[str, Meter] = {}
    for module in pkgutil.iter_modules(__path__):
        for meter in getattr(import_module(f"{__name__}.{module.name}"), "METERS", ()):
            meters[meter.name] = meter
    return meters


def usable(lacking: Callable[[str, str], None] = lambda name, reason: None) -> list[Meter]:
    """The meters that can read on this machine; ``lacking`` is told of each other one by name, and what it lacks."""
    found = []
    for name, meter in registered().items():
        reason = meter.available()
        if reason is None:
            found.append(meter)
        else:
            lacking(name, reason)
    return found
