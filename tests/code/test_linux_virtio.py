"""Linux's own virtio under the model: the recipe of docs/code.md as typed, and each of its barriers taken away."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine_code import HERE, INCLUDE, SHARED

from amp.code.program import load
from amp.explore.explorer import Bounds, Exploration
from amp.lab.plan import make_plan
from amp.lab.verify import explorer_of
from amp.programs.program import Program

pytestmark = pytest.mark.slow

TARBALL = Path("/usr/src/linux-source-6.1.tar.xz")
ROOT = HERE.parents[1]
STATUS = {"verified": 0, "broken": 1}
DRAIN = "drain=0x48242730"
VERIFY_SECONDS = 60  # of CPU time, for one message

# The barriers of the split ring, by the function that they stand in.
ALWAYS = {
    ("virtqueue_add_split", "virtio_wmb"),
    ("virtqueue_kick_prepare_split", "virtio_mb"),
    ("virtqueue_get_buf_ctx_split", "virtio_rmb"),
    ("__vringh_get_head", "virtio_rmb"),
    ("__vringh_complete", "virtio_wmb"),
    ("__vringh_need_notify", "virtio_mb"),
    ("__vringh_notify_enable", "virtio_mb"),
}
NEEDED = {
    "drive_by_interrupt,0,1,0": ALWAYS | {("virtqueue_poll", "virtio_mb")},
    "drive_by_callback,0,2,1": ALWAYS | {("virtqueue_get_buf_ctx_split", "virtio_store_mb")},
}
MACHINES = [
    ("arm64-domains", "build/arm64.elf", "build/arm64.elf", ""),
    ("armv7-up", "build/am335x.elf", "build/m3.elf", ""),
    ("omap4-2011", "2011/omap4.elf", "2011/m3.elf", f"&{DRAIN}"),
]


def recipe() -> list[str]:
    """The commands of the section, but for that which installs."""
    section = (ROOT / "docs" / "code.md").read_text().split("\n## Linux's virtio\n")[1].split("\n## ")[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ") and "apt-get" not in line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example's folder, where everything is built."""
    assert TARBALL.exists(), f"{TARBALL} is missing (Debian: linux-source-6.1)"
    path = tmp_path_factory.mktemp("linux") / "linux-virtio"
    shutil.copytree(ROOT / "examples" / "linux-virtio", path, ignore=shutil.ignore_patterns("build", "2011", "linux-*"))
    for command in recipe():
        if command.startswith(("tar ", "make")):
            done = run(path, command)
            assert done.returncode == 0, done.stderr[-2000:]
    yield path
    shutil.rmtree(path)


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "AMP_CODE": str(INCLUDE)}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def explored(program: Program, platform: str, weaken: tuple[str, ...] = ()) -> Exploration:
    found = explorer_of(make_plan(program, platform=platform, weaken=weaken)).explore(Bounds())
    assert found.bound is None, found.bound
    return found


def test_the_recipe_comes_to_the_verdicts_that_it_says(folder: Path) -> None:
    commands = [line for line in recipe() if line.startswith("amp ")]
    assert len(commands) == 12
    for command in commands:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = run(folder, command)
        expected = command.split("# ")[1]
        assert done.returncode == STATUS[expected], (command, done.stdout[:2000], done.stderr)
        said = "verified: every execution holds" if expected == "verified" else "violation by the "
        assert re.search(f"^{said}", done.stdout, re.MULTILINE)
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < VERIFY_SECONDS, command


@pytest.mark.parametrize("host", NEEDED)
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine[0])
def test_each_barrier_that_is_taken_away_is_missed(folder: Path, machine: tuple[str, str, str, str], host: str) -> None:
    platform, driver, device, more = machine
    arguments = host.partition(",")[2]
    reference = f"{folder}/{driver}?host={host}&remote={folder}/{device}:serve_by_doorbell,{arguments}&{SHARED}{more}"
    program = load(reference)
    assert explored(program, platform).verified
    missed = {
        stands_in(folder, site.name)
        for site in program.sites
        if not explored(program, platform, (f"{site.name}=none",)).verified
    }
    assert missed == NEEDED[host]


def stands_in(folder: Path, site: str) -> tuple[str, str]:
    """The function of the kernel that a site stands in, and the barrier: by the line that is named last."""
    file, _, number = site.rsplit("@", maxsplit=1)[-1].partition(":")
    (path,) = (folder / "linux-source-6.1" / "drivers").glob(f"*/{file}")
    lines = path.read_text().splitlines()[: int(number)]
    barrier = next(found[0] for line in reversed(lines) if (found := re.findall(r"\bvirtio_\w*mb\b", line)))
    heads = (re.match(r"(?:\w[\w \t]*[ \t*])?(\w+)\(", line) for line in reversed(lines))
    return next(head[1] for head in heads if head), barrier


def test_a_copy_that_is_looked_into_later_needs_more_than_a_write_barrier(folder: Path) -> None:
    reference = f"{folder}/build/arm64.elf?host=drive,0,3&remote=serve_and_look_later,0,3&{SHARED}"
    found = explored(load(reference), "arm64").finding
    assert found is not None
    assert "asked == REQUEST(n)" in str(found.error)
    at_once = load(reference.replace("serve_and_look_later", "serve"))
    assert explored(at_once, "arm64").verified
