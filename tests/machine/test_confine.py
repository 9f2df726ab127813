"""A confined core: its firmware runs, and neither network, nor processes, nor files, nor more memory are to be had."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from core_machine import CoreMachine

from amp.errors import UsageError
from amp.machine import confine
from amp.machine.config import Mode
from amp.machine.core import CrashKind

ON_X86 = os.uname().machine == "x86_64"
# What x86-64 and AArch64 take their numbers from; the second as arch/arm64/include/uapi/asm/unistd.h includes it.
HEADERS = ("<asm/unistd_64.h>", "<asm-generic/unistd.h>")
ASKED = ("-D__ARCH_WANT_RENAMEAT", "-D__ARCH_WANT_SYS_CLONE3")


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(0, id="x86-64", marks=pytest.mark.skipif(not ON_X86, reason="the header is x86-64's own")),
        pytest.param(1, id="aarch64"),
    ],
)
def test_the_numbers_of_calls_are_those_of_the_kernels_headers(column: int, tmp_path: Path) -> None:
    (tmp_path / "all.c").write_text(f"#include {HEADERS[column]}\n")
    command = ["cc", "-E", "-dM", *ASKED, str(tmp_path / "all.c")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout
    defined = dict(re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", told))
    calls = (
        *confine.REFUSED,
        *((name, *numbers) for name, *numbers in confine.LATER if name in defined),
        *confine.ABSENT,
        *confine.OPENS,
        confine.CLONE,
        *confine.KILLS,
        confine.PRLIMIT,
        *confine.VALUES,
    )
    assert {call[0]: str(call[1:3][column]) for call in calls if call[1:3][column] >= 0} == {
        call[0]: defined.get(call[0]) for call in calls if call[1:3][column] >= 0
    }
    assert [call[0] for call in calls if call[1:3][column] < 0 and call[0] in defined] == []


REFUSED = [
    ("import socket; socket.socket()", "PermissionError"),
    ("import socket; socket.socket(socket.AF_UNIX)", "PermissionError"),
    ("import socket; socket.create_connection(('127.0.0.1', 1))", "PermissionError"),
    ("import os; os.fork()", "PermissionError"),
    ("import subprocess; subprocess.run(['true'])", "PermissionError"),
    ("import os; os.execv('/bin/true', ['true'])", "PermissionError"),
    ("import os; os.posix_spawn('/bin/true', ['true'], {})", "PermissionError"),
    ("import multiprocessing; multiprocessing.Process(target=print).start()", "PermissionError"),
    ("open(PATH, 'w')", "PermissionError"),
    ("open(PATH, 'ab')", "PermissionError"),
    ("import os; os.open(PATH, os.O_RDWR)", "PermissionError"),
    ("import os; os.truncate(PATH, 0)", "PermissionError"),
    ("import os; os.unlink(PATH)", "PermissionError"),
    ("import os; os.rename(PATH, PATH + 'x')", "PermissionError"),
    ("import os; os.chmod(PATH, 0o777)", "PermissionError"),
    ("import os; os.mkdir(PATH + 'd')", "PermissionError"),
    ("import os; fd = os.memfd_create('x'); [os.write(fd, bytes(1 << 20)) for _ in range(20)]", "OSError: [Errno 27]"),
    ("import os; os.kill(os.getppid(), 0)", "PermissionError"),
    ("import signal; signal.pidfd_send_signal(__import__('os').pidfd_open(PARENT), 0)", "PermissionError"),
    ("import resource as r; r.prlimit(PARENT, r.RLIMIT_NOFILE, (999, 999))", "PermissionError"),
    ("import fcntl; fcntl.ioctl(2, 0x5412, b'x')", "PermissionError"),  # else: no terminal, or typed into it
    ("import fcntl, os; fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, PARENT)", "PermissionError"),
    ("import fcntl, sys; fcntl.ioctl(int(sys.argv[2]), 0x8901, PARENT.to_bytes(4, 'little'))", "PermissionError"),
    ("import fcntl, sys; fcntl.ioctl(int(sys.argv[2]), 0x8902, PARENT.to_bytes(4, 'little'))", "PermissionError"),
    ("import fcntl; fcntl.ioctl(open(PATH), 0x40086602, bytes(8))", "PermissionError"),
    ("call(452, -100, PATH.encode(), 0o777, 0)", "PermissionError"),  # fchmodat2, and those of LATER that follow
    ("call(463, -100, PATH.encode(), 0, b'user.x', 0, 0)", "PermissionError"),
    ("call(466, -100, PATH.encode(), 0, b'user.x')", "PermissionError"),
    ("call(469, -100, PATH.encode(), 0, 0, 0)", "PermissionError"),
    ("bytearray(8 << 30)", "MemoryError"),
    ("import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (999, 999))", "ValueError"),
    ("import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0", "AssertionError"),
    ("import os; [os.dup(0) for _ in range(100)]", "OSError: [Errno 24]"),
]


def test_what_a_confined_firmware_may_not_is_refused_by_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    source = f"""
import ctypes, json, os
PATH, PARENT = {str(tmp_path / "precious")!r}, {os.getpid()}
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def main(firmware):
    told = []
    for line in {[line for line, _ in REFUSED]!r}:
        try:
            exec(line, {{"PATH": PATH, "PARENT": PARENT, "call": call}})
        except Exception as error:
            told.append(f"{{type(error).__name__}}: {{error}}")
        else:
            told.append("went through")
    firmware.panic(json.dumps(told))
