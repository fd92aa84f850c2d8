"""How an Envoy is restarted in each of the port's manners."""

from harness.dataplanes.port import RestartKind
from harness.envoy.process import Proxy

RESTART_SECONDS = 30.0


def restart(proxy: Proxy, how: RestartKind) -> None:
    """Returns when it serves again. Raises EnvoyError, LabError."""
    if how is RestartKind.HOT:
        proxy.hot_restart(RESTART_SECONDS)
        return
    if how is RestartKind.KILL:
        proxy.kill()
    else:
        proxy.stop()
    proxy.start()
    proxy.await_ready(RESTART_SECONDS)
