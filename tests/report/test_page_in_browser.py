"""The page in a real Chromium: quiet, alone, and every control does what it says."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from page_browser import NARROW, WIDE, Page, find_browser, opened
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys

from amp.ordering.barriers import BarrierClass
from amp.report.blame import Explanation, Finding
from amp.report.history import History
from amp.report.html import render_html
from amp.report.scene import scene
from amp.report.trace import EventFlag, EventKind, Trace
from amp.virtio import sites

pytestmark = pytest.mark.xdist_group("browser")  # one browser is enough

NONE, SMP = BarrierClass.NONE, BarrierClass.SMP
S1 = ("message passing", "omap4-2011", {sites.S1: SMP, sites.S2: SMP})
S2 = ("message passing", "paranoid", {sites.S2: NONE})


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(os.environ, tmp_path_factory.mktemp("profile")) as page:
        yield page


class Told:
    """A finding of the bench's, and its page in a file."""

    def __init__(self, bench: Any, path: Path, found: tuple[Any, Finding], names: Any = None) -> None:
        machine, finding = found
        self.trace: Trace = machine.trace()
        self.explanation: Explanation = machine.explain(finding)
        self.history = History(self.trace)
        self.path, self.names = path, names or bench.names
        text = render_html(self.trace, self.explanation, self.names, verdict="verdict", replay="amp run echo --seed 1")
        path.write_text(text, encoding="utf-8")

    @property
    def story(self) -> list[int]:
        return [event.number for event in scene(self.history, self.explanation, self.names)]

    def loads(self) -> list[Any]:
        return [e for e in self.trace.events if e.kind is EventKind.LOAD and not e.flags & EventFlag.PART]

    def readers(self, store: int) -> list[int]:
        return [load.number for load in self.loads() if store in self.history.sources(load)]


@pytest.fixture
def told(bench: Any, tmp_path: Path) -> Told:
    return Told(bench, tmp_path / "page.html", bench.first(*S1))


@pytest.fixture
def page(browser: Page, told: Told) -> Page:
    browser.open(told.path)
    return browser


# --- quiet and alone


def test_the_page_loads_without_a_complaint_and_asks_for_nothing(page: Page, told: Told) -> None:
    assert page.requests() == [told.path.as_uri()]
    page.click("#fit")
    page.click("#forward")
    page.press("+", "-")
    assert page.requests() == []
    assert page.console() == []


def test_a_page_that_complains_and_asks_is_noticed(browser: Page, tmp_path: Path) -> None:
    planted = tmp_path / "planted.html"
    planted.write_text("<!doctype html><script>console.error('planted')</script><img src='http://127.0.0.1:9/x.png'>")
    browser.open(planted)
    assert "http://127.0.0.1:9/x.png" in browser.requests()
    assert any("planted" in line for line in browser.console())


def test_the_page_s_own_policy_stops_what_is_planted_in_it(browser: Page, told: Told) -> None:
    planted = "<script>document.title = 'planted'</script><img src='http://127.0.0.1:9/x.png'></body>"
    told.path.write_text(told.path.read_text().replace("</body>", planted))
    browser.open(told.path)
    assert browser.js("document.title") != "planted"
    refused = [line for line in browser.console() if "Content Security Policy" in line]
    assert len(refused) == 2, "the script and the image"


def test_names_that_look_like_markup_stay_names(browser: Page, bench: Any, tmp_path: Path) -> None:
    evil = "</script><!--<script>\u2028\"'<img src=x onerror=document.title='planted'>&amp;"
    told = Told(bench, tmp_path / "page.html", bench.first(*S1), names=lambda _: evil)
    browser.open(told.path)
    assert browser.js("document.title") != "planted"
    assert browser.all("img") == []
    assert "</script><!--<script>" in browser.panel
    assert "&amp;" in browser.panel
    assert browser.console() == []


# --- what is shown at the start


def test_it_starts_at_the_witness(page: Page, told: Told) -> None:
    bad = told.explanation.bad
    assert bad is not None
    assert page.current == bad.number
    low, high = page.view
    assert all(low <= event.number <= high for event in told.explanation.accesses)
    assert f"#{bad.number} remote: load avail.ring[0]" in page.panel
    assert page.find("#current .mark").text.startswith(("early: ", "stale: "))
    assert page.all("#plot .role-ring.bad")
    assert [badge.text for badge in page.all("#plot .badge-text")] == ["A", "B"]
    assert page.find("tr[aria-current]").get_attribute("data-go") == str(bad.number)


def test_the_story_is_on_the_page(page: Page, told: Told) -> None:
    text = page.find("body").text
    for said in ("B became visible first", "dmb reaches OUTER", "dma_wmb (dsb; outer_sync) at S1", "verdict"):
        assert said in text
    assert page.find("#replay").text == "amp run echo --seed 1"
    rows = [int(str(row.get_attribute("data-go"))) for row in page.all("tr[data-go]")]
    assert rows == told.story