"""
    with CoreMachine(Mode.DIRECT, confined=True) as machine:
        machine.boot(source)
        crash = machine.crash()
    told = json.JSONDecoder().raw_decode(crash.text.removeprefix("Panic: "))[0]
    for (line, error), got in zip(REFUSED, told, strict=True):
        assert got.startswith(error), (line, got)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("precious", "kept")]


def test_what_a_confined_firmware_needs_it_has(tmp_path: Path) -> None:
    (tmp_path / "readable").write_text("text")
    source = f"""
import os, threading
def main(firmware):
    import numpy
    threads = [threading.Thread(target=str) for _ in range(4)]
    for each in threads:
        each.start()
        each.join()
    os.kill(os.getpid(), 0)
    assert open({str(tmp_path / "readable")!r}).read() == "text"
    firmware.print("in the trace")
    firmware.panic(f"all of it, {{int(numpy.arange(3).sum())}}")
"""
    for mode in (Mode.DIRECT, Mode.FREE):
        with CoreMachine(mode, confined=True) as machine:
            machine.boot(source)
            crash = machine.crash()
        assert (crash.kind, crash.text.partition(" (")[0]) == (CrashKind.FATAL, "Panic: all of it, 3")


def test_a_confined_core_stops_in_good_order_and_dies_with_its_parent() -> None:
    with CoreMachine(Mode.DIRECT, confined=True) as machine:
        machine.boot("def main(firmware):\n    firmware.port.kick(0)\n    firmware.wait()\n")
        machine.rung()
        status = Path(f"/proc/{machine.core.pid}/status").read_text()
        assert re.search(r"^NoNewPrivs:\s1$", status, re.M)
        assert re.search(r"^Seccomp:\s2$", status, re.M)
        assert re.search(r"^CapEff:\s0+$", status, re.M)
        machine.core.stop()
        assert machine.core.crash is None


def test_a_firmware_without_the_fence_may_all_that() -> None:
    """The tests above would not notice a machine on which these things are refused to everybody."""
    with CoreMachine(Mode.DIRECT) as machine:
        machine.boot("def main(firmware):\n    import socket, os\n    socket.socket()\n    firmware.panic('has one')\n")
        assert machine.crash().text.startswith("Panic: has one")


def test_what_a_processor_cannot_filter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    with pytest.raises(UsageError, match="no filter of system calls is known for vax"):
        confine.check()


SYSTEM_CALL_OF_32_BITS = """
import ctypes, mmap, os
from amp.machine.confine import confine
confine()
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid); int 0x80; ret
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
"""


@pytest.mark.skipif(not ON_X86, reason="only x86-64 has a second table of calls to slip through")
def test_another_architectures_calls_end_the_process() -> None:
    run = subprocess.run([sys.executable, "-c", SYSTEM_CALL_OF_32_BITS], timeout=240, check=False)
    assert run.returncode == -signal.SIGSYS


def test_limits_that_are_lower_already_stay() -> None:
    script = (
        "import resource as r; from amp.machine.confine import confine\nconfine(); print(r.getrlimit(r.RLIMIT_NOFILE))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)),
        stdout=subprocess.PIPE,
        text=True,
        timeout=240,
        check=True,
    )
    assert run.stdout == "(32, 32)\n"


WITHOUT_NAMESPACES = """
import ctypes, socket
from amp.machine import confine
ctypes.CDLL(None).unshare(confine.CLONE_NEWUSER)  # where it may be said that there are no more
try:
    with open("/proc/sys/user/max_user_namespaces", "w") as most:
        most.write("0")
except OSError:
    pass
print(confine.namespaces_refused() is not None)
confine.confine()
for family in (socket.AF_INET, socket.AF_UNIX, socket.AF_NETLINK):
    try:
        socket.socket(family)
    except PermissionError:
        print("refused")
"""


def test_where_the_kernel_gives_no_namespaces_the_filter_refuses_sockets_all_the_same() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_NAMESPACES], stdout=subprocess.PIPE, text=True, timeout=240, check=True
    )
    assert run.stdout == "True\nrefused\nrefused\nrefused\n"
