"""What the same-node path reads from pods, from its header and from the kernel, without root."""

from pathlib import Path

import pytest

from harness.dataplanes.ebpf_sockmap import EbpfSockmap
from harness.dataplanes.port import Feature, No, Yes
from harness.mesh import sockmap
from harness.mesh.sockmap import ANNOTATION, BadAnnotation, asked_for, names, obstacle
from harness.model.topology import Pod

MENDED = "struct sk_psock {\n\tstruct sock *sk;\n\tu32 msg_tot_len;\n};\n"
OLD = "struct sk_psock {\n\tstruct sock *sk;\n};\n\nstruct other {\n\tu32 msg_tot_len;\n};\n"


def pod(annotations: dict[str, str]) -> Pod:
    return Pod("web", "shop", "n1", annotations=annotations)


@pytest.mark.parametrize(
    ("annotations", "asked"), [({ANNOTATION: "enabled"}, True), ({ANNOTATION: "disabled"}, False), ({}, False)]
)
def test_pods_opt_in_by_annotation(annotations: dict[str, str], asked: bool) -> None:
    assert asked_for(pod(annotations)) is asked


def test_annotation_that_means_nothing_is_refused_by_name() -> None:
    with pytest.raises(
        BadAnnotation, match=r"pod shop/web: annotation meshproof.io/sockmap is 'yes'; write enabled or disabled"
    ):
        asked_for(pod({ANNOTATION: "yes"}))


def test_every_path_of_the_programs_has_a_name() -> None:
    assert names("send_path")[0] == "redirected"
    assert "queue_full" in names("send_path")
    assert names("census") == ("sockets_entered", "sockets_refused", "segments_trimmed", "segments_untrimmed")


def test_header_whose_numbers_have_a_gap_is_refused(tmp_path: Path) -> None:
    header = tmp_path / "session.h"
    header.write_text("enum send_path {\n\tPATH_A = 0, /* a */\n\tPATH_B = 2, /* b */\n\tPATHS\n};\n")
    with pytest.raises(ValueError, match="PATH_B"):
        names("send_path", header)


@pytest.mark.parametrize(("declarations", "support"), [(MENDED, Yes), (OLD, No)], ids=["6.18", "6.1"])
def test_kernel_whose_fionread_is_not_mended_gets_no_fast_path(
    declarations: str, support: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vmlinux.h").write_text("struct a {\n};\n\n" + declarations)
    monkeypatch.setattr(sockmap, "vmlinux_header", lambda: tmp_path)
    obstacle.cache_clear()
    try:
        answer = EbpfSockmap().supports(Feature.SAME_NODE_FAST_PATH)
    finally:
        obstacle.cache_clear()
    assert isinstance(answer, support)
    if isinstance(answer, No):
        assert "FIONREAD" in answer.reason
