"""Programs for raw tracepoints, compiled by bcc at run time without the kernel's headers.

Raw tracepoints need neither kprobes nor tracefs. Programs are loaded once a process and attached only between a reading's
begin and end, so that nothing but the load that is traced pays for them.
"""

import os
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.meters.btf import KernelTypes
from harness.meters.port import MeterError

HERE = Path(__file__).parent


@contextmanager
def _stub_headers() -> Iterator[None]:
    """bcc reads from the environment where kernel headers are; what stood there is put back."""
    before = os.environ.get("BCC_KERNEL_SOURCE")
    os.environ["BCC_KERNEL_SOURCE"] = str(HERE / "stubs")
    try:
        yield
    finally:
        if before is None:
            del os.environ["BCC_KERNEL_SOURCE"]
        else:
            os.environ["BCC_KERNEL_SOURCE"] = before


def bcc() -> Any:
    """The class that compiles. Raises MeterError where bcc is missing."""
    try:
        from bcc import BPF  # noqa: PLC0415  # loads clang: only where events are traced, and not on every machine
    except ImportError as error:
        raise MeterError(f"bcc cannot be imported ({error}); install python3-bpfcc") from None
    return BPF


def offsets(members: Mapping[str, tuple[str, str]]) -> list[str]:
    """Flags that define each name as the offset of a structure's member in the running kernel. Raises MeterError."""
    with KernelTypes() as kernel:
        return [f"-D{name}={kernel.offset(struct, member)}" for name, (struct, member) in members.items()]


def compiled(source: str, flags: Sequence[str], functions: Sequence[bytes]) -> Any:
    """The program in the file ``source`` of this folder, its functions loaded and attached to nothing. Raises MeterError."""
    flags = [*flags, "-I/usr/include", f"-I/usr/include/{sysconfig.get_config_var('MULTIARCH')}"]
    try:
        with _stub_headers():
            bpf = bcc()(text=(HERE / source).read_bytes(), cflags=flags)
        for function in functions:
            bpf.load_func(function, bcc().RAW_TRACEPOINT)
    except Exception as error:  # bcc raises bare Exception, and prints the compiler's words itself
        raise MeterError(f"bcc could not load the probes of {source} ({error}); they need root and linux-libc-dev") from None
    return bpf


@contextmanager
def attached(bpf: Any, probes: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
    """Each tracepoint calls its function while this is open. Attached in order. Raises MeterError, then none is attached."""
    with ExitStack() as held:
        for tracepoint, function in probes:
            try:
                bpf.attach_raw_tracepoint(tp=tracepoint, fn_name=function)
            except Exception as error:  # bcc raises bare Exception
                raise MeterError(f"tracepoint {tracepoint.decode()} cannot be traced: {error}") from None
            held.callback(bpf.detach_raw_tracepoint, tp=tracepoint)
        yield


def lacking() -> str | None:
    """What this machine lacks for tracing, in plain words, or None."""
    if find_spec("bcc") is None:
        return "bcc for Python is missing; install python3-bpfcc (and give the environment system site packages)"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "the kernel gives no type information (/sys/kernel/btf/vmlinux); it needs CONFIG_DEBUG_INFO_BTF"
    if os.geteuid() != 0:
        return "tracing needs root"
    return None
