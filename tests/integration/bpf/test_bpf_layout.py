"""The Python side packs what the C side reads: compared by the compiler's own type information."""

import json
import re
import struct
from enum import IntEnum
from functools import cache
from typing import Any

import pytest

from harness.lab.build import BPF_SOURCES, bpf_object
from harness.lab.command import run
from harness.mesh import l7flowlayout, l7layout, layout
from harness.mesh.l7 import names
from harness.mesh.objects import load

C = {
    "endpoint": (layout.ENDPOINT, ["identity", "hop", "flags", "cidr_class"]),
    "endpoint_entry4": (layout.ENDPOINT_ENTRIES[4], ["address", "endpoint"]),
    "endpoint_entry6": (layout.ENDPOINT_ENTRIES[6], ["address", "endpoint"]),
    "hop": (layout.HOP, ["ifindex", "kind", "mtu", "destination_mac", "source_mac"]),
    "subject": (layout.SUBJECT, ["rule", "shapes", "class"]),
    "policy_entry": (layout.POLICY_ENTRY, ["subject", "peer", "port_class", "protocol", "direction", "rule"]),
    "cidr_key": (layout.CIDR_KEY, ["prefix", "bank", "address"]),
    "mesh_config": (layout.CONFIG, ["generation", "seed", "policy_mask", None, "endpoint_mask", None, None, None, "proxy"]),
}
L7 = {
    "l7_pair": (l7layout.PAIR, ["client", "backend", "backend_port", "family"]),
    "l7_tuple": (l7layout.TUPLE, ["client", "backend", "client_port", "backend_port", "family"]),
    "l7_errand": (l7layout.ERRAND, ["cookie", "generation", "sets", None, "known", "answer", "left", "pair"]),
    "rule_key": (l7layout.RULE_KEY, ["prefix", "set", "method", "path"]),
    "header_key": (l7layout.HEADER_KEY, ["table", "bytes", "name", "value"]),
    "l7_place": (l7layout.PLACE, ["list", "index"]),
    "l7_path": (l7layout.PATH, ["list", "count"]),
    "l7_choice": (l7layout.CHOICE, ["method", "headers", "query", "slow", "shares", "count", "sets", None, None, None]),
    "l7_share": (l7layout.SHARE, ["own", "other", "own_port", "other_port", "threshold"]),
}
FLOW = ["time", "latency", "tuple", "method", "status", "path_bytes", "slow", "ways", "path"]
"""Of an event about a request, which is there only where it is asked for."""

"""Python's format of each C struct, and the member that each of its values is; None for the rest of an array."""


@cache
def types(source: str, *defines: str) -> list[dict[str, Any]]:
    path = bpf_object(BPF_SOURCES / source, *defines)
    found: list[dict[str, Any]] = json.loads(run(["bpftool", "btf", "dump", "file", str(path), "-j"]).stdout)["types"]
    return found


def offsets(form: struct.Struct) -> list[int]:
    """Where each value of a format without alignment lies."""
    at, found = 0, []
    count = ""
    for letter in form.format.removeprefix("="):
        if letter.isdigit():
            count += letter
            continue
        if letter == "s":
            found.append(at)
            at += struct.calcsize(f"={count}s")
        else:
            for _ in range(int(count or 1)):
                if letter != "x":
                    found.append(at)
                at += struct.calcsize(f"={letter}")
        count = ""
    return found


@pytest.mark.parametrize(("source", "name"), [*(("mesh.bpf.c", name) for name in C), *(("l7.bpf.c", name) for name in L7)])
def test_a_struct_is_packed_as_c_lays_it_out(source: str, name: str) -> None:
    form, members = (C | L7)[name]
    compare(form, members, [one for one in types(source) if one["kind"] == "STRUCT" and one["name"] == name])


def test_a_flow_event_is_packed_as_c_lays_it_out() -> None:
    """Where nobody asks for them, programs know of none."""
    told = types("l7.bpf.c", "L7_FLOW_RING=4096")
    compare(l7flowlayout.FLOW, FLOW, [one for one in told if one["kind"] == "STRUCT" and one["name"] == "l7_flow"])
    assert not [one for one in types("l7.bpf.c") if one["name"] in ("l7_flow", "l7_flows")]


