"""What is compared. A data plane is one module here with a ``DATA_PLANES`` tuple; nothing else need change."""

import pkgutil
from importlib import import_module

from harness.dataplanes.port import DataPlane


def registered() -> dict[str, DataPlane]:
    """Every data plane by name, in the order of module names."""
    planes: dict[str, DataPlane] = {}
    for module in pkgutil.iter_modules(__path__):
        for plane in getattr(import_module(f"{__name__}.{module.name}"), "DATA_PLANES", ()):
            planes[plane.name] = plane
    return planes
