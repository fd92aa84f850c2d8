"""What all Kubernetes objects share: names, labels, selectors, metadata, lists, kinds.

The rules are those of the API server: ``k8s.io/apimachinery/pkg/util/validation`` and ``pkg/apis/meta/v1/validation``.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.manifests.errors import quoted
from harness.manifests.shape import Shape, wrong
from harness.model.policy import LabelSelector, Requirement

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PORT_NAME = re.compile(r"(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def _dns_label(text: str) -> str:
    if len(text) > 63 or not _DNS_LABEL.fullmatch(text):
        raise wrong(f"want a DNS label (a-z, 0-9, '-' inside; at most 63 characters), found {quoted(text)}")
    return text


def _dns_subdomain(text: str) -> str:
    if len(text) > 253 or not _DNS_SUBDOMAIN.fullmatch(text):
        raise wrong(f"want a DNS name (a-z, 0-9, '-' and '.' inside; at most 253 characters), found {quoted(text)}")
    return text


def label_key(text: str) -> str:
    """A label's key (``IsQualifiedName``); raises the error that pydantic reports."""
    prefix, slash, name = text.rpartition("/")
    named = len(name) <= 63 and _LABEL_PART.fullmatch(name)
    prefixed = not slash or (len(prefix) <= 253 and _DNS_SUBDOMAIN.fullmatch(prefix))
    if not named or not prefixed:
        raise wrong(
            f"want a label key (letters, digits, '-_.' between; at most 63; before a '/', a DNS name), found {quoted(text)}"
        )
    return text


def _label_value(text: str) -> str:
    if text and (len(text) > 63 or not _LABEL_PART.fullmatch(text)):
        raise wrong(f"want a label value (letters, digits, '-_.' between; at most 63), found {quoted(text)}")
    return text


def port_name(text: str) -> str:
    """A container port's name (``IsValidPortName``); raises the error that pydantic reports."""
    if len(text) > 15 or not _PORT_NAME.fullmatch(text) or not re.search("[a-z]", text):
        raise wrong(f"want a port name (a-z, 0-9, single '-' inside, a letter; at most 15 characters), found {quoted(text)}")
    return text


def transport(text: str) -> str:
    """A transport protocol that is carried here; raises the error that pydantic reports."""
    if text == "SCTP":
        raise wrong("SCTP is not supported: no data plane here carries it; use TCP or UDP")
    if text not in ("TCP", "UDP"):
        raise wrong(f"want TCP or UDP, found {quoted(text)}")
    return text


DnsLabel = Annotated[str, AfterValidator(_dns_label)]
DnsSubdomain = Annotated[str, AfterValidator(_dns_subdomain)]
LabelKey = Annotated[str, AfterValidator(label_key)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
Labels = dict[LabelKey, LabelValue]
Port = Annotated[int, Field(ge=1, le=65535)]
PortName = Annotated[str, AfterValidator(port_name)]
Protocol = Annotated[str, AfterValidator(transport), Field(json_schema_extra={"enum": ["TCP", "UDP"]})]


class Metadata(Shape):
    """ObjectMeta of a user's object; what only a server writes is accepted and not looked at."""

    name: DnsSubdomain
    namespace: DnsLabel | None = None
    labels: Labels | None = None
    annotations: dict[str, str] | None = None
    generate_name: Any = None
    uid: Any = None
    resource_version: Any = None
    generation: Any = None
    creation_timestamp: Any = None
    deletion_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    owner_references: Any = None
    finalizers: Any = None
    managed_fields: Any = None
    self_link: Any = None


class Expression(Shape):
    """A requirement of a label selector."""

    key: LabelKey
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[LabelValue] | None = None

    @model_validator(mode="after")
    def _values_as_the_operator_wants(self) -> "Expression":
        wanted = self.operator in ("In", "NotIn")
        if wanted and not self.values:
            raise wrong(f"missing or empty; operator {self.operator} needs at least one value", "values")
        if not wanted and self.values:
            raise wrong(f"operator {self.operator} takes no values; remove them", "values")
        return self

    def value(self) -> Requirement:
        """The requirement as the model holds it."""
        return Requirement(self.key, self.operator, tuple(self.values or ()))


class Selector(Shape):
    """LabelSelector of meta/v1."""

    match_labels: Labels | None = None
    match_expressions: list[Expression] | None = None

    def value(self) -> LabelSelector:
        """The selector as the model holds it."""
        return LabelSelector(dict(self.match_labels or {}), tuple(each.value() for each in self.match_expressions or ()))
