"""What became of seeded faults, as Markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.model.fault import Fate, Fault, Mutant
from harness.report.conformance import counted

LONGEST = 160
"""Characters of a refusal: the verifier says more."""


def mutation_markdown(mutants: Sequence[Mutant], faults: Sequence[Fault]) -> str:
    """The answer, then what needs a reader, then counts, then every fault, and at last which cases kill how many."""
    by_name = {fault.name: fault for fault in faults}
    subjects = {fault.name: _subject(fault) for fault in faults}
    lines = ["# Mutation gate", "", _answer(mutants), ""]
    lines += _open(mutants, by_name)
    lines += _counts("subject", mutants, [subjects[mutant.fault] for mutant in mutants])
    lines += _counts("data plane", mutants, [mutant.dataplane for mutant in mutants])
    lines += _counts("operator", mutants, [by_name[mutant.fault].operator or "by hand" for mutant in mutants])
    lines += _counts("source", mutants, [f"`{by_name[mutant.fault].file}`" for mutant in mutants])
    lines += _every(mutants, by_name, subjects)
    lines += _killers(mutants)
    return "\n".join(lines).rstrip("\n") + "\n"


def _subject(fault: Fault) -> str:
    """Faults by hand are a file a subject; those that a program wrote are about no subject."""
    return Path(fault.origin.file).stem if fault.operator is None else "mechanical"


def _answer(mutants: Sequence[Mutant]) -> str:
    """Invalid ones are no mutants: they are left out of the sum, and said."""
    fates = Counter(mutant.fate for mutant in mutants)
    invalid = fates[Fate.INVALID]
    said = f"**{fates[Fate.KILLED]} of {counted(len(mutants) - invalid, 'mutant')} killed**, "
    said += f"{fates[Fate.EQUIVALENT]} explained as equivalent, {fates[Fate.SURVIVED]} survived."
    return said + (f" {invalid} more {'is' if invalid == 1 else 'are'} invalid: no program came of them." if invalid else "")


def _open(mutants: Sequence[Mutant], by_name: dict[str, Fault]) -> Iterator[str]:
    """Each survivor with its change, each equivalent one with why, each invalid one with what was said."""
    survived = [mutant for mutant in mutants if mutant.fate is Fate.SURVIVED]
    if survived:
        yield from (
            "## Survived",
            "",
            "No case finds these: one is missing, or the fault changes nothing that can be seen.",
            "",
        )
        for mutant in survived:
            fault = by_name[mutant.fault]
            why = f" {fault.why}" if fault.operator is None else ""
            change = f"In `{fault.file}` {_code(fault.find)} became {_code(fault.replace)}."
            yield f"- **{fault.name}** on {mutant.dataplane}:{why} {change}"
        yield ""
    for fate, title in ((Fate.EQUIVALENT, "Equivalent"), (Fate.INVALID, "Invalid")):
        rows = [mutant for mutant in mutants if mutant.fate is fate]
        if rows:
            yield from (f"## {title}", "", _row(["fault", "data plane", "why"]), _row(["---"] * 3))
            for mutant in rows:
                why = by_name[mutant.fault].equivalent or "" if fate is Fate.EQUIVALENT else _short(mutant.reason)
                yield _row([_name(by_name[mutant.fault]), mutant.dataplane, _cell(why)])
            yield ""


def _counts(head: str, mutants: Sequence[Mutant], keys: Sequence[str]) -> Iterator[str]:
    """A row a key. Nothing where all have one key: the answer said it."""
    if len(set(keys)) < 2:
        return
    yield from (_row([head, *Fate]), _row(["---"] * (1 + len(Fate))))
    for key in sorted(set(keys)):
        fates = Counter(mutant.fate for mutant, its in zip(mutants, keys, strict=True) if its == key)
        yield _row([key, *(str(fates[fate] or "") for fate in Fate)])
    yield ""


def _every(mutants: Sequence[Mutant], by_name: dict[str, Fault], subjects: dict[str, str]) -> Iterator[str]:
    """The killed ones by subject; of the others it was said above."""
    killed = [mutant for mutant in mutants if mutant.fate is Fate.KILLED]
    if not killed:
        return
    yield from ("## Killed", "", _row(["subject", "fault", "data plane", "by"]), _row(["---"] * 4))
    for mutant in sorted(killed, key=lambda each: subjects[each.fault]):  # stable: within a subject as they were run
        yield _row([subjects[mutant.fault], _name(by_name[mutant.fault]), mutant.dataplane, f"`{mutant.case}`"])
    yield ""


def _killers(mutants: Sequence[Mutant]) -> Iterator[str]:
    """Of each mutant the first case that killed it: others may as well."""
    kills = Counter(mutant.case for mutant in mutants if mutant.fate is Fate.KILLED)
    if not kills:
        return
    yield from ("## By case", "", f"{counted(len(kills), 'case')} killed; of each mutant the first that does is counted.", "")
    yield from (_row(["case", "kills"]), _row(["---"] * 2))
    yield from (_row([f"`{case}`", str(count)]) for case, count in sorted(kills.items(), key=lambda each: (-each[1], each[0])))


def _name(fault: Fault) -> str:
    """Why a person wrote it; of what a program wrote, the line that it made."""
    return f"{fault.name}: {_cell(fault.why if fault.operator is None else _code(fault.why))}"


def _short(reason: str) -> str:
    """A refusal without the case that met it, as far as it is for people; mutation.json has all of it."""
    said = reason.partition("\n")[0]
    where, _, what = said.partition(": ")
    said = what if where.rpartition(":")[2].isdigit() else said
    return said if len(said) <= LONGEST else f"{said[:LONGEST].rstrip()}..."


def _code(text: str) -> str:
    """A change of the source in one line, whatever it holds."""
    line = " ".join(text.split())
    return f"`` {line} ``" if line else "nothing"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
