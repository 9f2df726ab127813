"""What is drawn: two columns within the width, the words that matter, the same in a pipe and on an old terminal."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from amp.cli.timeline import render_timeline
from amp.ordering.barriers import BarrierClass
from amp.ordering.platforms import Side
from amp.report.blame import Finding
from amp.report.explanation_data import as_dict
from amp.report.history import History
from amp.report.shapes import Shape
from amp.report.trace import EventKind
from amp.virtio.sites import B1, K1, S1, S2, S5

NONE, SMP = BarrierClass.NONE, BarrierClass.SMP
REPLAY = "amp run echo --platform omap4-2011 --barriers smp --seed 1 --messages 2000 --mode lockstep --ring-size 8 -v"
CASES = [
    ("message passing", "omap4-2011", {S1: SMP, S2: SMP}),
    ("message passing", "paranoid", {S2: NONE}),
    ("bulk passing", "paranoid", {S1: NONE}),
    ("store buffering", "paranoid", {S5: NONE}),
    ("doorbell", "armv7-smp", {K1: SMP}),
    ("late read", "paranoid", {B1: NONE}),
]


class OldTerminal(io.StringIO):
    encoding = "ascii"  # type: ignore[assignment]


def draw(
    bench: Any, found: tuple[Any, Finding], width: int = 100, file: io.StringIO | None = None, colour: bool = False
) -> str:
    machine, finding = found
    out = file or io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    render_timeline(console, machine.trace(), machine.explain(finding), bench.names, REPLAY)
    return out.getvalue()


LINES = "─│┊┼╮╭├┤╰╯►◄ "  # what stores on their way are drawn with


def columns(text: str) -> list[tuple[str, str, str, str]]:
    """(event, host, lines, remote) of each line of the picture."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if re.match(r" *event │ host +remote$", line.rstrip()))
    last = next(i for i, line in enumerate(lines) if line.startswith(("What ", "Not explained ")))
    edge, right = lines[first].index("│"), lines[first].index("remote")
    rows = []
    for line in lines[first:last]:
        host = line[edge + 1 : right].rstrip(LINES)
        rows.append((line[:edge].strip(), host, line[edge + 1 + len(host) : right], line[right:].rstrip()))
    return rows


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_every_shape_fits_the_screen(bench: Any, case: tuple[Any, ...]) -> None:
    text = draw(bench, bench.first(*case))
    lines = text.splitlines()
    assert max(map(len, lines[:-1])) <= 100
    assert len(columns(text)) <= 25
    assert lines[-1] == f"Replay: {REPLAY}"  # in one piece, however long
    assert "\x1b" not in text
    assert "[/" not in text
    for word in ("What ", "Site ", "Barrier ", "Cure "):
        assert any(line.startswith(word) for line in lines), word


def test_the_bug_of_2011_reads_as_it_happened(bench: Any) -> None:
    for found in bench.each("message passing", "omap4-2011", {S1: SMP, S2: SMP}):
        text = draw(bench, found)
        if "early: " in text:
            break
    rows = columns(text)
    host = [host for _, host, _, _ in rows if host.strip()]
    remote = [remote for _, _, _, remote in rows if remote.strip()]
    number = re.escape(re.search(r"avail.ring head is \d+, allowed is (\d+)", text)[1])  # type: ignore[index]
    in_order = [
        "A store avail\\.ring\\[0\\] = " + number,
        "S1 smp_wmb \\(dmb\\): orders RR RW",
        "needed here: WW",
        "B store avail\\.idx = " + number,
        "pending: #\\d+ avail\\.ring\\[0\\] = " + number,
    ]
    at = -1
    for pattern in in_order:
        at = next(i for i, cell in enumerate(host) if i > at and re.search(pattern, cell))
    assert any(re.search(f"B visible: avail\\.idx = {number}; A is not", cell) for cell in remote)
    bad = next(i for i, cell in enumerate(remote) if re.search("load avail\\.ring\\[0\\] → ", cell))
    assert any(re.search("load avail\\.idx → " + number, cell) for cell in remote[:bad])
    assert "early: " in remote[bad + 1]
    prose = " ".join(text.split())
    for phrase in (
        "Found by the remote: avail.ring head",
        "B became visible first, so the remote could see B without A",
        "S1, at the host (driver): descriptor, avail.ring before avail.idx; needs WW",
        "If missing: garbage descriptor",
        "smp_wmb (dmb) on omap4-2011: does not keep",
        "dmb reaches OUTER; PL310 write buffer needs SYSTEM",
        "dma_wmb (dsb; outer_sync) at S1",
    ):
        assert phrase in prose


