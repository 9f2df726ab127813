"""No text of a file reaches a terminal in a form that it acts upon: not on stdout, not in an error, not in a page."""

import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest
from commands import AMP
from commands import process as amp
from hypothesis import given
from hypothesis import strategies as st

from amp.cli.terminal import make_console, say
from amp.visible import visible

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\x08\r\x7f\u202eevil\u2066\u2028"
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A witness, a platform and a litmus test whose texts drive a terminal; names of files that do as well."""
    folder = tmp_path_factory.mktemp("evil")
    witness = folder / "witness.json"
    assert amp("run", "echo", "--barriers", "smp", "--messages", "60", "--save", witness).returncode == 1
    content = json.loads(witness.read_text())
    content["reports"][content["finder"]]["text"] = f"message 2: {EVIL}"
    witness.write_text(json.dumps(content))
    for field in ("platform", "barriers", "digest"):
        (folder / f"{field}.json").write_text(json.dumps({**content, field: EVIL}))
    text = json.dumps(EVIL)[1:-1]
    (folder / "evil.toml").write_text(f'name = "evil"\nbase = "sc"\nsummary = "{text}"\nsource = "{text}"\n')
    (folder / "wrong.toml").write_text(f'name = "{text}"\nbase = "{text}"\n')
    threads = "P0(int *x) { WRITE_ONCE(*x, 1); }\nexists (x=1)\n"
    (folder / "evil.litmus").write_text("C X\x1b[2J\u202e\x9b31m\n{}\n" + threads)
    (folder / "wrong.litmus").write_text("C X\n{}\nP0(int *x) { \x1b[2J\u202e; }\nexists (x=1)\n")
    (folder / "n\x1b[2J\u202e.litmus").write_text("nothing")
    return folder


COMMANDS = (
    "explain witness.json",
    "explain platform.json",
    "explain barriers.json",
    "replay digest.json",
    "replay witness.json",
    "platforms evil.toml",
    "platforms wrong.toml",
    "run echo --platform evil.toml --messages 5",
    "verify spsc-vring --platform evil.toml",
    "litmus evil.litmus",
    "litmus wrong.litmus",
    "litmus .",
    "run \x1b[2J\u202e",
    "verify vring --platform \x1b[2J\u202e",
    "explain \x1b[2J\u202e.json",
    "scenarios \x1b[2J",
)


@pytest.mark.a_few(4)
@pytest.mark.parametrize("line", COMMANDS, ids=[ascii(line) for line in COMMANDS])
def test_nothing_of_a_file_or_an_argument_drives_the_terminal(evil: Path, line: str) -> None:
    done = subprocess.run([*AMP, *line.split(" ")], cwd=evil, capture_output=True, timeout=240, check=False)
    assert done.returncode in (0, 1, 2)
    for printed in (done.stdout, done.stderr):
        assert not ACTS.findall(printed.decode()), printed
    assert done.stdout or done.stderr


def test_on_a_terminal_only_the_console_s_own_escapes_are_left(evil: Path) -> None:
    """Colours and progress are escapes, too: all of them are those of rich."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*AMP, "explain", "witness.json"], cwd=evil, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        printed = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            printed += part
    os.close(ours)
    assert process.returncode == 1
    text = re.sub(r"\x1b\[[0-9;]*m|\r\n|\x1b\[\?25[hl]|\x1b\[[0-9]*[AK]", "", printed.decode())
    assert not ACTS.findall(text)
    assert "\\x1b[2J" in "".join(text.split())


def test_a_page_holds_no_control_character_and_no_tag_of_a_file(evil: Path, tmp_path: Path) -> None:
    content = json.loads((evil / "witness.json").read_text())
    content["reports"][content["finder"]]["text"] = f"<script>alert(1)</script> \"'& {EVIL}"
    path = tmp_path / "witness.json"
    path.write_text(json.dumps(content))
    done = amp("explain", path, "--html", tmp_path / "page.html", "--perfetto", tmp_path / "trace.json")
    assert done.returncode == 1, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert "<script>alert(1)" not in page
    assert not re.findall("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", page)
    json.loads((tmp_path / "trace.json").read_text())


@given(st.text())
def test_what_is_shown_acts_upon_nothing_and_plain_text_stays(text: str) -> None:
    shown = visible(text)
    assert not ACTS.findall(shown)
    shown.encode()  # also what was no text
    assert visible(shown) == shown
    if not ACTS.findall(text):
        assert shown == text


def test_a_console_shows_it_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    console = make_console()
    say(console, EVIL)
    console.print(EVIL, markup=False)
    console.rule(f"title {EVIL}")
    assert not ACTS.findall(capsys.readouterr().out)


def test_bytes_of_a_name_that_are_no_text_are_shown_as_bytes(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\x1b.json"
    done = subprocess.run([*map(os.fsencode, AMP), b"explain", path], capture_output=True, timeout=240, check=False)
    assert done.returncode == 2
    assert b"/\\xff\\x1b.json: No such file" in done.stderr
