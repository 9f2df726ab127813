"""The life of a region: shared between real processes, and gone from /dev/shm however they end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import posix_ipc
import pytest

from amp.region import Creator, Layout, Region
from amp.region.names import SHM_DIRECTORY, new_name

pytestmark = pytest.mark.alone  # who creates a region sweeps, and here lies what others must not sweep
LAYOUT = Layout.plan(vrings=8192, buffers=65536, resources=4096, model=4096)

CREATE = """
import signal, sys
from amp.region import Layout, Region
region = Region.create(Layout.plan(vrings=1, buffers=1, resources=1, model=1))
print(flush=True)
"""
# A creator that has not come to the unlinking of the name.
NAMED = """
import posix_ipc, signal
from amp.region.names import Creator, new_name
name = new_name(Creator.current())
posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600, size=4096)
print(name, flush=True)
"""
WAIT = "signal.pause()\n"


@contextmanager
def child(program: str, *args: str, pass_fds: tuple[int, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=pass_fds,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_from(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return line.strip()


def path_of(name: str) -> Path:
    return SHM_DIRECTORY / name.removeprefix("/")


def objects_of(pid: int) -> list[str]:
    return [entry for entry in os.listdir(SHM_DIRECTORY) if entry.startswith(f"amp.{pid}.")]


# --- one memory for all


def test_two_processes_see_each_others_bytes_through_the_descriptor() -> None:
    with Region.create(LAYOUT) as region:
        program = """
import sys
from amp.region import Region
with Region.from_fd(int(sys.argv[1])) as region:
    buffers = region.layout["buffers"]
    seen = region.memory[buffers.offset : buffers.offset + 5]
    region.memory[region.layout["model"].end - 5 : region.layout["model"].end] = seen[::-1]
    print(region.creator.pid, region.layout.size)
