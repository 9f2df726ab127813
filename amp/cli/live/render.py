"""Machines, channels and rings as tables. Rendering only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from amp.cli.terminal import print_grid
from amp.lab.live.protocol import MachineInfo, RingInfo

MINUTE_S: Final = 60


def render_machines(console: Console, machines: Sequence[MachineInfo]) -> None:
    """One table of machines, and one of their channels."""
    if not machines:
        console.print("no machine is up")
        return
    print_grid(
        console,
        ("machine", "state", "firmware", "mode", "barriers", "pid", "core", "up", "crashes"),
        (
            (
                each.name,
                each.state,
                each.firmware,
                f"{each.mode}, {each.platform}" if each.platform else each.mode,
                each.barriers,
                str(each.pid),
                str(each.core_pid or "-"),
                duration(each.uptime_s),
                str(each.crashes),
            )
            for each in machines
        ),
    )
    channels = [(machine, channel) for machine in machines for channel in machine.channels]
    if channels:
        print_grid(
            console,
            ("machine", "service", "addr", "device"),
            ((machine.name, channel.name, str(channel.addr), channel.path or "none") for machine, channel in channels),
        )
    for machine in machines:
        if machine.last_crash is not None:
            console.print(Text(f"{machine.name}: last crash: {machine.last_crash}"), soft_wrap=True)


def render_rings(console: Console, rings: Sequence[RingInfo]) -> None:
    """One block a ring."""
    if not rings:
        console.print("no rings: no rpmsg device is up")
    for each in rings:
        console.print(
            f"{each.name}: {each.num} entries, align {each.align}, notify id {each.notifyid}, "
            f"desc {each.desc:#x}, avail {each.avail:#x}, used {each.used:#x}",
            soft_wrap=True,
        )
        kicked = "never" if each.last_kick_s is None else f"{each.last_kick_s:.1f} s ago"
        console.print(
            f"  avail.idx {each.avail_idx}, used.idx {each.used_idx}, in flight {each.in_flight}, free {each.free}, "
            f"kicks {each.kicks}, last kick {kicked}",
            soft_wrap=True,
        )
        event = f", used_event {each.used_event}, avail_event {each.avail_event}" if each.event_idx else ""
        console.print(
            f"  interrupts {_wanted(each.avail_flags)}, kicks {_wanted(each.used_flags)} "
            f"(avail.flags {each.avail_flags}, used.flags {each.used_flags}{event})",
            soft_wrap=True,
        )


def _wanted(flags: int) -> str:
    """NO_INTERRUPT and NO_NOTIFY are bit 0 of their flags."""
    return "not wanted" if flags & 1 else "wanted"


def duration(seconds: float) -> str:
    """12 s, 3 min 04 s, 2 h 03 min."""
    whole = int(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    minutes, rest = divmod(whole, MINUTE_S)
    if minutes < MINUTE_S:
        return f"{minutes} min {rest:02d} s"
    hours, rest = divmod(minutes, MINUTE_S)
    return f"{hours} h {rest:02d} min"
