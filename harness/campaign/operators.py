"""Mechanical faults: small changes of the BPF programs and of the policies' compilers, drawn by a committed seed."""

import ast
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.lab.build import ROOT

SEED = 20261124
COUNT = 64  # some of them the kernel refuses, and they are no mutants
PLANES = {"bpf": "ebpf", "harness/mesh": "ebpf", "harness/nft": "nftables", "harness/envoy": "sidecar-mtls"}
SOURCES = (
    *(f"bpf/{name}.h" for name in (
        "conntrack", "forward", "fragment", "handle", "icmp", "identity", "packet", "policy", "verdict",
    )),
    *(f"harness/mesh/{name}.py" for name in (
        "cidrclasses", "cilium", "ciliumports", "ciliumselectors", "networkpolicy", "portclasses", "selectors",
    )),
    *(f"harness/nft/{name}.py" for name in ("cilium", "ciliumports", "networkpolicy", "ports")),
    *(f"harness/envoy/{name}.py" for name in ("rbac", "selection")),
)  # fmt: skip

_C = {
    "relation": [(r" == ", " != "), (r" != ", " == "), (r" < ", " <= "), (r" > ", " >= "), (r" <= ", " < "), (r" >= ", " > ")],
    "logic": [(r" && ", " || "), (r" \|\| ", " && ")],
    "negation": [(r"\bif \(!", "if ("), (r"\bif \((?!!)(\w+\([^()]*\))\)", r"if (!\1)")],
    "arithmetic": [
        (r" \+ 1\b", " + 2"),
        (r" - 1\b", ""),
        (r"\breturn true;", "return false;"),
        (r"\breturn false;", "return true;"),
    ],
    "assignment": [(r"\|= ", "= "), (r"&= ", "= ")],
}
_NOT_CODE = re.compile(r"^\s*(/?\*|//|#)")


@dataclass(frozen=True, slots=True)
class Change:
    """Line ``line`` (from 1) of ``file`` becomes ``text``."""

    file: str
    line: int
    text: str
    operator: str


def changes(file: str) -> list[Change]:
    """Every change that the operators know for a source file, in its order."""
    source = (ROOT / file).read_text()
    return list(_python(file, source) if file.endswith(".py") else _c(file, source))


def drawn(seed: int = SEED, count: int = COUNT) -> list[Change]:
    """``count`` changes, as many from each file and operator as there are, not two of one line."""
    choose = random.Random(seed)
    piles: dict[tuple[str, str], list[Change]] = {}
    for file in SOURCES:
        for change in changes(file):
            piles.setdefault((file, change.operator), []).append(change)
    for pile in piles.values():
        choose.shuffle(pile)
    order = sorted(piles)
    choose.shuffle(order)
    chosen: list[Change] = []
    while len(chosen) < count and any(piles.values()):
        for key in order:
            taken = {(each.file, each.line) for each in chosen}
            pile = [change for change in piles[key] if (change.file, change.line) not in taken]
            piles[key] = pile[1:]
            if pile and len(chosen) < count:
                chosen.append(pile[0])
    return sorted(chosen, key=lambda change: (change.file, change.line))


def unique(file: str, change: Change) -> tuple[str, str]:
    """The changed line before and after, with as many lines around it as make it occur once in the file."""
    lines = (ROOT / file).read_text().splitlines()
    at = change.line - 1
    for around in range(len(lines)):
        low, high = max(0, at - around), at + 1 + around
        before = "\n".join(lines[low:high])
        if "\n".join(lines).count(before) == 1:
            return before, "\n".join([*lines[low:at], change.text, *lines[at + 1 : high]])
    raise ValueError(f"{file}:{change.line}: the file is twice the same")


def plane(file: str) -> str:
    """The data plane that a source file belongs to."""
    return next(name for folder, name in PLANES.items() if Path(file).is_relative_to(folder))


def _c(file: str, source: str) -> Iterator[Change]:
    for number, line in enumerate(source.splitlines(), 1):
        code = line.partition("/*")[0].rstrip()
        if _NOT_CODE.match(line) or not code.strip():
            continue
        for operator, pairs in _C.items():
            for pattern, replacement in pairs:
                if re.search(pattern, code):
                    yield Change(file, number, re.sub(pattern, replacement, code, count=1) + line[len(code) :], operator)


_Swap = dict[type[ast.AST], str]
_COMPARISONS: _Swap = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.In: "not in", ast.NotIn: "in",
    ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip


def _python(file: str, source: str) -> Iterator[Change]:
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        for kind, make in _PYTHON.items():
            made = make(node) if getattr(node, "lineno", 0) == getattr(node, "end_lineno", -1) else None
            if made is None or not isinstance(node, ast.expr):
                continue
            line = lines[node.lineno - 1].encode()
            text = (line[: node.col_offset] + f"({made})".encode() + line[node.end_col_offset :]).decode()
            yield Change(file, node.lineno, text, kind)


def _comparison(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Compare) or len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
        return None
    return f"{ast.unparse(node.left)} {_COMPARISONS[type(node.ops[0])]} {ast.unparse(node.comparators[0])}"


def _logic(node: ast.AST) -> str | None:
    if not isinstance(node, ast.BoolOp):
        return None
    return (" or " if isinstance(node.op, ast.And) else " and ").join(f"({ast.unparse(each)})" for each in node.values)


def _negation(node: ast.AST) -> str | None:
    return ast.unparse(node.operand) if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else None


def _arithmetic(node: ast.AST) -> str | None:
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub):
        return None
    if not isinstance(node.right, ast.Constant) or not isinstance(node.right.value, int):
        return None
    return f"{ast.unparse(node.left)} {'+' if isinstance(node.op, ast.Add) else '-'} {node.right.value + 1}"


_PYTHON: dict[str, Callable[[ast.AST], str | None]] = {
    "relation": _comparison,
    "logic": _logic,
    "negation": _negation,
    "arithmetic": _arithmetic,
}
