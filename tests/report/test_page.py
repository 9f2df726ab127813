"""The page as a text: one file that needs no other, data that cannot break out, colours that can be read."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from amp.ordering.barriers import BarrierClass
from amp.report.blame import Finding
from amp.report.history import History
from amp.report.html import render_html
from amp.report.trace import EventFlag, EventKind
from amp.report.view import view
from amp.report.words import Words
from amp.virtio.sites import B1, K1, S1, S2, S5

NONE, SMP = BarrierClass.NONE, BarrierClass.SMP
CASES = [
    ("message passing", "omap4-2011", {S1: SMP, S2: SMP}),
    ("message passing", "paranoid", {S2: NONE}),
    ("bulk passing", "paranoid", {S1: NONE}),
    ("store buffering", "paranoid", {S5: NONE}),
    ("doorbell", "armv7-smp", {K1: SMP}),
    ("late read", "paranoid", {B1: NONE}),
]
EVIL = "</script><!--<script>\u2028\"'<img src=x>&amp;{{ 7*7 }}"


def page(bench: Any, found: tuple[Any, Finding], names: Any = None, replay: str | None = "amp run echo") -> str:
    machine, finding = found
    return render_html(
        machine.trace(), machine.explain(finding), names or bench.names, verdict="the verdict", replay=replay
    )


class Parts(HTMLParser):
    """What a browser would see: tags with their attributes, and the raw contents of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self._inside: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in self.raw:
            self._inside = tag
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.raw:
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside][-1] += data


def data_of(text: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Parts(text).raw["script"][0])
    return data


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_every_shape_has_a_page_of_its_own(bench: Any, case: tuple[Any, ...]) -> None:
    found = bench.first(*case)
    text = page(bench, found)
    machine, finding = found
    trace, explanation = machine.trace(), machine.explain(finding)
    data = data_of(text)
    assert data == json.loads(json.dumps(view(trace, explanation, Words(History(trace), explanation, bench.names))))
    assert data["roles"]["bad"] == explanation.bad.number
    assert {len(column) for column in data["events"].values()} == {len(trace)}
    assert set(data["marks"]) <= {str(number) for number in data["story"]}
    low, high = data["span"]
    assert all(low <= event.number <= high for event in explanation.accesses)


def loads_outside(text: str) -> list[str]:
    """What a page would fetch, and the handlers and scripts that its policy would have to trust."""
    found = []
    for tag, attributes in Parts(text).tags:
        for name, value in attributes.items():
            fetches = name in ("src", "href", "srcset", "data", "action", "poster") and value != "data:,"
            if fetches or name.startswith("on") or name == "style":
                found.append(f"<{tag} {name}={value!r}>")
    found += [style for style in Parts(text).raw["style"] if re.search(r"@import|url\(", style)]
    return found


def test_the_page_needs_nothing_but_itself(bench: Any) -> None:
    assert loads_outside(page(bench, bench.first(*CASES[0]))) == []


@pytest.mark.parametrize(
    "planted",
    ['<script src="x.js"></script>', '<link href="x.css">', '<p onclick="x()">', "<style>@import 'x'</style>"],
)
def test_what_would_need_more_is_noticed(planted: str) -> None:
    assert loads_outside(planted)


def test_data_cannot_end_its_block_or_become_markup(bench: Any) -> None:
    found = bench.first(*CASES[0])
    machine, finding = found
    evil = (machine, Finding(finding.cpu, f"{EVIL} {finding.text}", finding.address))
    text = page(bench, evil, names=lambda _: EVIL, replay=EVIL)
    plain = page(bench, found)
    assert [tag for tag, _ in Parts(text).tags] == [tag for tag, _ in Parts(plain).tags]
    assert EVIL in data_of(text)["texts"]
    assert "<!--" not in text
    assert "49" not in re.findall(r"<h1>(.*)</h1>", text)[0]


def test_the_policy_trusts_this_script_and_this_style_only(bench: Any) -> None:
    parts = Parts(page(bench, bench.first(*CASES[0])))
    [policy] = [a["content"] for _, a in parts.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    digest = {kind: b64encode(sha256(parts.raw[kind][-1].encode()).digest()).decode() for kind in ("script", "style")}
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{digest['style']}'",
        "script-src": f"'sha256-{digest['script']}'",
    }


def test_the_page_tells_the_whole_story(bench: Any) -> None:
    text = page(bench, bench.first(*CASES[0]))
    for said in ("Found by the remote", "the verdict", "B became visible first", "dma_wmb (dsb; outer_sync) at S1"):
        assert said in text
    assert "Reproduce" in text
    assert "Reproduce" not in page(bench, bench.first(*CASES[0]), replay=None)


