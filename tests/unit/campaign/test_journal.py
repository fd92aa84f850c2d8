import os
from pathlib import Path

import pytest

from harness.campaign.journal import CampaignError, Journal


def test_records_come_back_in_their_order_and_by_kind(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append("cell", block=1)
    journal.append("plan", seed=2)
    journal.append("cell", block=2)
    assert [record["block"] for record in journal.records("cell")] == [1, 2]
    assert [record["seed"] for record in journal.records("plan")] == [2]


@pytest.mark.parametrize("kept", range(1, 16))
def test_a_line_cut_short_by_a_kill_is_dropped_and_the_next_record_is_whole(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "j"
    Journal(path).append("cell", block=1)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind": "cell", "block": 2}'[:kept])
    journal = Journal(path)
    journal.append("cell", block=3)
    assert [record["block"] for record in journal.records("cell")] == [1, 3]


def test_an_edited_journal_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('{"kind": "cell"}\nnonsense\n')
    with pytest.raises(CampaignError, match=r"j:2: not a journal record"):
        list(Journal(path).records("cell"))


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="needs /dev/full, which Linux has")
def test_a_full_disk_is_said_with_what_to_do() -> None:
    journal = Journal.__new__(Journal)
    journal.path = Path("/dev/full")
    journal._file = journal.path.open("a", encoding="utf-8")
    with pytest.raises(CampaignError, match=r"No space left on device.*finished cell.*--resume"):
        journal.append("cell", block=1)
