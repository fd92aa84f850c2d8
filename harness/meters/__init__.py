"""What a load cost. A meter is one module here with a ``METERS`` tuple; nothing else need change."""

import pkgutil
from importlib import import_module

from harness.meters.port import Meter


def registered() -> dict[str, Meter]:
    """Every meter by name, in the order of module names."""
    meters: dict[str, Meter] = {}
    for module in pkgutil.iter_modules(__path__):
        for meter in getattr(import_module(f"{__name__}.{module.name}"), "METERS", ()):
            meters[meter.name] = meter
    return meters
