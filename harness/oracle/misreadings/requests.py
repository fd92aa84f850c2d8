"""Misreadings of rules about requests: ``toPorts[].rules``."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.model.cilium import CiliumRule, HeaderMatch, HTTPRule, KafkaRule, L7Rules, PortRule
from harness.oracle.misreadings.change import Misreading, amount, each_of

_EXPRESSIONS = ("method", "path", "host")
_NEVER = "no-such-value"
_SYNTAX = {
    "alternatives": r"^[^()]*\|[^()]*$",
    "alternatives in a group": r"\([^)]*\|",
    "anything": r"\.[*+]",
    "a count": r"\{[0-9]|[\w)\]][*+?]",
    "a class": r"\[|\\[dwsDWS]",
    "an anchor": r"^\^|\$$",
    "a flag": r"\(\?[a-z]+[:)]",
    "an escape": r"\\[^dwsDWS]",
    "capitals": r"^[^\\(\[]*/[^\\(\[]*[A-Z]",
    "a slash at its end": r"./$",
    "nothing but a slash": r"^/$",
}


_KAFKA = {"role": "role", "apiKey": "api_key", "apiVersion": "api_version", "clientID": "client_id", "topic": "topic"}
_SHORT = 126
"""Bytes of a string whose length, and one, is one byte of a compact string's."""


def rules(field: str, written: L7Rules) -> Iterator[Misreading[L7Rules | None]]:
    """The rules overlooked as a whole, and each misread."""
    kind = "http" if written.http is not None else "kafka"
    entries = written.http if written.http is not None else written.kafka
    if not entries:
        nothing = replace(written, http=(HTTPRule(written.origin, method=_NEVER),), kafka=None)
        yield Misreading(f"{field}.{kind}", "empty", "no request is allowed", nothing)
        return
    yield Misreading(f"{field}.{kind}", amount(entries), "not looked at", None)
    for place, _ in enumerate(entries) if len(entries) > 1 else ():
        yield Misreading(f"{field}.{kind}", "one of several", "not there", _without(written, place))
    for place, each in enumerate(written.http or ()):
        alone = tuple(_alone(each))
        if len(alone) > 1:
            others = (*(written.http or ())[:place], *alone, *(written.http or ())[place + 1 :])
            yield Misreading(f"{field}.http", _fields(each), "one field is enough", replace(written, http=others))
    for change in each_of(written.http, lambda each: _http(f"{field}.http", each)):
        yield change.inside(lambda instead: replace(written, http=instead))
    for said in each_of(written.kafka, lambda each: _kafka(f"{field}.kafka", each)):
        yield said.inside(lambda instead: replace(written, kafka=instead))


def mixed(field: str, written: tuple[CiliumRule, ...]) -> Iterator[Misreading[tuple[CiliumRule, ...]]]:
    """What rules of one list, of which some are narrowed, mean beside one another."""
    narrow = [rule for rule in written if any(_narrowed(port) for port in rule.ports or ())]
    if not narrow:
        return
    plain = [rule for rule in written if rule not in narrow]
    if plain:
        kind = f"a rule {'with' if any(rule.ports for rule in plain) else 'without'} ports beside one about requests"
        yield Misreading(field, kind, "the narrower wins", tuple(narrow))
        open_ = tuple(replace(rule, ports=_opened(rule)) if rule in narrow else rule for rule in written)
        yield Misreading(field, kind, "wins for every peer", open_)
    union = _union(narrow)
    several = "peers" if len(narrow) > 1 else "ports"
    if sum(_narrowed(port) for rule in narrow for port in rule.ports or ()) > 1:
        together = tuple(_with_all(rule, union) for rule in written)
        yield Misreading(field, f"rules about requests of several {several}", "all together for each", together)
    if any(not _narrowed(port) for rule in narrow for port in rule.ports or ()):
        every = tuple(_with_all(rule, union, everywhere=True) if rule in narrow else rule for rule in written)
        yield Misreading(field, "ports without rules about requests beside ports with some", "narrowed too", every)


def _narrowed(port: PortRule) -> bool:
    return port.rules is not None and bool(port.rules.http or port.rules.kafka)


def _union(narrow: Sequence[CiliumRule]) -> L7Rules:
    """All rules about requests as one."""
    found = [port.rules for rule in narrow for port in rule.ports or () if port.rules is not None]
    http = tuple(each for rules in found for each in rules.http or ())
    kafka = tuple(each for rules in found for each in rules.kafka or ())
    return L7Rules(found[0].origin, http=http or None, kafka=kafka or None)


def _opened(rule: CiliumRule) -> tuple[PortRule, ...] | None:
    return None if rule.ports is None else tuple(replace(port, rules=None) for port in rule.ports)


def _with_all(rule: CiliumRule, union: L7Rules, *, everywhere: bool = False) -> CiliumRule:
    ports = tuple(
        replace(port, rules=replace(union, origin=port.origin)) if everywhere or _narrowed(port) else port
        for port in rule.ports or ()
    )
    return replace(rule, ports=ports or rule.ports)


def _without(written: L7Rules, place: int) -> L7Rules:
    http, kafka = written.http, written.kafka
    return replace(
        written,
        http=None if http is None else (*http[:place], *http[place + 1 :]),
        kafka=None if kafka is None else (*kafka[:place], *kafka[place + 1 :]),
    )


