"""What follows the peers in a rule of Cilium's: ``toPorts`` with its L7 rules, and ``icmps``.

Source: ``pkg/policy/api/rule_validation.go``, ``l4.go``, ``http.go``, ``kafka.go`` and ``icmp.go`` of Cilium.
"""

import re
from typing import Annotated, Any, Literal

import re2
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harness.manifests.asked import api_name
from harness.manifests.document import Document, Step
from harness.manifests.errors import found, quoted, suggestion
from harness.manifests.gateway_fields import HeaderName, header_name
from harness.manifests.kubernetes import port_name
from harness.manifests.shape import Shape, unsupported, wrong
from harness.model.cilium import CiliumPort, HeaderMatch, HTTPRule, ICMPField, KafkaRule, L7Rules, PortRule

_Path = tuple[Step, ...]

_QUIET = re2.Options()
_QUIET.log_errors = False  # what is wrong is said in the fault
_TOPIC = re.compile(r"[A-Za-z0-9._-]+")
_MOST = 40  # entries that Cilium takes in ports and in fields
_ICMP_NAMES = {
    "IPv4": frozenset(
        (
            "EchoReply", "DestinationUnreachable", "Redirect", "Echo", "EchoRequest", "RouterAdvertisement", "RouterSelection",
            "TimeExceeded", "ParameterProblem", "Timestamp", "TimestampReply",
        )
    ),
    "IPv6": frozenset(
        ("EchoReply", "DestinationUnreachable", "PacketTooBig", "EchoRequest", "TimeExceeded", "ParameterProblem")
    ),
}  # fmt: skip


def _port(text: str) -> str:
    if not text.isdecimal():
        return port_name(text)
    if not text.isascii() or (text != "0" and text.startswith("0")) or len(text) > 5 or int(text) > 65535:
        raise wrong(f"want a port from 0 (any) to 65535 or a container port's name, found {quoted(text)}")
    return text


def _protocol(text: str) -> str:
    if text in ("ICMP", "ICMPv6"):
        raise wrong(f"{text} has no ports; write icmps")
    if text == "SCTP":
        raise wrong("SCTP is not supported: no data plane here carries it; use TCP, UDP or ANY")
    if text not in ("TCP", "UDP", "ANY"):
        raise wrong(f"want TCP, UDP or ANY, found {quoted(text)}")
    return text


def _icmp_type(value: object) -> int | str:
    if isinstance(value, str):
        if not value.isdecimal():
            return value
        value = int(value) if value.isascii() and len(value) <= 3 else -1
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
        raise wrong(f"want an ICMP type (0 to 255, or a name such as EchoRequest), found {found(value)}")
    return value


class _Port(Shape):
    port: Annotated[str, AfterValidator(_port)]
    end_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    protocol: Annotated[str, AfterValidator(_protocol)] | None = None

    @model_validator(mode="after")
    def _range(self) -> "_Port":
        if self.end_port is None:
            return self
        if not self.port.isdecimal() or self.port == "0":
            raise wrong("needs a numeric port above 0 beside it; write the first port of the range as port", "endPort")
        if self.end_port < int(self.port):
            raise wrong(f"{self.end_port} is below port {self.port}; write the last port of the range", "endPort")
        return self


def _expression(text: str) -> str:
    try:
        re2.compile(text, _QUIET)
    except re2.error as broken:
        raise wrong(f"no regular expression of RE2 ({_said(broken)}), found {quoted(text)}") from broken
    return text


def _said(broken: Exception) -> str:
    said = broken.args[0]
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def _header(text: str) -> str:
    name, colon, value = text.partition(": ")
    header_name(name)
    if colon and not value:
        raise wrong(f"want Name: VALUE, or a name alone, found {quoted(text)}")
    return text


def _version(text: str) -> str:
    if text and not (text.isascii() and text.isdecimal() and int(text) <= 32767):
        raise wrong(f"want a version (0 to 32767), found {quoted(text)}")
    return text


def _topic(text: str) -> str:
    if text and (len(text) > 255 or not _TOPIC.fullmatch(text)):
        raise wrong(f"want a topic of at most 255 letters, digits, '.', '_' and '-', found {quoted(text)}")
    return text


_Expression = Annotated[str, AfterValidator(_expression)]


class _HeaderMatch(Shape):
    name: HeaderName
    value: str | None = None
    mismatch: Literal["LOG", "ADD", "DELETE", "REPLACE"] | None = None
    secret: Annotated[Any, unsupported("no data plane here reads Secrets; write the value")] = None


class _HTTP(Shape):
    method: _Expression | None = None
    path: _Expression | None = None
    host: _Expression | None = None
    headers: list[Annotated[str, AfterValidator(_header)]] | None = None
    header_matches: list[_HeaderMatch] | None = None


