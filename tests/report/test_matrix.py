"""The necessity matrix as text, as data and as a page: what is unknown stays so, and a page needs nothing else."""

from __future__ import annotations

import io
import os
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from page_browser import NARROW, WIDE, Page, opened
from rich.console import Console

from amp.cli.matrix import render_matrix
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import Site
from amp.report.matrix import Assignment, Counterexample, Explored, Matrix, MatrixCell, Row, Trial, Verdict, matrix_data
from amp.report.matrix_page import render_matrix_html
from amp.virtio.sites import B1, S1, S2, S7, S8

NONE, COMPILER, SMP, DMA, MANDATORY = BarrierClass
HOLDS = Explored(Verdict.HOLDS, 34_483, 1_159, 114_155)
BROKEN = Explored(Verdict.BROKEN, 4, 1, 20, text="message 0: wrong")
UNKNOWN = Explored(Verdict.UNKNOWN, 100, 7, 90, bound="100 runs")
EVIL = "</style><script>alert(1)</script><img src=x>&amp;{{ 7*7 }}\"'"


def found(text: str = "message 0: wrong") -> Counterexample:
    return Counterexample("host", "WrongMessage", text, 1, "s1.abc", f"amp run vring --schedule s1.abc {text}")


def row(site: Site, *verdicts: Explored, judged: bool = True) -> Row:
    cells = tuple(
        MatrixCell(each, "smp_wmb: dmb", explored, None, found() if explored is BROKEN else None)
        for each, explored in zip(BarrierClass, verdicts, strict=True)
    )
    return Row(site, "wmb: dsb", cells, None, judged)


DECIDED = row(S1, BROKEN, BROKEN, BROKEN, HOLDS, HOLDS)
BLURRED = row(S2, BROKEN, BROKEN, UNKNOWN, HOLDS, HOLDS)
ENOUGH = Assignment({S1: DMA}, HOLDS, (Trial(S1, SMP, BROKEN),), "amp verify vring --weaken S1=dma")


def matrix(*rows: Row, assignment: Assignment | None = ENOUGH, coded: Explored = HOLDS) -> Matrix:
    return Matrix(
        program="vring",
        platform="omap4-2011",
        barriers="mandatory",
        weaken=(),
        messages=4,
        ring_size=2,
        title="vring on omap4-2011 with mandatory barriers: 4 messages, ring of 2",
        caution=None,
        coded=coded,
        coded_counterexample=None,
        rows=rows or (DECIDED,),
        assignment=assignment,
        explorations=3,
        runs=10,
        executions=5,
        states=20,
        seconds=0.5,
    )


def shown(asked: Matrix, columns: int) -> str:
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
    render_matrix(console, asked)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("line", "needed", "certain"),
    [
        (DECIDED, "dma", True),
        (BLURRED, "dma?", False),
        (row(S1, HOLDS, HOLDS, HOLDS, HOLDS, HOLDS), "none", True),
        (row(S1, BROKEN, BROKEN, BROKEN, BROKEN, UNKNOWN), "?", False),
        (row(S1, BROKEN, BROKEN, BROKEN, BROKEN, BROKEN), "no class", False),
        (row(B1, HOLDS, HOLDS, HOLDS, HOLDS, HOLDS, judged=False), "-", False),
    ],
)
def test_a_row_claims_what_it_needs_only_as_far_as_it_is_known(line: Row, needed: str, certain: bool) -> None:
    assert (line.needs, line.certain) == (needed, certain)
    weakest = matrix_data(matrix(line))["matrix"][0]["weakest"]
    assert weakest == (needed.rstrip("?") if needed in ("dma", "dma?", "none") else None)


def test_the_decisive_cell_is_the_strongest_that_is_not_enough() -> None:
    assert DECIDED.decisive is DECIDED.cell(SMP)
    assert BLURRED.decisive is BLURRED.cell(COMPILER), "what is unknown decides nothing"
    assert row(S1, HOLDS, HOLDS, HOLDS, HOLDS, HOLDS).decisive is None


@pytest.mark.parametrize(
    ("asked", "status", "exit_status"),
    [
        (matrix(), "verified", 0),
        (matrix(BLURRED), "inconclusive", 3),
        (matrix(assignment=replace(ENOUGH, weaker=(Trial(S1, SMP, UNKNOWN),))), "inconclusive", 3),
        (matrix(assignment=replace(ENOUGH, explored=UNKNOWN)), "inconclusive", 3),
        (matrix(assignment=None, coded=UNKNOWN), "inconclusive", 3),
        (matrix(BLURRED, assignment=None, coded=BROKEN), "violation", 1),
    ],
)
def test_whatever_is_unknown_leaves_the_whole_inconclusive(asked: Matrix, status: str, exit_status: int) -> None:
    assert (asked.status, asked.exit_status) == (status, exit_status)
    assert matrix_data(asked)["status"] == status


