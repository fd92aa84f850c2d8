"""Scalars are what kubectl takes them for."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.manifests.scalar import Scalar, resolve
from harness.manifests.tree import Builder, plain

WRITTEN: dict[str, Scalar] = {
    "": None,
    "~": None,
    "null": None,
    "yes": True,
    "Off": False,
    "0": 0,
    "-1": -1,
    "1_000": 1000,
    "017": 15,
    "0o17": 15,
    "0x1f": 31,
    "0b101": 5,
    "1.5": 1.5,
    "1e3": 1000.0,
    ".5": 0.5,
    "1:30": "1:30",  # no sexagesimal numbers
    "2026-01-31": "2026-01-31",  # no dates
    "1.2.3": "1.2.3",
    "10.0.0.0/8": "10.0.0.0/8",
    "0x": "0x",
    "_": "_",
    "-": "-",
    ".": ".",
    "y": True,
    "N": False,
}


@pytest.mark.parametrize(("text", "value"), WRITTEN.items())
def test_plain_scalars_resolve_as_in_kubernetes(text: str, value: Scalar) -> None:
    resolved = resolve(text)
    assert (type(resolved), resolved) == (type(value), value)


def test_a_number_of_absurd_length_is_no_number_that_a_field_takes() -> None:
    assert resolve("9" * 100_000) == math.inf


@given(st.integers(min_value=-(2**64), max_value=2**64))
def test_integers_survive_a_round_trip(number: int) -> None:
    assert resolve(str(number)) == number


data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc-/.", min_size=1), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


class Quoting(yaml.SafeDumper):
    """Quotes every string: PyYAML would leave some plain that Kubernetes reads as numbers (``0E0``)."""


Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@given(data.filter(lambda value: value is not None))
def test_what_a_dumper_writes_reads_as_the_same_data(value: object) -> None:
    builder = Builder("x.yaml", yaml.dump(value, Dumper=Quoting, allow_unicode=True))
    assert [plain(root) for root in builder.roots()] == [value]
    assert not builder.faults
