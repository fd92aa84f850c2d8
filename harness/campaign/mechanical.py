"""``mechanical.yaml`` as the operators write it, with what people found out about its faults kept."""

import hashlib
from pathlib import Path

import yaml

from harness.campaign.operators import SEED, Change, drawn, plane, unique


def regenerated(file: Path) -> str:
    """The text that belongs into ``file``; ``equivalent`` of a fault that is still the same is taken over."""
    known = yaml.safe_load(file.read_text())["faults"] if file.exists() else []
    explained = {(each["file"], each["find"], each["replace"]): each["equivalent"] for each in known if "equivalent" in each}
    faults = [_entry(change, explained) for change in drawn()]
    head = "# yaml-language-server: $schema=../../docs/schemas/faults.schema.json\n"
    head += f"# Written by `meshproof mutate --regenerate`: {len(faults)} changes drawn with seed {SEED}. Not to be edited,\n"
    head += "# but for `equivalent`, which is kept for a change that stays the same.\n"
    return head + yaml.safe_dump({"faults": faults}, sort_keys=False, width=120, allow_unicode=True)


def _entry(change: Change, explained: dict[tuple[str, str, str], str]) -> dict[str, object]:
    find, replace = unique(change.file, change)
    digest = hashlib.sha256(replace.encode()).hexdigest()[:6]
    entry: dict[str, object] = {
        "name": f"{change.operator}-{Path(change.file).name.replace('.', '-')}-{digest}",
        "why": change.text.strip(),
        "file": change.file, "find": find, "replace": replace, "planes": [plane(change.file)], "operator": change.operator,
    }  # fmt: skip
    why = explained.get((change.file, find, replace))
    return entry | ({"equivalent": why} if why else {})
