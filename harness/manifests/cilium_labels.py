"""Label selectors of Cilium: keys with a source, and keys that stand for more than a pod's labels.

Source: https://docs.cilium.io/en/stable/security/policy/language/ and ``pkg/k8s/apis/cilium.io`` of Cilium.
"""

from typing import Annotated

from pydantic import AfterValidator

from harness.manifests.errors import quoted
from harness.manifests.kubernetes import Expression, LabelValue, label_key
from harness.manifests.shape import Shape, wrong
from harness.model.policy import LabelSelector

NAMESPACE_KEY = "io.kubernetes.pod.namespace"
_NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
_CILIUM = "io.cilium.k8s."
_SOURCES = ("k8s", "any")


def bare(key: str) -> str:
    """A selector's key without its source."""
    source, colon, name = key.partition(":")
    return name if colon and source in _SOURCES else key


def _key(text: str) -> str:
    source, colon, _ = text.partition(":")
    if colon and source == "reserved":
        raise wrong(f"{quoted(text)}: labels of source reserved are not supported; use fromEntities or toEntities")
    if colon and source not in _SOURCES:
        raise wrong(f"{quoted(text)}: labels of source {quoted(source)} are not supported; use k8s:, any: or no source")
    name = bare(text)
    if name.startswith(_NAMESPACE_LABELS):
        label_key(name.removeprefix(_NAMESPACE_LABELS))
    elif name.startswith(_CILIUM):
        raise wrong(f"{quoted(name)} is not supported; select by labels of pods, {NAMESPACE_KEY} or {_NAMESPACE_LABELS}LABEL")
    else:
        label_key(name)
    return text


_Key = Annotated[str, AfterValidator(_key)]


class EndpointExpression(Expression):
    """A requirement of an EndpointSelector."""

    key: _Key


class EndpointSelector(Shape):
    """A label selector whose keys may carry a source."""

    match_labels: dict[_Key, LabelValue] | None = None
    match_expressions: list[EndpointExpression] | None = None

    def value(self) -> LabelSelector:
        """The selector as the model holds it, its keys as written."""
        return LabelSelector(dict(self.match_labels or {}), tuple(each.value() for each in self.match_expressions or ()))
