"""YAML files as documents: plain data, and the line of every value in it."""

import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from harness.manifests.errors import Fault, ManifestError, quoted, refuse
from harness.manifests.tree import Builder, Data, List, Mapping, Node, plain
from harness.model.origin import Origin

Step: TypeAlias = str | int

_BYTES = 64 << 20  # of a file; a pod as kubectl prints it takes about 10 KiB


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its plain data and, by ``origin``, where each part of it was written."""

    file: str
    data: Data
    _root: Node

    def at(self, path: Sequence[Step]) -> Data:
        """The value at ``path``, which must be there."""
        value = self.data
        for step in path:
            value = value[step]
        return value

    def origin(self, path: Sequence[Step] = ()) -> Origin:
        """Where the value at ``path`` was written; a field that is missing is answered by what should hold it."""
        node, line = self._root, self._root.line
        for step in path:
            match node:
                case Mapping() if step in node.entries:
                    line, node = node.entries[str(step)]
                case List() if isinstance(step, int) and step < len(node.items):
                    node = node.items[step]
                    line = node.line
                case _:
                    break
        return Origin(self.file, line)

    def fault(self, path: Sequence[Step], message: str) -> Fault:
        """A fault of the value at ``path``."""
        where = dotted(path)
        return Fault(self.origin(path), f"{where}: {message}" if where else message)


def dotted(path: Sequence[Step]) -> str:
    """A path as messages print it: ``spec.ingress[0].from``. The level ``expect`` of scenarios says nothing and is left out."""
    if path[:1] == ("expect",) and len(path) > 1:
        path = path[1:]
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("-", "").replace("_", "").isalnum():
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def read_documents(path: Path) -> list[Document]:
    """The documents of a YAML (or JSON) file, empty ones left out. Raises ManifestError with all that is wrong."""
    file = str(path)
    text = _text(path)
    builder = Builder(file, text)
    try:
        documents = [Document(file, plain(root), root) for root in builder.roots()]
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError) as broken:
        raise ManifestError([*builder.faults, _syntax(file, text, broken)]) from None
    refuse(builder.faults)
    return documents


def read_document(path: Path, purpose: str) -> Document:
    """The only document of a file that is ``purpose`` ("a topology"). Raises ManifestError."""
    documents = read_documents(path)
    if not documents:
        raise ManifestError([Fault(Origin(str(path), 1), f"the file is empty; write {purpose} in it")])
    if len(documents) > 1:
        extra = documents[1].origin()
        raise ManifestError([Fault(extra, f"a second document; a file holds one: put {purpose} in a file of its own")])
    return documents[0]


def _text(path: Path) -> str:
    start = Origin(str(path), 1)
    try:
        raw = _bytes(path)
    except FileNotFoundError:
        raise ManifestError([Fault(start, "no such file; check the path")]) from None
    except OSError as refused:
        raise ManifestError([Fault(start, f"cannot be read: {refused.strerror}")]) from None
    if raw is None:
        raise ManifestError([Fault(start, "a pipe that nobody writes to; write to it, or name a file")])
    if len(raw) > _BYTES:
        raise ManifestError([Fault(start, f"over {_BYTES >> 20} MiB; split the file, or name another")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        at = Origin(str(path), raw[: bad.start].count(b"\n") + 1)
        raise ManifestError([Fault(at, f"byte 0x{raw[bad.start]:02x} is not UTF-8; save the file as UTF-8")]) from None


def _bytes(path: Path) -> bytes | None:
    """What ``path`` holds, up to a byte beyond the limit; None of a pipe without a writer, which would be waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with io.FileIO(handle) as opened:
        begun = opened.read(1)
        if begun == b"" and stat.S_ISFIFO(os.fstat(handle).st_mode):
            return None
        os.set_blocking(handle, True)
        with io.BufferedReader(opened) as rest:  # not by its size: pipes have none, and devices no end
            return (begun or b"") + rest.read(_BYTES + 1)


def _syntax(file: str, text: str, broken: yaml.MarkedYAMLError | yaml.reader.ReaderError) -> Fault:
    if isinstance(broken, yaml.reader.ReaderError):
        line = text.encode()[: broken.position].count(b"\n") + 1
        return Fault(Origin(file, line), "a control character, which YAML does not allow; remove it")
    mark = broken.problem_mark or broken.context_mark
    lines = text.splitlines() or [""]
    line = min(mark.line + 1 if mark else 1, len(lines))  # the parser sees a truncated file end on a line more
    written = lines[line - 1]
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return Fault(Origin(file, line), "a tab in the indentation, which YAML does not allow; use spaces")
    said = ", ".join(part for part in (broken.problem, broken.context) if part)
    return Fault(Origin(file, line), f"not YAML: {said}; correct the syntax")
