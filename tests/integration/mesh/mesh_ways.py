"""The ways of attaching and forwarding that these tests try."""

from harness.mesh.agent import Options
from harness.mesh.hooks import HookKind

WAYS = {
    "tcx": Options(HookKind.TCX),
    "clsact": Options(HookKind.CLSACT),
    "tcx through the stack": Options(HookKind.TCX, host_routing=False),
}
