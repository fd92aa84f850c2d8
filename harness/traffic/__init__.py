"""What runs between pods. A load is a module here with a ``LOADS`` tuple; nothing else need change."""

import pkgutil
from importlib import import_module

from harness.traffic.port import Load


def registered() -> dict[str, Load]:
    """Every load by kind (a ``LoadKind`` value), in the order of module names."""
    loads: dict[str, Load] = {}
    for module in pkgutil.iter_modules(__path__):
        for load in getattr(import_module(f"{__name__}.{module.name}"), "LOADS", ()):
            loads[load.kind] = load
    return loads