def test_an_assignment_with_an_untried_step_is_not_called_minimal() -> None:
    unknown = replace(ENOUGH, weaker=(*ENOUGH.weaker, Trial(S1, NONE, UNKNOWN)))
    assert ENOUGH.minimal
    assert not unknown.minimal
    assert "could not be decided" in " ".join(shown(matrix(assignment=unknown), 100).split())


@pytest.mark.parametrize("columns", [100, 80])
def test_the_table_fits_the_terminal_with_large_figures(columns: int) -> None:
    text = shown(matrix(DECIDED, BLURRED, row(S7, *[BROKEN] * 5), row(S8, *[HOLDS] * 5)), columns)
    table = text[text.index(" site ") : text.index("Each cell")]
    assert max(len(line.rstrip()) for line in table.splitlines()) <= columns
    assert len(re.findall(r"34,483", table)) == 9, "no figure is cut"
    orders = [word for site in (S1, S2, S8) for word in site.orders.split()]
    for word in ("dma?", "no class", "unknown", "broken", "mandatory", *orders):
        assert re.search(rf"{re.escape(word)}\s", table), f"{word} is cut"


def test_commands_stay_in_one_line() -> None:
    text = shown(matrix(), 80)
    assert f"\n  {found().command}\n" in text
    assert f"\n  {ENOUGH.command}\n" in text


# --- the page


class Parts(HTMLParser):
    """Tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_every_broken_cell_leads_to_its_counterexample_and_no_other_cell_leads_anywhere() -> None:
    tags = Parts(render_matrix_html(matrix(DECIDED, BLURRED))).tags
    links = [str(a["href"]) for tag, a in tags if tag == "a" and a["href"] != "#matrix"]
    assert links == ["#S1-none", "#S1-compiler", "#S1-smp", "#S2-none", "#S2-compiler"]
    assert [f"#{a['id']}" for tag, a in tags if tag == "section" and a.get("class") == "counterexample"] == links


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    text = render_matrix_html(matrix())
    tags = Parts(text).tags
    assert not [tag for tag, _ in tags if tag in ("script", "img", "iframe", "object", "form")]
    assert all(str(a[key]).startswith(("#", "data:")) for _, a in tags for key in ("href", "src") if key in a)
    style = text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert f"style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in text


def test_no_text_breaks_out_of_the_page() -> None:
    cells = tuple(replace(cell, barrier=EVIL, counterexample=found(EVIL)) for cell in DECIDED.cells)
    evil = replace(matrix(replace(DECIDED, cells=cells, note=EVIL)), title=EVIL, caution=EVIL)
    text = render_matrix_html(evil)
    tags = [tag for tag, _ in Parts(text).tags]
    assert "script" not in tags
    assert "img" not in tags
    assert text.count("</style>") == 1
    assert "49" not in text.split("</style>")[1], "nor is it taken for a template"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(os.environ, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_in_a_browser_a_broken_cell_opens_its_counterexample(
    browser: Page, tmp_path: Path, dark: bool, size: tuple[int, int]
) -> None:
    file = tmp_path / "matrix.html"
    file.write_text(render_matrix_html(matrix(DECIDED, BLURRED)))
    browser.open(file, size, dark=dark)
    told = browser.find("#S1-smp")
    assert not told.is_displayed()
    browser.click("a[href='#S1-smp']")
    assert told.is_displayed()
    assert found().command in told.text
    assert not browser.find("#S1-none").is_displayed()
    browser.click("#S1-smp a")
    assert not told.is_displayed()
    assert browser.console() == [], "the page's own style is allowed, and nothing else was tried"
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:", "about:"))] == []
    overflow = browser.js("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, "only the table scrolls sideways"


def test_where_the_hardware_keeps_the_order_the_compiler_is_the_least_that_is_advised() -> None:
    kept = replace(row(S2, HOLDS, HOLDS, HOLDS, HOLDS, HOLDS), least=COMPILER)
    made = matrix(kept, assignment=None)
    told = matrix_data(made)["matrix"][0]
    assert (kept.needs, told["weakest"], told["least"], told["certain"]) == ("compiler", "compiler", "compiler", True)
    out = io.StringIO()
    render_matrix(Console(file=out, width=100), made)
    text = " ".join(out.getvalue().split())
    assert "needs compiler: the hardware keeps that order by itself, but a C compiler may not" in text
    assert "needs compiler" in render_matrix_html(made)
    assert "needs compiler" not in render_matrix_html(matrix(DECIDED))
