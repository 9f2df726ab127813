"""A story of compiled code: of each access its function, instruction and registers; in text, JSON, on the page."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from commands import here

import amp
from amp.code.build import build
from amp.lab import witness as witness_file
from amp.report.trace import EventKind

LOAD = r"receive: ldr w\d+, \[x\d+, #0xc\]"
HANDOVER = """
#include "amp_code.h"
AMP_SHARED volatile int flag, data[4];
void send(int value)
{
    data[3] = value;
    amp_smp_wmb();
    flag = 1;
}
void receive(int value)
{
    while (!flag)
        ;
    amp_rmb();
    amp_assert(data[3] == value);
}
"""


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a handover whose barrier does not reach, for AArch64."""
    directory = tmp_path_factory.mktemp("story")
    (directory / "hand.c").write_text(HANDOVER)
    build([str(directory / "hand.c")], str(directory / "hand.elf"), "aarch64", flags=["-O2"])
    asked = ["--host", "send,42", "--remote", "receive,42", "--platform", "omap4-2011", "--save", directory / "w.json"]
    assert here("verify", directory / "hand.elf", *asked).returncode == 1
    return directory / "w.json"


def test_the_text_has_function_and_instruction_beside_the_line(witness: Path) -> None:
    assert "hand.c:6 send: str " in here("explain", witness, COLUMNS="120").stdout
    told = str(amp.explain(str(witness)))
    assert re.search(r"store data\+0xc = 42  hand.c:6 send: str w\d+, \[x\d+, #0xc\]", told)
    assert "hand.c:7 smp_wmb (dmb): orders RR RW  send: bl amp_smp_wmb" in told
    assert re.search(rf"load data\+0xc -> 0  hand.c:15 {LOAD}", told)


def test_the_registers_are_as_the_instruction_finds_them(witness: Path) -> None:
    trace = witness_file.load(str(witness))[1].trace
    assert trace is not None
    stores = [trace.code[event.number] for event in trace.events if event.kind is EventKind.STORE]
    for each, value in zip(stores, (42, 1), strict=True):
        operands = re.fullmatch(r"str w(\d+), \[x(\d+), #0x\w+\]", each.text)
        assert operands is not None
        registers = dict(each.registers)
        assert (registers[f"x{operands[1]}"], registers[f"x{operands[2]}"]) == (value, 0x40000000)
        assert "x17" not in registers  # nothing writes it
    assert {trace.places[number][1] for number in trace.code} == {6, 7, 8, 12, 14, 15}


def test_json_and_the_witness_carry_them(witness: Path) -> None:
    told = json.loads(here("explain", witness, "--json").stdout)
    bad = told["explanation"]["bad"]
    assert (bad["line"], bad["function"]) == ("hand.c:15", "receive")
    assert re.fullmatch(LOAD, f"receive: {bad['instruction']}")
    assert "0x40000000" in bad["registers"].values()
    assert any(re.search(f"hand.c:15 {LOAD}", line) for line in json.loads(witness.read_text())["story"])


@pytest.mark.slow
@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False)])
def test_the_page_shows_them_for_the_current_event(witness: Path, tmp_path: Path, width: int, dark: bool) -> None:
    from page_browser import opened  # noqa: PLC0415  (selenium, where it is asked for)

    page_file = tmp_path / "story.html"
    here("explain", witness, "--html", page_file)
    with opened(os.environ, tmp_path / "profile") as page:
        page.open(page_file, (width, 900), dark=dark)
        said = page.driver.find_element("id", "current").text
        assert re.search(LOAD, said)
        assert re.search(r"Registers\n(x\d+ 0x\w+\n)*x\d+ 0x40000000", said)
        assert re.search(LOAD, page.driver.find_element("id", "story").text)
        wide = page.driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert wide, "something sticks out"
        assert page.console() == []