def test_the_witness_and_the_pair_are_jumped_to(page: Page, told: Told) -> None:
    page.press(Keys.HOME)
    assert told.explanation.pair is not None
    assert told.explanation.bad is not None
    for key, role, event in zip("abw", ("A", "B", "bad"), (*told.explanation.pair, told.explanation.bad), strict=True):
        page.press(Keys.HOME)
        assert page.current == told.trace.first
        page.press(key)
        assert page.current == event.number
        page.press(Keys.HOME)
        page.click(f"button[data-role={role}]")
        assert page.current == event.number
        low, high = page.view
        assert low < event.number < high


# --- hover


def test_a_store_under_the_pointer_shows_who_read_it(page: Page, told: Told) -> None:
    page.click("#fit")
    drawn = {int(str(bar.get_attribute("data-n"))): bar for bar in page.all("#plot rect.bar-store")}
    store = max(drawn, key=lambda number: len(told.readers(number)))
    expected = told.readers(store)
    assert len(expected) >= 2
    page.hover(drawn[store])
    lit = [int(str(mark.get_attribute("data-reader"))) for mark in page.all("#focus [data-reader]")]
    assert lit == expected
    links = {int(str(line.get_attribute("data-load"))) for line in page.all(f"#focus .link[data-store='{store}']")}
    assert links == set(expected)
    assert f"read by #{expected[0]}" in page.find("#tip").text
    page.hover(page.find("h1"))
    assert not page.find("#tip").is_displayed()
    assert not page.all(f"#focus .link[data-store='{store}']")


def test_a_load_under_the_pointer_shows_its_source_and_that_it_is_stale(
    browser: Page, bench: Any, tmp_path: Path
) -> None:
    for found in bench.each(*S2):
        told = Told(bench, tmp_path / "page.html", found)
        if told.explanation.read and told.explanation.bad and told.explanation.missed:
            break
    else:
        pytest.fail("never stale with a known source")
    browser.open(told.path)
    browser.press(Keys.HOME)
    browser.click("#fit-finding")
    browser.hover(browser.find(f"#plot circle[data-n='{told.explanation.bad.number}']"))
    [link] = browser.all("#focus .link")
    assert link.get_attribute("data-store") == str(told.explanation.read)
    said = browser.find("#tip").text
    assert f"read #{told.explanation.read}" in said
    assert f"newest is #{told.explanation.missed.number}" in said


# --- stepping


def test_stepping_goes_through_the_events_by_button_and_by_key(page: Page, told: Told) -> None:
    start = page.current
    page.click("#back")
    assert page.current == start - 1
    assert page.find("#where").text == f"#{start - 1}"
    assert page.find("#current h2").text.startswith(f"#{start - 1} ")
    page.click("#forward")
    assert page.current == start
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_RIGHT)
    assert page.current == start - 2
    page.press(Keys.HOME, Keys.ARROW_LEFT)
    assert page.current == told.trace.first
    page.press(Keys.END, Keys.ARROW_RIGHT)
    assert page.current == told.trace.last
    low, high = page.view
    assert low <= page.current <= high


def test_stepping_along_the_story_visits_each_of_its_events(page: Page, told: Told) -> None:
    page.press("a")
    at = told.story.index(page.current)
    for number in told.story[at + 1 :]:
        page.click("#story-forward")
        assert page.current == number
    ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_LEFT).key_up(Keys.SHIFT).perform()
    page.settle()
    assert page.current == told.story[-2]
    page.click(f"tr[data-go='{told.story[0]}'] td")
    assert page.current == told.story[0]


def test_references_in_the_panel_lead_to_their_events(page: Page, told: Told) -> None:
    assert told.explanation.missed is not None
    page.click(f"#current button[data-go='{told.explanation.missed.number}']")
    assert page.current == told.explanation.missed.number
    assert "Visible" in page.panel


def test_everything_can_be_reached_with_the_keyboard_alone(page: Page) -> None:
    wanted = {
        "back",
        "forward",
        "story-back",
        "story-forward",
        "zoom-in",
        "zoom-out",
        "fit",
        "fit-finding",
        "plot",
        "copy",
    }
    page.js("document.body.focus()")
    seen = set()
    for _ in range(40):
        page.press(Keys.TAB)
        seen.add(page.js("document.activeElement.id"))
    assert wanted <= seen
    page.js("document.getElementById('back').focus()")
    start = page.current
    page.press(Keys.ENTER)
    assert page.current == start - 1


# --- zoom and pan


def test_zoom_changes_the_scale_and_fit_shows_all(page: Page, told: Told) -> None:
    finding = page.scale
    page.click("#fit")
    start, (low, high) = page.scale, page.view
    assert low <= told.trace.first
    assert high >= told.trace.last
    page.click("#zoom-out")
    assert page.view == (low, high)
    page.click("#zoom-in")
    assert page.scale == pytest.approx(2 * start, rel=0.01)
    page.press("-")
    assert page.scale == pytest.approx(start, rel=0.01)
    for _ in range(30):
        page.press("+")
    assert page.view[1] - page.view[0] == pytest.approx(10, abs=0.1)
    page.click("#fit-finding")
    assert page.scale == pytest.approx(finding, rel=0.01)


