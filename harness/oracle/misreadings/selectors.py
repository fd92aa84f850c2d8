"""Misreadings of label selectors."""

from collections.abc import Iterator
from dataclasses import replace

from harness.model.policy import LabelSelector, Requirement
from harness.oracle.misreadings.change import Misreading, spliced

NAMESPACE = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
_NAME = "kubernetes.io/metadata.name"
_OPPOSITE = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}

EVERYTHING = LabelSelector()
NOTHING = LabelSelector(match_expressions=(Requirement("meshproof.io/none", "Exists"),))


def selector(field: str, written: LabelSelector) -> Iterator[Misreading[LabelSelector]]:
    """The whole taken for everything or for nothing, and each requirement of it misread."""
    labels, expressions = written.match_labels, written.match_expressions
    many = len(labels) + len(expressions) > 1
    if not labels and not expressions:
        yield Misreading(field, "the empty selector", "no pod", NOTHING)
        return
    yield Misreading(field, _shape(written), "nothing matches", NOTHING)
    for key, value in labels.items():
        others = {other: each for other, each in labels.items() if other != key}
        kind = ("one of several labels" if many else "one label") + (", its value empty" if value == "" else "")
        for taken, instead in _label_taken(key, value):
            more = () if instead is None else (instead,)
            yield Misreading(f"{field}.matchLabels", kind, taken, LabelSelector(others, (*expressions, *more)))
        for change in _key(f"{field} key", key):
            yield Misreading(
                change.field, change.value, change.taken, LabelSelector({**others, change.instead: value}, expressions)
            )
    for place, each in enumerate(expressions):
        put = spliced(expressions, place)
        for misread in _expression(field, each, many):
            yield misread.inside(put).inside(lambda instead: replace(written, match_expressions=instead))


def _shape(written: LabelSelector) -> str:
    if not written.match_expressions:
        return "labels"
    return "labels and expressions" if written.match_labels else "expressions"


def _label_taken(key: str, value: str) -> Iterator[tuple[str, Requirement | None]]:
    yield "not looked at", None
    yield "any value of the key", Requirement(key, "Exists")
    yield "any other value", Requirement(key, "NotIn", (value,))
    if value == "":
        yield "the key's absence", Requirement(key, "DoesNotExist")


def _expression(field: str, written: Requirement, many: bool) -> Iterator[Misreading[tuple[Requirement, ...]]]:
    kind = f"{written.operator}{_amount(written)}{', one of several' if many else ''}"
    for taken, instead in _expression_taken(written):
        yield Misreading(f"{field}.matchExpressions", kind, taken, instead)
    for change in _key(f"{field} key", written.key):
        yield change.inside(lambda other: (replace(written, key=other),))


def _expression_taken(written: Requirement) -> Iterator[tuple[str, tuple[Requirement, ...]]]:
    opposite = _OPPOSITE[written.operator]
    yield "not looked at", ()
    yield opposite, (replace(written, operator=opposite),)
    if written.operator in ("In", "NotIn"):
        presence = "Exists" if written.operator == "In" else "DoesNotExist"
        yield presence, (Requirement(written.key, presence),)
        if len(written.values) > 1:
            yield "its first value alone", (replace(written, values=written.values[:1]),)
            yield "its last value alone", (replace(written, values=written.values[-1:]),)
    if written.operator == "NotIn":
        yield "NotIn, and the key is there", (written, Requirement(written.key, "Exists"))


def _amount(written: Requirement) -> str:
    if written.operator not in ("In", "NotIn"):
        return ""
    return (" of one value" if len(written.values) == 1 else " of several values") + (
        ", one empty" if "" in written.values else ""
    )


def _key(field: str, key: str) -> Iterator[Misreading[str]]:
    """Keys that mean more than the pod's label of that very name."""
    for prefix in ("k8s:", "any:"):
        if key.startswith(prefix):
            bare = key.removeprefix(prefix)
            yield Misreading(field, f"source {prefix} {_about(bare)}", "part of the key", f"meshproof.io/{bare}")
            return
    if _about(key) != "a label":
        yield Misreading(field, _about(key), "a label that nobody wrote", "meshproof.io/none")


def _about(key: str) -> str:
    if key in (NAMESPACE, _NAME):
        return key
    return f"{NAMESPACE_LABELS}*" if key.startswith(NAMESPACE_LABELS) else "a label"


def names_namespace(written: LabelSelector) -> bool:
    """Whether a selector of Cilium's says by itself which namespaces it means."""
    keys = (*written.match_labels, *(each.key for each in written.match_expressions))
    bare = [key.removeprefix("k8s:").removeprefix("any:") for key in keys]
    return any(key == NAMESPACE or key.startswith(NAMESPACE_LABELS) for key in bare)
