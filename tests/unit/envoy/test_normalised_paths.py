import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.envoy.paths import normalised
from harness.oracle.direct.paths import hides_dots, normal

PARTS = st.sampled_from(
    ["/", ".", "..", "a", "%2e", "%2E", "%61", "%41", "%7e", "%5F", "%C3", "%20", "%2f", "\\", "?", "b", ";"]
)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", "/"),
        ("/a/../b", "/b"),
        ("/a/..", "/"),
        ("/a/b/.", "/a/b/"),
        ("//a%2e%2e", "/a.."),
        ("/%61?//..", "/a?//.."),
        ("/a/..;x/b", "/b"),
        ("/a/.;/b", "/a/b"),
        ("/a/b;/..", "/a/"),
        ("/a//..//b", "/a/b"),
        ("/a//..", "/a/"),
        ("/a/%2e%2e;/b", "/a/..;/b"),
    ],
)
def test_paths_are_written_as_envoy_writes_them(target: str, expected: str) -> None:
    assert normalised(target) == expected


@given(st.lists(PARTS, max_size=12).map(lambda parts: "/" + "".join(parts)))
def test_the_oracle_makes_the_same_of_a_path_or_refuses_it(target: str) -> None:
    assert hides_dots(target) or normalised(target) == normal(target)