def _http(field: str, written: HTTPRule) -> Iterator[Misreading[HTTPRule]]:
    if not any(_alone(written)):
        yield Misreading(field, "no fields", "it matches nothing", replace(written, method=_NEVER))
    for name in _EXPRESSIONS:
        expression = getattr(written, name)
        if not expression:
            continue
        for taken, instead in _expressions(expression):
            yield Misreading(f"{field}.{name}", _syntax(expression), taken, _with(written, name, instead))
    if written.path and "?" not in written.path:
        yield Misreading(f"{field}.path", _syntax(written.path), "the path without its query", _queried(written))
    if written.host:
        yield Misreading(f"{field}.host", _syntax(written.host), "the host without its port", _ported(written))
    for each in each_of(written.headers, lambda entry: _header(f"{field}.headers", entry)):
        yield each.inside(lambda instead: replace(written, headers=instead))
    if written.headers:
        yield Misreading(f"{field}.headers", amount(written.headers), "not looked at", replace(written, headers=None))
    for match in each_of(written.header_matches, lambda entry: _match(f"{field}.headerMatches", entry)):
        yield match.inside(lambda instead: replace(written, header_matches=instead))
    if written.header_matches:
        kind = amount(written.header_matches)
        yield Misreading(f"{field}.headerMatches", kind, "not looked at", replace(written, header_matches=None))


def _alone(written: HTTPRule) -> Iterator[HTTPRule]:
    """A rule for each field that is filled."""
    empty = HTTPRule(written.origin)
    yield from (_with(empty, name, getattr(written, name)) for name in _EXPRESSIONS if getattr(written, name))
    if written.headers:
        yield replace(empty, headers=written.headers)
    if written.header_matches:
        yield replace(empty, header_matches=written.header_matches)


def _fields(written: HTTPRule) -> str:
    names = ("method", "path", "host", "headers", "header_matches")
    return " and ".join(name.replace("header_matches", "headerMatches") for name in names if getattr(written, name))


def _with(written: HTTPRule, name: str, expression: str | None) -> HTTPRule:
    fields = {each: getattr(written, each) for each in _EXPRESSIONS} | {name: expression}
    return replace(written, method=fields["method"], path=fields["path"], host=fields["host"])


def _expressions(written: str) -> Iterator[tuple[str, str | None]]:
    yield "not looked at", None
    yield "the beginning of it", f"(?:{written}).*"
    yield "the end of it", f".*(?:{written})"
    yield "in any case", f"(?i:{written})"
    yield "plain text", re.escape(written)


def _queried(written: HTTPRule) -> HTTPRule:
    return replace(written, path=rf"(?:{written.path})(?:\?.*)?")


def _ported(written: HTTPRule) -> HTTPRule:
    return replace(written, host=f"(?:{written.host})(?::[0-9]+)?")


def _syntax(expression: str) -> str:
    """What of the language of expressions is used."""
    used = [name for name, pattern in _SYNTAX.items() if re.search(pattern, expression)]
    return " with ".join(used) or ("plain text" if re.fullmatch(r"[\w/:%=&,-]*", expression) else "an expression")


def _header(field: str, written: str) -> Iterator[Misreading[str]]:
    name, colon, value = written.partition(": ")
    kind = "a name and a value" if colon else "a name alone"
    if " " in value:
        yield Misreading(field, f"{kind} with a space", "to the space", f"{name}: {value.partition(' ')[0]}")
    if colon:
        yield Misreading(field, kind, "its name alone", name)
    yield Misreading(field, kind, "another name", f"{_NEVER}{written[len(name) :]}")


def _match(field: str, written: HeaderMatch) -> Iterator[Misreading[HeaderMatch]]:
    kind = f"{'a value' if written.value else 'no value'}, mismatch {written.mismatch or 'absent'}"
    if written.mismatch:
        yield Misreading(field, kind, "a mismatch denies", replace(written, mismatch=None))
        return
    yield Misreading(field, kind, "a mismatch is logged", replace(written, mismatch="LOG"))
    if written.value:
        yield Misreading(field, kind, "its name alone", replace(written, value=None))
    yield Misreading(field, kind, "another name", replace(written, name=_NEVER))


def _kafka(field: str, written: KafkaRule) -> Iterator[Misreading[KafkaRule]]:
    said = {name: getattr(written, of) for name, of in _KAFKA.items() if getattr(written, of) is not None}
    if not any(said.values()):
        yield Misreading(field, "no values", "it matches nothing", replace(written, client_id=_NEVER))
    for name, value in said.items():
        others = ", ".join(other for other in said if other != name and said[other])
        kind = _kafka_kind(name, value) + (f" beside {others}" if others else "")
        for taken, instead in _kafka_readings(name, value):
            values = {of: getattr(written, of) for of in _KAFKA.values()} | {_KAFKA[name]: instead}
            yield Misreading(f"{field}.{name}", kind, taken, KafkaRule(written.origin, **values))


def _kafka_kind(name: str, value: str) -> str:
    if not value:
        return "empty"
    if name in ("role", "apiVersion"):
        return value if name == "role" else "written"
    if name == "apiKey":
        return "in lower case" if value == value.lower() else "in other letters"
    if not value.isascii():
        return "beyond ASCII"
    return "with a dot" if "." in value else "long" if len(value) > _SHORT else "written"


def _kafka_readings(name: str, value: str) -> Iterator[tuple[str, str | None]]:
    if not value:
        yield "compared", {"apiVersion": "32767", "apiKey": "controlledshutdown"}.get(name, _NEVER)
        return
    yield "not looked at", None
    if name == "role":
        other = "consume" if value == "produce" else "produce"
        yield other, other
    elif name == "apiVersion":
        yield "one more", str(int(value) + 1)
        yield "one less", str(max(0, int(value) - 1))
    elif name in ("clientID", "topic"):
        yield "another", _NEVER