"""
        region.view("buffers", "u1")[:5] = np.frombuffer(b"hello", "u1")
        with child(program, str(region.fd), pass_fds=(region.fd,)) as peer:
            assert line_from(peer) == f"{os.getpid()} {LAYOUT.size}"
            assert peer.wait() == 0
        assert region.view("model", "u1")[-5:].tobytes() == b"olleh"


def test_the_object_is_private_and_its_memory_is_reserved() -> None:
    with Region.create(LAYOUT) as region:
        status = os.fstat(region.fd)
        assert status.st_mode & 0o777 == 0o600
        assert status.st_size == LAYOUT.size
        assert status.st_blocks * 512 >= LAYOUT.size


def test_two_names_have_nothing_random_in_common() -> None:
    one, other = new_name(Creator.current()), new_name(Creator.current())
    assert one.rpartition(".")[0] == other.rpartition(".")[0]
    assert one.rpartition(".")[2] != other.rpartition(".")[2]


def test_a_create_without_enough_memory_is_refused_and_leaves_nothing() -> None:
    program = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n" + CREATE
    with child(program) as process:
        assert process.stdout is not None
        assert process.stdout.read() == ""
        _, said = process.communicate()
        assert "RegionError: cannot create a region of 24576 bytes in /dev/shm: [Errno 27] File too large" in said
        assert objects_of(process.pid) == []


def test_a_view_covers_exactly_its_carveout_and_does_not_copy() -> None:
    with Region.create(LAYOUT) as region:
        ring = region.view("vrings", "<u2")
        assert ring.shape == (LAYOUT["vrings"].size // 2,)
        ring[:] = 0xBEEF
        start, end = LAYOUT["vrings"].offset, LAYOUT["vrings"].end
        assert region.memory[start:end] == b"\xef\xbe" * len(ring)
        assert region.memory[end : LAYOUT.size] == bytes(LAYOUT.size - end)
        del ring


def test_an_import_of_the_region_does_not_load_numpy() -> None:
    with child("import sys, amp.region; print('numpy' in sys.modules)") as process:
        assert line_from(process) == "False"


# --- close


def test_close_can_be_called_twice_and_gives_back_descriptors_and_memory() -> None:
    before = os.listdir("/proc/self/fd")
    region = Region.create(LAYOUT)
    region.close()
    region.close()
    assert os.listdir("/proc/self/fd") == before
    assert region.fd == -1
    with pytest.raises(ValueError, match="closed"):
        region.memory[0]


def test_a_view_outlives_its_region_and_takes_the_mapping_with_it() -> None:
    region = Region.create(LAYOUT)
    view = region.view("buffers", "u1")
    inode = os.fstat(region.fd).st_ino
    region.close()
    view[0] = 1
    assert mapped(inode)
    del view, region
    assert not mapped(inode)


def mapped(inode: int) -> bool:
    return any(line.split()[4] == str(inode) for line in Path("/proc/self/maps").read_text().splitlines())


# --- ends of a process: what a killed creator leaves, the next create removes


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_the_next_create_removes_what_a_killed_creator_left(signum: signal.Signals) -> None:
    with child(NAMED + WAIT) as process:
        name = line_from(process)
        assert path_of(name).exists()
        process.send_signal(signum)
        assert process.wait() == -signum
        Region.create(LAYOUT).close()
        assert not path_of(name).exists()


def test_a_creator_that_is_a_zombie_counts_as_dead() -> None:
    with child(NAMED + WAIT) as process:
        name = line_from(process)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not reaped
        Region.sweep()
        assert not path_of(name).exists()


def test_a_region_without_a_name_dies_with_its_last_process_even_by_kill() -> None:
    peer_program = (
        "import sys\nfrom amp.region import Region\nr = Region.from_fd(int(sys.argv[1]))\nprint(flush=True)\n"
    )
    program = CREATE + (
        "import subprocess\n"
        f"peer = subprocess.Popen([sys.executable, '-c', {peer_program + 'input()'!r}, str(region.fd)],\n"
        "    pass_fds=[region.fd], stdout=subprocess.PIPE, text=True)\n"
        "peer.stdout.readline()\nprint(peer.pid, flush=True)\n" + WAIT
    )
    with child(program) as process:
        assert process.stdout is not None
        process.stdout.readline()
        peer_pid = int(line_from(process))
        assert objects_of(process.pid) == []
        peer = os.pidfd_open(peer_pid)
        process.kill()
        process.wait()
        signal.pidfd_send_signal(peer, signal.SIGKILL)
        os.close(peer)
        assert objects_of(process.pid) == []
        assert objects_of(peer_pid) == []


# --- sweep


@contextmanager
def object_named(name: str) -> Iterator[Path]:
    os.close(posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600, size=4096).fd)
    try:
        yield path_of(name)
    finally:
        path_of(name).unlink(missing_ok=True)


def dead_creator() -> Creator:
    with child("input()") as process:
        stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        creator = Creator(process.pid, int(stat[19]))
        assert creator.alive
    assert not creator.alive
    return creator


def test_sweep_returns_what_it_removed() -> None:
    name = new_name(dead_creator())
    with object_named(name) as path:
        assert name in Region.sweep()
        assert not path.exists()


def test_sweep_leaves_a_living_creators_region_alone() -> None:
    with child(NAMED + WAIT) as process:
        name = line_from(process)
        assert name not in Region.sweep()
        assert path_of(name).exists()
        process.kill()
        process.wait()
        assert name in Region.sweep()


def test_sweep_is_not_fooled_by_a_pid_that_was_used_again() -> None:
    me = Creator.current()
    with object_named(new_name(Creator(me.pid, me.start_time - 1))) as path:
        Region.sweep()
        assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give an object away")
def test_sweep_leaves_other_users_names_alone() -> None:
    with object_named(new_name(dead_creator())) as path:
        os.chown(path, 65534, -1)
        Region.sweep()
        assert path.exists()


@pytest.mark.parametrize(
    "form", ["/amp.{pid}", "/amp.{pid}.1.short", "/amp.{pid}.1.0123456789abcdef.more", "/ampere.{pid}"]
)
def test_sweep_leaves_names_of_another_form_alone(form: str) -> None:
    with object_named(form.format(pid=dead_creator().pid)) as path:
        Region.sweep()
        assert path.exists()
