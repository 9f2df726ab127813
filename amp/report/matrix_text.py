"""The necessity matrix in words: the sentences that the terminal and the page have both."""

from __future__ import annotations

from collections.abc import Iterator

from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import Site
from amp.report.counts import count_of
from amp.report.matrix import Assignment, Built, Explored, Matrix, MatrixCell, Row, Verdict, Worth
from amp.report.repair import paragraphs, remedy_lines, verified_text


def coded_text(matrix: Matrix) -> str:
    """The verdict on the program as it is coded."""
    explored = matrix.coded
    match explored.verdict:
        case Verdict.HOLDS:
            return f"as coded: verified, {_runs(explored)}"
        case Verdict.BROKEN:
            found = matrix.coded_counterexample
            return f"as coded: violation: {explored.text if found is None else found.text}"
        case Verdict.UNKNOWN:
            return f"as coded: inconclusive, stopped after {explored.bound}"


def together_title(matrix: Matrix) -> str:
    """What is enough together: "Enough together: S1=dma S2=smp, K1 as coded"."""
    assignment = matrix.assignment
    if assignment is not None:
        kept = [row.site.name for row in matrix.rows if row.site not in assignment.classes]
        kept_text = f"{' '.join(kept)} as coded" if kept else ""
        return "Enough together: " + ", ".join(filter(None, [" ".join(assignment.weaken), kept_text]))
    if matrix.coded.verdict is Verdict.UNKNOWN:
        return "Enough together: unknown"
    if matrix.repair is not None and matrix.repair.remedies:
        return "Enough to repair it: " + ", and ".join(each.text for each in matrix.repair.remedies)
    repairs = [f"{row.site.name}={row.weakest.barrier_class.value}" for row in matrix.rows if row.weakest]
    return f"Enough to repair it: {', or '.join(repairs)}" if repairs else "No single site repairs it"


def together_lines(matrix: Matrix) -> tuple[str, list[str]]:
    """Both for a terminal: of a repair each barrier has a line of its own."""
    repair = matrix.repair
    if repair is None or not repair.remedies:
        return together_title(matrix), [together_text(matrix)]
    count = len(repair.remedies)
    title = f"Enough to repair it: {count_of(count, 'barrier')}{', all of them together' if count > 1 else ''}"
    return title, [*(f"  {line}" for line in remedy_lines(repair)), f"{verified_text(repair)}."]


def one_by_one_text(matrix: Matrix) -> str:
    """What the cells say of a program that is broken as it is."""
    repairs = any(row.weakest is not None for row in matrix.rows)
    return "One site at a time, all others as coded" + ("" if repairs else ": none of them repairs it alone")


def together_text(matrix: Matrix) -> str:
    """What is known of it."""
    assignment = matrix.assignment
    if matrix.repair is not None:
        return " ".join(f"{text}." for _, text in paragraphs(matrix.repair))
    if assignment is None:
        return "Only what holds as coded can be weakened. --barriers mandatory starts from the strongest."
    said = [f"{assignment.explored.verdict.value} with all of these at once, {_runs(assignment.explored)}."]
    weaker = ", ".join(f"{trial.site.name}={trial.barrier_class.value}" for trial in assignment.weaker)
    unknown = [trial for trial in assignment.weaker if trial.explored.verdict is Verdict.UNKNOWN]
    if unknown:
        said.append(f"Of those that are weaker at one more site {len(unknown)} could not be decided: {weaker}.")
    elif weaker:
        said.append(f"Weaker at any one more site it is broken, each explored: {weaker}.")
    else:
        said.append("Nothing can be weaker still.")
    stronger, less = (_unlike_alone(matrix.rows, assignment, less=less) for less in (False, True))
    if stronger:
        said.append(f"Stronger than is needed alone, as the others are weaker now: {stronger}.")
    if less:
        said.append(f"Weaker than is needed alone, as another site's class orders more of what it is for: {less}.")
    return " ".join(said)


def _unlike_alone(rows: tuple[Row, ...], assignment: Assignment, *, less: bool) -> str:
    """Sites whose class is weaker (`less`) or stronger than the weakest that holds with all others as coded."""
    order = list(BarrierClass)
    found = []
    for row in rows:
        chosen = assignment.classes.get(row.site)
        if chosen is None or row.weakest is None:
            continue
        more = order.index(chosen) - order.index(row.weakest.barrier_class)
        if more < 0 if less else more > 0:
            found.append(f"{row.site.name}={chosen.value} (alone {row.weakest.barrier_class.value})")
    return ", ".join(found)


def built_lines(matrix: Matrix) -> list[str]:
    """What each barrier of a binary is worth, a line each."""
    return [_built(each) for each in matrix.built]


def _built(built: Built) -> str:
    said = f"{built.site.name}, {built.text}: {built.worth.value}"
    if built.worth is Worth.STRONG:
        return f"{said}: {built.weakest} holds as well ({built.weaken})"
    return f"{said}: {built.why}" + (f" ({built.weaken})" if built.weaken else "")


def reasons(matrix: Matrix) -> Iterator[tuple[str, bool]]:
    """Of each site why one class less is not enough, or why nothing is needed: lines; True is a command."""
    if matrix.coded.verdict is Verdict.BROKEN:
        return  # every site's story is the same
    for row in matrix.rows:
        cell = row.decisive
        if cell is not None and cell.counterexample is not None:
            shown = cell.counterexample
            less = f"{row.site.name}={cell.barrier_class.value} is not enough ({cell.barrier})"
            yield f"{less}. Seen by the {shown.side}: {shown.text}", False
            yield f"  {shown.command}", True
        elif row.note is not None:
            yield f"{row.site.name} {row.note}", False


def legend(matrix: Matrix) -> str:
    """What a cell says, and what "needs compiler" means."""
    said = (
        "Each cell: that class at this one site, all others as coded. holds N: every one of N runs holds; "
        "= CLASS: the same orders there, explored once; unknown: a bound was reached."
    )
    if all(row.least is BarrierClass.NONE for row in matrix.rows):
        return said
    return (
        f"{said} needs compiler: the hardware keeps that order by itself, but a C compiler may not: barrier() is the "
        "least there. The exploration cannot tell it from none, because Python does not reorder."
    )


def who_text(site: Site) -> str:
    """Who stands there: "driver (host)"."""
    role = f"{site.role} " if site.role else ""
    return "both sides" if site.side is None else f"{role}({site.side.value})"


def totals_text(matrix: Matrix) -> str:
    """What it took: "12 explorations, 1 run, 0.1 s"."""
    return f"{count_of(matrix.explorations, 'exploration')}, {count_of(matrix.runs, 'run')}, {matrix.seconds:.1f} s"


def cell_text(cell: MatrixCell) -> str:
    """ "holds 29", "broken", "= none"."""
    if cell.same_as is not None:
        return f"= {cell.same_as.value}"
    explored = cell.explored
    return explored.verdict.value + (f" {explored.runs:,}" if explored.verdict is Verdict.HOLDS else "")


def _runs(explored: Explored) -> str:
    counts = (("run", explored.runs), ("complete execution", explored.executions), ("state", explored.states))
    return ", ".join(f"{count:,} {what}{'s' * (count != 1)}" for what, count in counts)
