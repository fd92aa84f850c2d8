"""What became of seeded faults, as Markdown."""

from collections.abc import Sequence

from harness.model.fault import Fate, Fault, Mutant


def mutation_markdown(mutants: Sequence[Mutant], faults: Sequence[Fault]) -> str:
    """Counts by source file, then every fault with the case that killed it, or why none can."""
    by_name = {fault.name: fault for fault in faults}
    files = sorted({by_name[mutant.fault].file for mutant in mutants})
    lines = ["# Mutation gate", "", _row(["source", *Fate]), _row(["---"] * (1 + len(Fate)))]
    for file in [*files, None]:
        mine = [mutant for mutant in mutants if file is None or by_name[mutant.fault].file == file]
        counts = [str(sum(mutant.fate is fate for mutant in mine) or "") for fate in Fate]
        lines.append(_row([f"`{file}`" if file else "**all**", *counts]))
    lines += ["", _row(["fault", "data plane", "fate", "case, or reason"]), _row(["---"] * 4)]
    for mutant in mutants:
        told = f"`{mutant.case}`" if mutant.case else mutant.reason.replace("|", "\\|")
        fault = by_name[mutant.fault]
        lines.append(_row([f"{fault.name}: {fault.why}".replace("|", "\\|"), mutant.dataplane, f"{mutant.fate}", told]))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