def test_a_stale_load_says_which_store_it_got_and_which_is_newest(bench: Any) -> None:
    for found in bench.each("message passing", "paranoid", {S2: NONE}):
        machine, finding = found
        explanation = machine.explain(finding)
        if explanation.read:
            break
    prose = " ".join(" ".join(remote for *_, remote in columns(draw(bench, found))).split())
    assert f"stale: value of #{explanation.read}, newest is #{explanation.missed.number}" in prose


def test_the_other_shapes_say_what_was_wrong(bench: Any) -> None:
    said = {
        "store buffering": "too early: A is still pending",
        "doorbell": "the doorbell rings; A is not",
        "late read": "too new: ",
    }
    for program, platform, weak in CASES:
        if program in said:
            assert said[program] in draw(bench, bench.first(program, platform, weak))


def test_a_narrow_terminal_and_an_ascii_one_are_served(bench: Any) -> None:
    found = bench.first(*CASES[0])
    assert max(map(len, draw(bench, found, width=72).splitlines()[:-1])) <= 72
    assert max(map(len, draw(bench, found, width=200).splitlines()[:-1])) <= 100
    draw(bench, found, file=(old := OldTerminal())).encode("ascii")
    assert re.search(r"`-*\+*-*> B visible", old.getvalue())


def test_colour_is_for_terminals(bench: Any) -> None:
    found = bench.first(*CASES[0])
    coloured = draw(bench, found, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == draw(bench, found)


def test_names_with_brackets_are_not_markup(bench: Any) -> None:
    machine, finding = bench.first(*CASES[0])
    out = io.StringIO()
    render_timeline(Console(file=out, width=100), machine.trace(), machine.explain(finding), lambda _: "[red]x[/red]")
    assert "[red]x[/red]" in out.getvalue()


def test_no_blame_is_said_plainly_with_the_last_events(bench: Any) -> None:
    machine = bench.machine("paranoid", trace_events=64)
    for number in range(64):
        machine.host.note(0, number)
    machine.host.store_u16(0, 1)
    text = draw(bench, (machine, Finding(0, "nothing really", 0)))
    assert "The last events before that, none of them seen to be out of order:" in text
    assert re.search(r"Not explained +Not found: no unordered pair found in the kept trace, events \d+ to", text)
    assert "Site" not in text
    assert "A store" not in text
    assert any(host.strip() == "store avail.idx = 1" for _, host, _, _ in columns(text))


def test_a_trace_that_lost_its_beginning_says_so(bench: Any) -> None:
    found = next(found for found in small_traces(bench) if found[0].explain(found[1]).pair)
    prose = " ".join(draw(bench, found).split())
    first = found[0].trace().first
    assert f"begins at #{first}: the {first - 1} events before it were not kept" in prose
    assert "not kept" not in draw(bench, bench.first(*CASES[0]))


def small_traces(bench: Any) -> Iterator[tuple[Any, Finding]]:
    for seed in range(200):
        machine = bench.machine("paranoid", {S1: NONE}, seed, trace_events=64)
        finding = bench.programs["message passing"](machine)
        if finding is not None and not machine.trace().complete:
            yield machine, finding


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_each_store_is_a_line_from_its_issue_to_where_it_is_visible(bench: Any, case: tuple[Any, ...]) -> None:
    found = bench.first(*case)
    machine, finding = found
    trace = machine.trace()
    explanation = machine.explain(finding)
    drawn = {int(number[1:]): lines for number, _, lines, _ in columns(draw(bench, found)) if number.startswith("#")}
    checked = 0
    for number, lines in drawn.items():
        event = trace.event(number)
        assert event is not None
        from_host = explanation.sides[event.cpu] is Side.HOST
        if event.kind in (EventKind.STORE, EventKind.KICK):
            assert re.search("──[┼─]*╮", lines) if from_host else re.search("╭[┼─]*──", lines), lines
            checked += 1
        elif event.kind in (EventKind.VISIBLE, EventKind.RUNG):
            assert re.search("[╰├][┼─]*►", lines) if from_host else re.search("◄[┼─]*[╯┤]", lines), lines
            issued = event.store
            between = [drawn[other] for other in drawn if issued < other < number]
            assert all(set(cells) & set("│┼├┤") for cells in between), between
        else:
            assert set(lines) <= set("│ "), lines
    assert checked >= 1


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_the_columns_stay_apart_however_long_the_names_are(bench: Any, case: tuple[Any, ...], width: int) -> None:
    machine, finding = bench.first(*case)
    out = io.StringIO()
    console = Console(file=out, width=width)
    render_timeline(
        console, machine.trace(), machine.explain(finding), lambda at: f"to_the_second_remote_of_three avail.ring[{at}]"
    )
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    start = next(i for i, line in enumerate(lines) if line.lstrip().startswith("event │"))
    end = next(i for i, line in enumerate(lines) if line.startswith("What "))
    edge, right = lines[start].index("│"), lines[start].index("remote")
    for line in lines[start + 1 : end]:
        assert re.fullmatch(r" *(#\d+|⋮)? │ ", line[: edge + 2]), line
        assert line[right - 1] in " ►─", line


def test_a_store_that_never_arrives_goes_on_to_the_bottom_and_says_so(bench: Any) -> None:
    for machine, finding in bench.each("message passing", "paranoid", {S1: NONE}):
        history = History(machine.trace())
        pair = machine.explain(finding).pair
        if pair and not history.visible_events(pair[0]):
            break
    else:
        pytest.fail("always visible in the end")
    text = draw(bench, (machine, finding))
    assert "not visible by the end of the trace" in text
    assert "│" in columns(text)[-1][2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_the_same_as_data_is_json(bench: Any, case: tuple[Any, ...]) -> None:
    machine, finding = bench.first(*case)
    data = json.loads(json.dumps(as_dict(machine.explain(finding))))
    assert data["platform"] == case[1]
    assert data["site"] in [site.name for site in case[2]]
    assert len(data["pair"]) == len(data["other"]) == 2
    assert data["finding"]["text"] == finding.text
    assert data["barrier"]["site"] == data["site"]
    nothing = as_dict(machine.explain(Finding(0, "no", 0x700)))
    assert nothing["shape"] == "nothing"
    assert nothing["pair"] is None


def test_a_poll_is_one_line_that_says_how_often_it_looked(bench: Any) -> None:
    machine = bench.machine("sc")
    machine.host.store_u16(0, 1)
    for _ in range(14):
        machine.remote.load_u16(0x20)
    text = draw(bench, (machine, Finding(1, "message 0 never arrived", stall=True)))
    assert text.count("load used.idx") == 1
    assert re.search(r"load used\.idx . 0 . 14 times", text)


def test_a_lost_update_is_told_as_an_interleaving_that_no_barrier_repairs(bench: Any) -> None:
    machine = bench.machine("sc")
    first, second = machine.host.load_u16(0x20), machine.remote.load_u16(0x20)
    machine.host.store_u16(0x20, first + 1)
    bench.settle(machine.host)
    machine.remote.store_u16(0x20, second + 1)
    bench.settle(machine.remote)
    machine.host.load_u16(0x20)
    finding = Finding(0, "the counter is 1, 2 was due", 0x20)
    explanation = machine.explain(finding)
    assert (explanation.shape, explanation.sequential, explanation.site) == (Shape.INTERLEAVED, True, None)
    assert [event.cpu for event in explanation.story] == [1, 0, 1]
    text = " ".join(draw(bench, (machine, finding)).split())
    assert "an update of used.idx is lost" in text
    assert "it happens on sc as well, and no barrier repairs it" in text
    assert "no unordered pair" not in text