def test_the_wheel_zooms_at_the_pointer_and_a_drag_pans(page: Page) -> None:
    page.click("#fit")
    start, (low, high) = page.scale, page.view
    plot = page.find("#plot")
    ActionChains(page.driver).scroll_from_origin(ScrollOrigin.from_element(plot, 200, 0), 0, -300).perform()
    page.settle()
    assert page.scale > 1.5 * start
    left, right = page.view
    assert left - low > high - right > 0, "what is right of the middle stays in place"
    scrolled = page.js("window.scrollY")
    ActionChains(page.driver).drag_and_drop_by_offset(plot, 100, 0).perform()
    page.settle()
    assert page.view[0] == pytest.approx(left - 100 / page.scale, abs=0.2)
    assert page.js("window.scrollY") == scrolled


# --- light and dark, wide and narrow


def test_the_page_is_dark_where_the_reader_s_screen_is(browser: Page, told: Told) -> None:
    shades = []
    for dark in (False, True):
        browser.open(told.path, dark=dark)
        colour = browser.js("getComputedStyle(document.body).backgroundColor")
        shades.append(sum(int(part) for part in colour.strip("rgb()").split(",")))
    assert shades[0] > 600
    assert shades[1] < 120


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_fits_the_window(browser: Page, told: Told, size: tuple[int, int]) -> None:
    browser.open(told.path, size)
    assert browser.js("document.documentElement.scrollWidth <= window.innerWidth")
    box = browser.js("document.getElementById('plot').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0
    assert box["right"] <= size[0]
    assert box["bottom"] <= size[1], "the whole timeline is seen without scrolling"
    start = browser.current
    browser.click("#back")
    assert browser.current == start - 1


# --- much, little, nothing


def until(run: Callable[[], Finding | None], enough: Callable[[], bool]) -> Finding:
    """The first finding once the trace is long enough."""
    found = next((found for _ in range(1000) if (found := run()) and enough()), None)
    assert found is not None
    return found


def test_thousands_of_events_do_not_choke_it(browser: Page, bench: Any, tmp_path: Path) -> None:
    machine = bench.machine("paranoid", {sites.S1: NONE}, trace_events=8192)
    found = until(lambda: bench.programs["message passing"](machine), lambda: len(machine.trace()) >= 6000)
    told = Told(bench, tmp_path / "page.html", (machine, found))
    assert len(told.trace) >= 5000
    browser.open(told.path)
    assert browser.current == (told.explanation.bad or told.trace.events[-1]).number
    browser.press("f")
    assert len(browser.all("#plot *")) < 5000
    took_ms = browser.driver.execute_async_script("""
        const done = arguments[0], start = performance.now();
        let left = 20;
        const next = () => left-- ? (document.getElementById(left % 2 ? "zoom-in" : "zoom-out").click(),
            requestAnimationFrame(() => requestAnimationFrame(next))) : done((performance.now() - start) / 20);
        next();
    """)
    assert took_ms < 500, "a second in which nothing moves is choking; this is some fifty times what it takes"
    assert browser.console() == []


def test_a_finding_without_an_explanation_has_a_page_too(browser: Page, bench: Any, tmp_path: Path) -> None:
    machine = bench.machine("paranoid")
    assert bench.programs["message passing"](machine) is None
    told = Told(bench, tmp_path / "page.html", (machine, Finding(1, "nothing really", 0x08)))
    assert told.explanation.pair is None
    browser.open(told.path)
    assert "Not explained" in browser.find("#why").text
    assert "nothing in this run is out of order" in browser.find("#why").text
    shown = {button.get_attribute("data-role") for button in browser.all("button.role") if button.is_displayed()}
    assert not shown & {"A", "B", "site"}  # there is no pair, only what was read
    browser.press("w", "a", Keys.ARROW_LEFT)
    assert browser.current == told.story[-1] - 1
    assert browser.console() == []


def test_a_trace_without_its_beginning_has_a_page_too(browser: Page, bench: Any, tmp_path: Path) -> None:
    machine = bench.machine("paranoid", {sites.S1: NONE}, trace_events=64)
    found = until(lambda: bench.programs["message passing"](machine), lambda: not machine.trace().complete)
    told = Told(bench, tmp_path / "page.html", (machine, found))
    browser.open(told.path)
    assert f"begins at #{told.trace.first}" in browser.find("#why").text
    browser.press(Keys.HOME)
    assert browser.current == told.trace.first
    for _ in range(len(told.trace)):
        browser.press(Keys.ARROW_RIGHT)
    assert browser.current == told.trace.last
    assert browser.console() == []


# --- the browser itself


def test_without_a_browser_the_tests_skip_but_fail_where_it_is_required(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="chromium is not installed; on Debian: apt-get install chromium"):
        find_browser({"PATH": str(tmp_path)})
    with pytest.raises(pytest.fail.Exception, match="chromium is not installed"):
        find_browser({"PATH": str(tmp_path), "AMP_BROWSER": "required"})
    (tmp_path / "chromium").write_text("#!/bin/sh\n")
    (tmp_path / "chromium").chmod(0o755)
    with pytest.raises(pytest.fail.Exception, match="chromedriver is not installed"):
        find_browser({"PATH": str(tmp_path), "AMP_BROWSER": "required"})
