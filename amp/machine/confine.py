"""What a core's process gives up before it reads its firmware, when its machine is confined (`amp up --confine`).

Firmware is code, and runs as the user. Confined it keeps its memory, its processor time, what the user may read, and
the machine's region; it has no network, starts no process, signals none but itself, and changes no file. Four means,
none of which can be undone from inside:

| means                                                   | what for                                            |
|---------------------------------------------------------|-----------------------------------------------------|
| resource limits, setrlimit(2)                           | memory, size of files, descriptors, core dumps       |
| no new privileges, no capabilities; prctl(2), capset(2) | set-user-ID programs; root's rights                 |
| namespaces of its own, unshare(2): user, network, IPC   | a network with nothing in it                        |
| a filter of system calls, seccomp(2)                    | sockets, processes, signals, files that change      |

Where the kernel gives no namespaces (`namespaces_refused`) the other three hold; the filter alone keeps sockets away.

This is a fence, no sandbox: the kernel's own faults, side channels, and files that the user may read are within reach,
and what it learns it may tell its host, in messages. Who runs firmware of strangers does so as another user, or in a
container. x86-64 and AArch64 only: elsewhere no filter is known, and `check` refuses.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from types import MappingProxyType
from typing import Final, NamedTuple

from amp.errors import RprocError, UsageError

MEMORY_BYTES: Final = 4 << 30  # of address space, the region included
FILE_BYTES: Final = 16 << 20  # it can open none to write to: this is for its stderr, and for files without a name
DESCRIPTORS: Final = 64
LIMITS: Final = (
    (resource.RLIMIT_AS, MEMORY_BYTES),
    (resource.RLIMIT_FSIZE, FILE_BYTES),
    (resource.RLIMIT_NOFILE, DESCRIPTORS),
    (resource.RLIMIT_CORE, 0),
)

PR_SET_NO_NEW_PRIVS: Final = 38  # include/uapi/linux/prctl.h
PR_SET_SECCOMP: Final = 22
SECCOMP_MODE_FILTER: Final = 2  # include/uapi/linux/seccomp.h
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x0800_0000, 0x1000_0000, 0x4000_0000  # include/uapi/linux/sched.h
NAMESPACES: Final = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC
CLONE_THREAD: Final = 0x0001_0000
LINUX_CAPABILITY_VERSION_3: Final = 0x2008_0522  # include/uapi/linux/capability.h
WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

EPERM: Final = 1
ENOSYS: Final = 38
ALLOW: Final = 0x7FFF_0000  # SECCOMP_RET_ALLOW
KILL: Final = 0x8000_0000  # SECCOMP_RET_KILL_PROCESS
ERRNO: Final = 0x0005_0000  # SECCOMP_RET_ERRNO


class Machine(NamedTuple):
    """An architecture: its AUDIT_ARCH_* (include/uapi/linux/audit.h), and its column in the tables of calls."""

    audit: int
    column: int
    has_x32: bool = False


MACHINES: Final = MappingProxyType(
    {"x86_64": Machine(0xC000_003E, 0, has_x32=True), "aarch64": Machine(0xC000_00B7, 1)}
)
X32_BIT: Final = 0x4000_0000  # x86-64 has a second table of calls there, asm/unistd.h

# Name, number on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl) and on AArch64 (include/uapi/asm-generic/unistd.h),
# both of Linux v6.1; -1 where the architecture has none. Refused with EPERM.
REFUSED: Final = (
    ("socket", 41, 198),
    ("socketpair", 53, 199),
    ("connect", 42, 203),
    ("bind", 49, 200),
    ("listen", 50, 201),
    ("accept", 43, 202),
    ("accept4", 288, 242),
    ("fork", 57, -1),
    ("vfork", 58, -1),
    ("execve", 59, 221),
    ("execveat", 322, 281),
    ("ptrace", 101, 117),
    ("process_vm_readv", 310, 270),
    ("process_vm_writev", 311, 271),
    ("rt_sigqueueinfo", 129, 138),
    ("rt_tgsigqueueinfo", 297, 240),
    ("pidfd_send_signal", 424, 424),
    ("pidfd_getfd", 438, 438),
    ("tkill", 200, 130),
    ("setns", 308, 268),
    ("unshare", 272, 97),
    ("mount", 165, 40),
    ("umount2", 166, 39),
    ("pivot_root", 155, 41),
    ("chroot", 161, 51),
    ("open_tree", 428, 428),
    ("move_mount", 429, 429),
    ("fsopen", 430, 430),
    ("mount_setattr", 442, 442),
    ("bpf", 321, 280),
    ("perf_event_open", 298, 241),
    ("userfaultfd", 323, 282),
    ("add_key", 248, 217),
    ("request_key", 249, 218),
    ("keyctl", 250, 219),
    ("io_uring_setup", 425, 425),  # it opens sockets and files past this filter
    ("setpriority", 141, 140),
    ("creat", 85, -1),
    ("truncate", 76, 45),
    ("ftruncate", 77, 46),
    ("fallocate", 285, 47),
    ("rename", 82, -1),
    ("renameat", 264, 38),
    ("renameat2", 316, 276),
    ("mkdir", 83, -1),
    ("mkdirat", 258, 34),
    ("rmdir", 84, -1),
    ("link", 86, -1),
    ("linkat", 265, 37),
    ("symlink", 88, -1),
    ("symlinkat", 266, 36),
    ("unlink", 87, -1),
    ("unlinkat", 263, 35),
    ("mknod", 133, -1),
    ("mknodat", 259, 33),
    ("chmod", 90, -1),
    ("fchmod", 91, 52),
    ("fchmodat", 268, 53),
    ("chown", 92, -1),
    ("fchown", 93, 55),
    ("lchown", 94, -1),
    ("fchownat", 260, 54),
    ("utime", 132, -1),
    ("utimes", 235, -1),
    ("futimesat", 261, -1),
    ("utimensat", 280, 88),
    ("setxattr", 188, 5),
    ("lsetxattr", 189, 6),
    ("fsetxattr", 190, 7),
    ("removexattr", 197, 14),
    ("lremovexattr", 198, 15),
    ("fremovexattr", 199, 16),
)
# The same of what came after v6.1. A kernel may be newer than its filter.
LATER: Final = (
    ("fchmodat2", 452, 452),
    ("setxattrat", 463, 463),
    ("removexattrat", 466, 466),
    ("file_setattr", 469, 469),
)
# As if the kernel were older: who is told so falls back on a call whose arguments a filter can see.
ABSENT: Final = (("clone3", 435, 435), ("openat2", 437, 437))
# Refused by an argument: (name, number on x86-64, on AArch64, the argument's index).
OPENS: Final = (("open", 2, -1, 1), ("openat", 257, 56, 2))  # with any of WRITES
CLONE: Final = ("clone", 56, 220, 0)  # without CLONE_THREAD
KILLS: Final = (("kill", 62, 129, 0), ("tgkill", 234, 131, 0))  # of another process
PRLIMIT: Final = ("prlimit64", 302, 261, 0)  # of another process; its own is 0
# With one of these values: what types into the terminal of who started the machine, what names the process that is sent
# a descriptor's signals, and what changes a file that is open for reading.
VALUES: Final = (
    ("ioctl", 16, 29, 1, (0x5412, 0x541C)),  # TIOCSTI, TIOCLINUX; include/uapi/asm-generic/ioctls.h
    ("ioctl", 16, 29, 1, (0x8901, 0x8902)),  # FIOSETOWN, SIOCSPGRP; include/uapi/asm-generic/sockios.h
    # FS_IOC_SETFLAGS, its 32-bit form, FS_IOC_SETVERSION, FS_IOC_FSSETXATTR; include/uapi/linux/fs.h
    ("ioctl", 16, 29, 1, (0x4008_6602, 0x4004_6602, 0x4008_7602, 0x401C_5820)),
    ("ioctl", 16, 29, 1, (0x4080_6685,)),  # FS_IOC_ENABLE_VERITY; include/uapi/linux/fsverity.h
    ("fcntl", 72, 25, 1, (8, 10, 15)),  # F_SETOWN, F_SETSIG, F_SETOWN_EX; include/uapi/asm-generic/fcntl.h
)


class Instruction(NamedTuple):
    """struct sock_filter, include/uapi/linux/filter.h."""

    code: int
    jt: int
    jf: int
    k: int


LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06  # BPF_*, include/uapi/linux/bpf_common.h
AT_NUMBER, AT_AUDIT, AT_ARGUMENTS = 0, 4, 16  # struct seccomp_data; of an argument the lower half comes first


def program(machine: Machine, pid: int) -> tuple[Instruction, ...]:
    """The filter, for the process `pid`: what it does not refuse is allowed."""
    column = machine.column
    rows = [
        Instruction(LOAD, 0, 0, AT_AUDIT),
        Instruction(EQUAL, 1, 0, machine.audit),
        Instruction(RETURN, 0, 0, KILL),  # calls of another architecture have other numbers
        Instruction(LOAD, 0, 0, AT_NUMBER),
    ]
    if machine.has_x32:
        rows += [Instruction(AT_LEAST, 0, 1, X32_BIT), Instruction(RETURN, 0, 0, KILL)]
    for answer, calls in ((EPERM, (*REFUSED, *LATER)), (ENOSYS, ABSENT)):
        for call in calls:
            if call[1:3][column] >= 0:
                rows += [Instruction(EQUAL, 0, 1, call[1:3][column]), Instruction(RETURN, 0, 0, ERRNO | answer)]
    for each in OPENS:
        rows += _by_argument(each, column, ANY_BIT, WRITES, refused=True)
    rows += _by_argument(CLONE, column, ANY_BIT, CLONE_THREAD, refused=False)
    for each in KILLS:
        rows += _by_argument(each, column, EQUAL, pid, refused=False)
    rows += _by_argument(PRLIMIT, column, EQUAL, 0, refused=False)
    for name, x86_64, aarch64, argument, values in VALUES:
        for value in values:
            rows += _by_argument((name, x86_64, aarch64, argument), column, EQUAL, value, refused=True)
    return (*rows, Instruction(RETURN, 0, 0, ALLOW))


def _by_argument(
    call: tuple[str, int, int, int], column: int, test: int, value: int, *, refused: bool
) -> list[Instruction]:
    """Instructions for one call: refused if its argument passes the test, or (`refused` false) if it does not."""
    number, argument = call[1:3][column], call[3]
    if number < 0:
        return []
    return [
        Instruction(EQUAL, 0, 4, number),
        Instruction(LOAD, 0, 0, AT_ARGUMENTS + 8 * argument),
        Instruction(test, 0 if refused else 1, 1 if refused else 0, value),
        Instruction(RETURN, 0, 0, ERRNO | EPERM),
        Instruction(LOAD, 0, 0, AT_NUMBER),  # for the rows that follow
    ]


def check() -> Machine:
    """The machine whose calls are filtered. UsageError if they are not known."""
    machine = MACHINES.get(platform.machine())
    if machine is None or sys.byteorder != "little":
        raise UsageError(f"confine: no filter of system calls is known for {platform.machine()}")
    return machine


def namespaces_refused() -> str | None:
    """Why the kernel gives us no namespaces; None: it does. Tried in a child, so this process has one thread."""
    child = os.fork()
    if child == 0:
        os._exit(ctypes.get_errno() if _libc.unshare(NAMESPACES) else 0)
    _, status = os.waitpid(child, 0)
    error = os.waitstatus_to_exitcode(status)
    return os.strerror(error) if error else None


def confine() -> None:
    """Confine this process, which has one thread. UsageError or RprocError: it is not, and must not go on."""
    machine = check()
    sys.dont_write_bytecode = True
    _libc.unshare(NAMESPACES)  # or not: see namespaces_refused
    for what, wanted in LIMITS:
        _, most = resource.getrlimit(what)
        limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(what, (limit, limit))
    _must("no new privileges", _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    header = struct.pack("=Ii", LINUX_CAPABILITY_VERSION_3, 0)
    _must("no capabilities", _libc.capset(header, bytes(24)))
    filters = b"".join(struct.pack("=HBBI", *each) for each in program(machine, os.getpid()))
    room = ctypes.create_string_buffer(filters, len(filters))
    described = struct.pack("@HP", len(filters) // 8, ctypes.addressof(room))  # struct sock_fprog
    _must("filter of system calls", _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described, 0, 0))


_libc: Final = ctypes.CDLL(None, use_errno=True)


def _must(what: str, result: int) -> None:
    if result:
        raise RprocError(f"confine: {what}: {os.strerror(ctypes.get_errno())}")