def test_the_same_finding_gives_the_same_page(bench: Any) -> None:
    found = bench.first(*CASES[0])
    assert page(bench, found) == page(bench, found)


# --- the data


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}, {case[1]}")
def test_what_a_load_read_is_what_the_trace_says(bench: Any, case: tuple[Any, ...]) -> None:
    machine, finding = bench.first(*case)
    trace = machine.trace()
    history = History(trace)
    data = data_of(page(bench, (machine, finding)))
    loads = [e for e in trace.events if e.kind is EventKind.LOAD and not e.flags & EventFlag.PART]
    assert loads
    for load in loads:
        said = data["sources"].get(str(load.number), [])
        by_byte = {history.read_from(load, byte) for byte in range(load.address, load.address + load.size)}
        assert set(said) == by_byte - {0, None}
    for number, arrivals in data["arrivals"].items():
        store = trace.event(int(number))
        assert store is not None
        assert arrivals == [[event.number, event.address] for event in history.visible_events(store)]
        assert data["bars"][number][1] >= arrivals[-1][0]


def test_a_bulk_load_names_every_store_it_read(bench: Any) -> None:
    read = set()
    for seed in range(20):
        machine = bench.machine("paranoid", seed=seed)
        machine.host.write(0x40, b"1" * 24)
        machine.host.write(0x48, b"2" * 8)
        machine.host.barrier(S5)  # waits until they are visible
        payload = bytes(machine.remote.read(0x40, 24))
        stores = [event.number for event in machine.trace().events if event.kind is EventKind.STORE]
        digits = [int(digit) for digit in dict.fromkeys(payload.decode().replace("\0", ""))]
        expected = [stores[digit - 1] for digit in digits]
        data = data_of(page(bench, (machine, Finding(1, "?"))))
        assert list(data["sources"].values()) == ([expected] if expected else [])
        read.add(tuple(digits))
    assert (1, 2) in read


def test_a_place_holds_each_value_since_the_store_arrived(bench: Any) -> None:
    machine, finding = bench.first(*CASES[0])
    trace, explanation = machine.trace(), machine.explain(finding)
    data = data_of(page(bench, (machine, finding)))
    for location in data["locations"]:
        first, *steps = location["steps"]
        assert first == [1, "as at the start", 0]
        assert steps == sorted(steps)
        for at, held, number in steps:
            store, arrival = trace.event(number), trace.event(at)
            assert store is not None
            assert arrival is not None
            assert (str(store.value), arrival.kind, arrival.store) == (held, EventKind.VISIBLE, number)
    names = [location["name"] for location in data["locations"]]
    assert {bench.names(event.address) for event in explanation.accesses} == set(names)


def test_values_too_large_for_a_browser_s_numbers_keep_their_digits(bench: Any) -> None:
    machine = bench.machine("sc")
    machine.host.store_u64(0, (1 << 64) - 3)
    data = data_of(page(bench, (machine, Finding(0, "?"))))
    assert "18446744073709551613 (0xfffffffffffffffd)" in data["texts"]


# --- the colours


def palettes() -> dict[str, dict[str, str]]:
    style = (files("amp.report") / "templates" / "explain.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\n\s*\}", style, re.DOTALL)[:2]
    return {
        name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", body)) for name, body in (("light", light), ("dark", dark))
    }


def contrast(one: str, two: str) -> float:
    """WCAG 2.2, "contrast ratio"."""
    bright, dim = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("palette", ["light", "dark"])
def test_text_and_marks_can_be_told_from_what_is_behind_them(palette: str) -> None:
    """WCAG 2.2 AA: 4.5 for text, 3 for graphics."""
    colours = palettes()[palette]
    text = [("text", "card"), ("text", "page"), ("dim", "card"), ("dim", "page"), ("stale", "card"), ("text", "held")]
    text += [("store-text", "store"), ("dim", "memory"), ("text", "memory"), ("accent", "card"), ("stale", "page")]
    graphics = [(mark, "page") for mark in ("store", "bulk", "load", "stale", "barrier", "blame", "kick", "hot")]
    graphics += [("store-text", "bulk"), ("card", "blame"), ("blame", "card")]
    short = [(a, b, contrast(colours[a], colours[b])) for a, b in text if contrast(colours[a], colours[b]) < 4.5]
    short += [(a, b, contrast(colours[a], colours[b])) for a, b in graphics if contrast(colours[a], colours[b]) < 3]
    assert short == []


def test_the_contrast_of_known_colours_is_as_the_standard_has_it() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
