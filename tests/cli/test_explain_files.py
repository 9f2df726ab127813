"""`amp explain` with files: the same story in the terminal, as a page and for Perfetto; mistakes are one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from commands import here as amp

# One witness of each kind, by what is said of it: the options of `amp run`, and what its story must name.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "S1": (
        ("--platform", "omap4-2011", "--barriers", "smp", "--messages", "200"),
        ("S1 smp_wmb (dmb)", "PL310 write buffer needs SYSTEM", "dma_wmb (dsb; outer_sync) at S1", "B visible: "),
    ),
    "K1": (
        ("--platform", "riscv", "--weaken", "K1=smp", "--no-suppression", "--messages", "300"),
        ("K1 smp_wmb (fence rw,w)", "not order WD", "dma_wmb (fence ow,ow) at K1", "B visible: the doorbell rings"),
    ),
    "S5": (
        ("--platform", "paranoid", "--weaken", "S5=none", "--event-idx", "--messages", "100"),
        ("S5 no barrier", "too early: A is still pending", "lost kick", "mb at S5"),
    ),
    "S2": (
        ("--platform", "paranoid", "--weaken", "S2=none", "--messages", "300"),
        ("S2 no barrier", "stale: ", "newest is", "rmb at S2"),
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def witness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("witness") / "witness.json"
    done = amp("run", "echo", *KINDS[request.param][0], "--save", path)
    assert done.returncode == 1, done.stderr
    return request.param, path


@pytest.mark.a_few(2)
def test_all_three_say_the_same(witness: tuple[str, Path], tmp_path: Path) -> None:
    kind, path = witness
    page, perfetto = tmp_path / "page.html", tmp_path / "trace.json"
    done = amp("explain", path, "--html", page, "--perfetto", perfetto)
    assert (done.returncode, done.stderr) == (1, f"amp: wrote {page}\namp: wrote {perfetto}\n")
    assert done.stdout == amp("explain", path).stdout
    assert max(len(line) for line in done.stdout.splitlines() if not line.startswith("Replay: ")) <= 100
    prose = " ".join(done.stdout.split())
    told = json.loads(perfetto.read_text())["otherData"]
    text = page.read_text()
    for said in KINDS[kind][1]:
        assert said in prose, said
    cure = told["Cure"]
    assert cure in prose
    assert cure in text
    assert f"Violation at {kind}: echo on " in text
    assert told["verdict"].startswith(f"Violation at {kind}: echo on ")
    replay = done.stdout.splitlines()[-1].removeprefix("Replay: ")
    assert told["replay"] == replay
    assert replay in text


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("witness") / "witness.json"
    assert amp("run", "echo", *KINDS["S1"][0], "--save", path).returncode == 1
    return path


def test_the_object_on_stdout_stays_the_same_object(saved: Path, tmp_path: Path) -> None:
    def told(*options: Any) -> Any:
        return json.loads(amp("explain", saved, "--json", *options).stdout)

    assert told("--html", tmp_path / "page.html") == told()
    assert (tmp_path / "page.html").stat().st_size > 10_000


@pytest.mark.parametrize("option", ["--html", "--perfetto"])
def test_a_file_that_cannot_be_written_is_one_line(saved: Path, tmp_path: Path, option: str) -> None:
    done = amp("explain", saved, option, tmp_path / "nowhere" / "file")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"amp: {option} {tmp_path}/nowhere/file: No such file or directory\n"


@pytest.mark.parametrize("option", ["--html", "--perfetto"])
def test_the_witness_is_not_written_over(saved: Path, tmp_path: Path, option: str) -> None:
    before = saved.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(saved)
    for path in (saved, link):
        done = amp("explain", saved, option, path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"amp: {option} {path}: that is the witness itself\n"
    assert saved.read_bytes() == before
