"""`amp scenarios`, and the small programs under `amp run`, explain and replay, as a user types them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from commands import here

from amp.programs import EXPLORABLE

NAMES = pytest.mark.parametrize("name", EXPLORABLE)


def amp(*arguments: str, status: int = 0) -> str:
    """What `amp` prints, on stdout or for an error on stderr."""
    done = here(*arguments)
    assert done.returncode == status, done.stderr
    return done.stderr if status == 2 else done.stdout


def data_of(*arguments: str, status: int = 0) -> dict[str, Any]:
    data = json.loads(amp(*arguments, "--json", status=status))
    assert isinstance(data["violations"], int), "as every command's object has it"
    return data


def test_the_list_has_a_line_for_every_small_program_in_a_hundred_columns() -> None:
    text = amp("scenarios")
    assert all(re.search(rf"^ {name} ", text, re.MULTILINE) for name in EXPLORABLE)
    assert max(map(len, text.splitlines())) <= 100


@NAMES
def test_a_program_is_described_with_every_site_and_what_it_is_for(name: str) -> None:
    text = amp("scenarios", name)
    program = EXPLORABLE[name]
    for site in program.stood_at:
        assert re.search(rf"^ {site.name} ", text, re.MULTILINE)
    assert program.violations in text
    assert text.count("nothing: ") == len(program.idle)


@NAMES
def test_a_program_as_data_says_what_its_record_says(name: str) -> None:
    data = data_of("scenarios", name)
    assert (data["command"], data["name"]) == ("scenarios", name)
    assert {key: data[key] for key in EXPLORABLE[name].as_dict()} == EXPLORABLE[name].as_dict()
    listed = data_of("scenarios")["programs"]
    assert [each["name"] for each in listed] == list(EXPLORABLE)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("scenarios vrings", "program 'vrings' is unknown; did you mean vring?"),
        ("run vring --weaken K1=none", "weaken: vring has no site K1 (it has S1, S2, S3, S4, B1)"),
        ("run spsc-vring --barriers virtio-strong", "barriers 'virtio-strong' is unknown"),
        ("run vring --event-idx", "vring always has event_idx off, not event_idx on"),
        ("run vring --window 4", "vring always has window 0, not window 4"),
        ("run vring --ring-size 3", "ring size is 3, vring has a power of two from 1 to 8"),
        ("run doorbell --ring-size 2", "ring size is 2, doorbell has 1"),
        ("run vring --messages 65536", "messages is 65536, vring has 1 to 65535"),
        ("run vring --file x", "--file has no meaning for vring"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_status_2(command: str, says: str) -> None:
    text = amp(*command.split(), status=2)
    assert says in text
    assert len(text.splitlines()) == 1


@NAMES
def test_a_program_runs_with_its_own_sizes(name: str) -> None:
    data = data_of("run", name, "--seeds", "5")
    assert (data["status"], data["ring_size"]) == ("holds", EXPLORABLE[name].sizes["ring_size"].default)
    assert data["payload_bytes"] == EXPLORABLE[name].fixed["payload_bytes"]
    assert data["messages"] == 5 * EXPLORABLE[name].sizes["messages"].default


@pytest.mark.a_few(1)
@pytest.mark.parametrize(
    ("name", "weakened"), [("vring", "S1=none"), ("spsc-vring", "S2=compiler"), ("doorbell", "K1=smp")]
)
def test_a_finding_is_saved_explained_and_repeated_and_so_is_its_line(tmp_path: Path, name: str, weakened: str) -> None:
    saved = str(tmp_path / "witness.json")
    found = ("run", name, "--weaken", weakened, "--platform", "paranoid", "--messages", "6", "--seeds", "4")
    data = data_of(*found, "--save", saved, status=1)
    first = data["findings"][0]
    assert first["site"] == weakened.partition("=")[0]
    replay = data_of("replay", saved, status=1)
    assert (replay["same"], replay["digest"]) == (True, first["digest"])
    assert f"Site     {first['site']}" in amp("explain", saved, status=1)
    words = shlex.split(first["replay"])
    assert words[:3] == ["amp", "run", name]
    assert data_of(*words[1:], status=1)["findings"][0]["digest"] == first["digest"]


def test_the_line_that_repeats_a_run_has_nothing_that_the_program_has_by_itself() -> None:
    asked = ("run", "vring-indirect", "--weaken", "S1=none", "--platform", "paranoid", "--seeds", "4")
    found = data_of(*asked, status=1)["findings"]
    assert re.fullmatch(
        "amp run vring-indirect --mode lockstep --platform paranoid --barriers mandatory --weaken S1=none "
        r"--messages 2 --seed \d+",
        found[0]["replay"],
    )


def test_of_a_users_program_without_words_the_sites_say_what_they_order(tmp_path: Path) -> None:
    path = tmp_path / "bare.py"
    path.write_text(
        "import amp\n"
        'publish = amp.Site("publish", "data before flag", needs="WW", kind="wmb")\n'
        "@amp.program(layout=amp.Layout(flag=amp.u32), sites=[publish])\n"
        "class Bare:\n"
        "    def host(self, cpu, at): cpu.barrier(publish)\n"
    )
    text = amp("scenarios", str(path))
    assert text.startswith("Bare\n")
    assert "not kept: data before flag" in text
