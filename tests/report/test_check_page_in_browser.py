"""The page of `amp check` in a real Chromium: quiet, alone, on any window, by keys; its timelines are amp explain's."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_browser import NARROW, WIDE, Page, opened
from selenium.webdriver.common.keys import Keys
from test_page import contrast

from amp.check.config import Check
from amp.check.judged import Summary, judge
from amp.check.page import page as page_of
from amp.check.records import Asked, CellFinding, CellOutcome
from amp.ordering.barriers import BarrierClass
from amp.report.drawn import drawn
from amp.report.html import render_html
from amp.virtio import sites

pytestmark = pytest.mark.xdist_group("browser")  # one browser is enough

SMP, NONE = BarrierClass.SMP, BarrierClass.NONE
SHOWN = {"verdict": "the verdict", "replay": "amp run echo --seed 1"}
FOUND = {
    "ring": ("message passing", "omap4-2011", {sites.S1: SMP, sites.S2: SMP}),
    "bell": ("doorbell", "armv7-smp", {sites.K1: SMP}),
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(os.environ, tmp_path_factory.mktemp("profile")) as page:
        yield page


class Gate:
    """A run of the gate with two findings that the bench has, one without a drawing, and what holds; and its page."""

    def __init__(self, bench: Any, path: Path) -> None:
        self.path, self.findings, cells = path, [], []
        for name, case in FOUND.items():
            machine, finding = bench.first(*case)
            self.findings.append((machine.trace(), machine.explain(finding), bench.names))
            cells.append((name, case[1], self._told(drawn(*self.findings[-1], **SHOWN))))
        cells += [
            ("plain", "sc", self._told(None)),
            ("ring", "riscv", CellOutcome(status="verified", runs=6, barriers="dma")),
        ]
        judged = []
        for name, platform, told in cells:
            asked = Asked(program=f"{name}.py", platform=platform)
            judged.append(judge(Check(name, "amp.toml:7", (asked,), "verified"), asked, told))
        path.write_bytes(page_of(Summary(tuple(judged), 1.0), "/project"))

    def _told(self, shown: dict[str, Any] | None) -> CellOutcome:
        found = CellFinding(
            kind="BadRing",
            text="a bad ring",
            part="remote",
            site="S1",
            path="/project/ring.py",
            line=12,
            story=("#1 host: store", "#2 remote: load"),
            drawn=shown,
        )
        return CellOutcome(status="violation", barriers="smp", runs=2, found=found)


@pytest.fixture
def gate(bench: Any, tmp_path: Path) -> Gate:
    return Gate(bench, tmp_path / "gate.html")


def current(page: Page, number: int) -> int:
    return int(page.js(f"document.getElementById('f{number}-plot').dataset.current"))


def test_the_page_is_quiet_and_asks_for_nothing(browser: Page, gate: Gate) -> None:
    browser.open(gate.path)
    assert browser.requests() == [gate.path.as_uri()]
    for number in (1, 2):
        browser.click(f"#f{number}-forward")
        browser.click(f"#f{number}-zoom-in")
    assert browser.requests() == []
    assert browser.console() == []
    planted = "<script>document.title = 'planted'</script><img src='http://127.0.0.1:9/x.png'></body>"
    gate.path.write_text(gate.path.read_text().replace("</body>", planted))
    browser.open(gate.path)
    assert browser.js("document.title") != "planted"
    assert len([line for line in browser.console() if "Content Security Policy" in line]) == 2


def test_each_timeline_is_the_one_that_amp_explain_draws(browser: Page, gate: Gate, tmp_path: Path) -> None:
    browser.open(gate.path)
    here = [browser.js(f"document.getElementById('f{number}-plot').innerHTML") for number in (1, 2)]
    alone = tmp_path / "alone.html"
    for number, (drawing, told) in enumerate(zip(here, gate.findings, strict=True), 1):
        alone.write_text(render_html(*told, **SHOWN))
        browser.open(alone)
        assert re.sub(f"f{number}-", "", drawing) == browser.js("document.getElementById('plot').innerHTML")
    assert here[0] != here[1]


def test_keys_move_the_timeline_that_they_are_pressed_in_and_no_other(browser: Page, gate: Gate) -> None:
    browser.open(gate.path)
    before = [current(browser, number) for number in (1, 2)]
    browser.press(Keys.ARROW_LEFT)
    assert [current(browser, number) for number in (1, 2)] == before, "nothing has the focus"
    browser.js("document.getElementById('f2-plot').focus()")
    browser.press(Keys.ARROW_LEFT)
    assert [current(browser, number) for number in (1, 2)] == [before[0], before[1] - 1]
    row = browser.find("#f1-story button[data-go]")
    row.send_keys(Keys.ENTER)
    browser.settle()
    assert current(browser, 1) == int(str(row.get_attribute("data-go")))


def test_a_cell_that_is_broken_leads_to_its_finding_by_the_keyboard_alone(browser: Page, gate: Gate) -> None:
    browser.open(gate.path)
    reached = []
    for _ in range(12):
        browser.press(Keys.TAB)
        reached.append(browser.js("document.activeElement.getAttribute('href')"))
    assert reached[:3] == ["#f1", "#f2", "#f3"], "the list of the summary comes first"
    assert {"#f1", "#f2", "#f3"} <= set(reached[3:]), "then the matrix"
    browser.find(".matrix a[href='#f2']").send_keys(Keys.ENTER)
    browser.settle()
    assert abs(browser.js("document.getElementById('f2').getBoundingClientRect().top")) < 60


def test_every_heading_of_a_table_says_what_it_heads_and_every_area_has_a_name(browser: Page, gate: Gate) -> None:
    browser.open(gate.path)
    assert browser.all("th")
    assert browser.all("th:not([scope])") == []
    assert browser.all("[role=region]:not([aria-label]):not([aria-labelledby])") == []
    ids = browser.js("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    script = "[...document.querySelectorAll('[aria-labelledby]')].map((each) => each.getAttribute('aria-labelledby'))"
    named = browser.js(script)
    assert set(named) <= set(ids)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_fits_the_window_and_can_be_read(browser: Page, gate: Gate, size: tuple[int, int], dark: bool) -> None:
    browser.open(gate.path, size, dark=dark)
    assert browser.js("document.documentElement.scrollWidth <= window.innerWidth")
    boxes = browser.js("[...document.querySelectorAll('.plot')].map((each) => each.getBoundingClientRect().toJSON())")
    assert len(boxes) == 2
    assert all(box["left"] >= 0 and box["right"] <= size[0] for box in boxes)

    def colour(css: str, what: str) -> str:
        said = browser.js(f"getComputedStyle(document.querySelector({css!r}))[{what!r}]")
        return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", said)[:3])

    page = colour("body", "backgroundColor")
    assert (contrast(page, "#000000") < 4) == dark
    for style in ("holds", "broken"):
        cell = f".matrix td.{style}"
        assert contrast(colour(f"{cell} > :first-child", "color"), colour(cell, "backgroundColor")) >= 4.5
        assert contrast(colour(f"{cell} small", "color"), colour(cell, "backgroundColor")) >= 4.5
    assert contrast(colour(".verdict", "color"), page) >= 4.5


def test_a_finding_without_events_is_told_in_words(browser: Page, gate: Gate) -> None:
    browser.open(gate.path)
    assert browser.all("#f3-plot") == []
    assert browser.find(".told-only pre").text == "#1 host: store\n#2 remote: load"