class _Kafka(Shape):
    role: Literal["produce", "consume"] | None = None
    api_key: Annotated[str, AfterValidator(api_name)] | None = None
    api_version: Annotated[str, AfterValidator(_version)] | None = None
    client_id: str | None = Field(default=None, alias="clientID")
    topic: Annotated[str, AfterValidator(_topic)] | None = None

    @model_validator(mode="after")
    def _role_or_key(self) -> "_Kafka":
        if self.role and self.api_key:
            raise wrong("role and apiKey in one rule; Cilium takes one of them: write two rules")
        return self


class _L7(Shape):
    http: list[_HTTP] | None = None
    kafka: list[_Kafka] | None = None
    dns: Annotated[Any, unsupported("no data plane here reads DNS; remove it")] = None
    l7proto: Annotated[Any, unsupported("only http and kafka are read; remove it")] = None
    l7: Annotated[Any, unsupported("only http and kafka are read; remove it")] = None

    @model_validator(mode="after")
    def _one_kind(self) -> "_L7":
        if self.http is not None and self.kafka is not None:
            raise wrong("http and kafka in one entry is not supported by Cilium; write two entries of toPorts", "kafka")
        return self


class PortRuleShape(Shape):
    """One entry of ``toPorts``."""

    ports: Annotated[list[_Port], Field(max_length=_MOST)] | None = None
    rules: _L7 | None = None
    terminating_tls: Annotated[Any, unsupported("TLS is not opened; remove it")] = Field(default=None, alias="terminatingTLS")
    originating_tls: Annotated[Any, unsupported("TLS is not opened; remove it")] = Field(default=None, alias="originatingTLS")
    server_names: Annotated[Any, unsupported("TLS server names are not read; remove it")] = None
    listener: Annotated[Any, unsupported("listeners of CiliumEnvoyConfig are not read; remove it")] = None

    @model_validator(mode="after")
    def _rules_fit_ports(self) -> "PortRuleShape":
        if self.rules is None or not (self.rules.http or self.rules.kafka):
            return self
        if not self.ports:
            raise wrong("L7 rules need ports beside them; write ports", "rules")
        for position, each in enumerate(self.ports):
            if each.port == "0":
                raise wrong("L7 rules cannot be used with port 0; write the port", "ports", position, "port")
            if each.protocol != "TCP":  # also where none is written: Cilium takes that for ANY, and refuses the policy
                raise wrong("L7 rules apply to TCP only; write TCP", "ports", position, "protocol")
        return self

    def value(self, document: Document, path: _Path) -> PortRule:
        """The entry, which stands at ``path``, as the model holds it."""
        ports = None
        if self.ports is not None:
            ports = tuple(
                CiliumPort(document.origin((*path, "ports", i)), each.port, each.end_port, each.protocol)
                for i, each in enumerate(self.ports)
            )
        rules = None if self.rules is None else _l7(document, (*path, "rules"), self.rules)
        return PortRule(document.origin(path), ports, rules)


class _Field(Shape):
    type: Annotated[int | str, BeforeValidator(_icmp_type)]
    family: Literal["IPv4", "IPv6"] | None = None

    @model_validator(mode="after")
    def _known_name(self) -> "_Field":
        names = _ICMP_NAMES[self.family or "IPv4"]
        if isinstance(self.type, str) and self.type not in names:
            family = self.family or "IPv4, the family where none is written"
            hint = suggestion(self.type, names)
            what = f"no name {quoted(self.type)} for {family}{hint}; write one that is, or the type's number"
            raise wrong(what, "type")
        return self


class ICMPShape(Shape):
    """One entry of ``icmps``."""

    fields_: Annotated[list[_Field], Field(max_length=_MOST)] | None = Field(default=None, alias="fields")

    def value(self, document: Document, path: _Path) -> tuple[ICMPField, ...]:
        """The entry, which stands at ``path``, as the model holds it."""
        return tuple(
            ICMPField(document.origin((*path, "fields", i)), each.type, each.family)
            for i, each in enumerate(self.fields_ or ())
        )


def _l7(document: Document, path: _Path, shape: _L7) -> L7Rules:
    return L7Rules(
        document.origin(path),
        None if shape.http is None else tuple(_http(document, (*path, "http", i), each) for i, each in enumerate(shape.http)),
        None
        if shape.kafka is None
        else tuple(_kafka(document, (*path, "kafka", i), each) for i, each in enumerate(shape.kafka)),
    )


def _http(document: Document, path: _Path, shape: _HTTP) -> HTTPRule:
    matches = shape.header_matches
    return HTTPRule(
        document.origin(path),
        method=shape.method,
        path=shape.path,
        host=shape.host,
        headers=None if shape.headers is None else tuple(shape.headers),
        header_matches=None
        if matches is None
        else tuple(HeaderMatch(each.name, each.value, each.mismatch) for each in matches),
    )


def _kafka(document: Document, path: _Path, shape: _Kafka) -> KafkaRule:
    return KafkaRule(document.origin(path), shape.role, shape.api_key, shape.api_version, shape.client_id, shape.topic)