def compare(form: struct.Struct, members: list[str | None], found: list[dict[str, Any]]) -> None:
    (described,) = found
    assert described["size"] == form.size
    where = {member["name"]: member["bits_offset"] // 8 for member in described["members"]}
    packed = dict(zip(members, offsets(form), strict=True))
    assert all(where[member] == at for member, at in packed.items() if member is not None)
    assert {member for member in where if member != "pad"} == {member for member in members if member is not None}


def test_members_that_the_agent_of_the_fast_path_reads_are_where_it_looks() -> None:
    (described,) = [one for one in types("l7.bpf.c") if one["kind"] == "STRUCT" and one["name"] == "l7_upstream"]
    where = {member["name"]: member["bits_offset"] // 8 for member in described["members"]}
    assert where["client"] == l7layout.UPSTREAM_CLIENT
    assert where["state"] == l7layout.UPSTREAM_STATE
    assert where["pair"] == l7layout.UPSTREAM_PAIR
    assert where["head_request"] == l7layout.UPSTREAM_HEAD
    assert where["generation"] == l7layout.UPSTREAM_GENERATION


ENUMERATIONS = {
    "l7_knowledge": l7layout.Knowledge,
    "l7_event_kind": l7layout.EventKind,
    "l7_upstream_state": l7layout.UpstreamState,
}


def test_ways_of_requests_have_the_same_numbers() -> None:
    body = (BPF_SOURCES / "l7_flow.h").read_text().split("enum l7_way {\n", 1)[1].split("\n};", 1)[0]
    numbers = dict(re.fullmatch(r"\tWAY_(\w+) = (\d+), /\* .* \*/", line).groups() for line in body.splitlines())  # type: ignore[union-attr]
    assert numbers == {each.name: str(each.value) for each in l7flowlayout.Way}


@pytest.mark.parametrize(("enumeration", "named"), ENUMERATIONS.items(), ids=ENUMERATIONS)
def test_enumerations_of_the_fast_path_have_the_same_numbers(enumeration: str, named: type[IntEnum]) -> None:
    """By the source: the compiler tells only of those that some variable has."""
    body = (BPF_SOURCES / "l7.h").read_text().split(f"enum {enumeration} {{\n", 1)[1].split("\n};", 1)[0]
    names = [line.split(",")[0].strip() for line in body.splitlines()]
    assert len(names) == len(named)
    assert all(name.endswith(each.name) and int(each) == at for at, (name, each) in enumerate(zip(names, named, strict=True)))


def test_reasons_of_routes_have_the_numbers_of_their_counts() -> None:
    assert {f"slow_route_{each.name.lower()}": int(each) for each in l7layout.SlowRoute} == {
        name: number for number, name in enumerate(names()) if name.startswith("slow_route_")
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROUTE_CHOICES", l7layout.ROUTE_CHOICES),
        ("ROUTE_SETS", l7layout.ROUTE_SETS),
        ("ROUTE_BACKENDS", l7layout.ROUTE_BACKENDS),
        ("VALUE_BYTES", l7layout.VALUE_BYTES),
        ("NAME_WORDS", (l7layout.NAME_BYTES + 1) // 8),
    ],
)
def test_limits_of_routes_are_the_kernels(name: str, value: int) -> None:
    source = "".join((BPF_SOURCES / file).read_text() for file in ("l7_route.h", "http.h"))
    assert f"#define {name} {value} " in source


def test_tables_are_as_large_as_python_takes_them_to_be() -> None:
    loaded = load(bpf_object(BPF_SOURCES / "mesh.bpf.c"))
    entries = {name: one.max_entries for name, one in loaded.maps.items()}
    sizes = {name: one.value_size for name, one in loaded.maps.items()}
    loaded.close()
    assert entries["policies"] == layout.BANKS * layout.POLICY_BUCKETS
    assert entries["subjects"] == layout.BANKS * layout.DIRECTIONS * layout.IDENTITIES
    assert entries["port_classes"] == layout.BANKS * len(layout.PORT_TABLES)
    assert entries["endpoints4"] == entries["endpoints6"] == layout.BANKS * layout.ENDPOINT_BUCKETS
    assert entries["hops"] == layout.HOPS
    assert sizes["policies"] == layout.TABLE_WAYS * layout.POLICY_ENTRY.size == 64, "one cache line"
    assert sizes["conntrack4"] == layout.CONNTRACK[4].itemsize == 128, "two cache lines"
    assert sizes["conntrack6"] == layout.CONNTRACK[6].itemsize
    assert sizes["port_classes"] == 2 * 65536
    assert sizes["peer_classes"] == 2 * layout.IDENTITIES
