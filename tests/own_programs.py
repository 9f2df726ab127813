"""Programs as users write them, in files of their own. Not a test."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

HANDOVER = '''
import amp

box = amp.Layout(flag=amp.u32, data=amp.u32[4])
publish = amp.Site("publish", "data before flag", needs="WW", kind="wmb", pairs_with="consume")
consume = amp.Site("consume", "flag before data", needs="RR", kind="rmb", pairs_with="publish")


@amp.program(layout=box, sites=[publish, consume])
class Handover:
    """A word of data, and the flag that announces it."""

    def host(self, cpu, at):
        cpu.store(at.data[0], 42)  # line of the data
        cpu.barrier(publish)  # line of publish
        cpu.store(at.flag, 1)  # line of the flag

    def remote(self, cpu, at):
        cpu.poll(at.flag, lambda flag: flag == 1)  # line of the look
        cpu.barrier(consume)  # line of consume
        assert cpu.load(at.data[0]) == 42  # line of the check
'''

FRAME = """
import amp

box = amp.Layout(flag=amp.u32, data=amp.u32[4], text=amp.Bytes(12))
publish = amp.Site("publish", "data before flag", needs="WW", kind="wmb", pairs_with="consume")
consume = amp.Site("consume", "flag before data", needs="RR", kind="rmb", pairs_with="publish")
{before}

@amp.program(layout=box, sites=[publish, consume]{options})
class Own:
    def host(self, cpu, at):
{host}

    def remote(self, cpu, at):
{remote}
"""


def handover(folder: Path) -> Path:
    """The hand-over of the documentation: right with mandatory barriers."""
    path = folder / "handover.py"
    path.write_text(HANDOVER)
    return path


def own(folder: Path, host: str, remote: str, *, before: str = "", options: str = "", name: str = "own.py") -> Path:
    """A program `Own` with these bodies of its two parts."""
    path = folder / name
    bodies = {key: indent(dedent(body).strip("\n"), 8 * " ") for key, body in (("host", host), ("remote", remote))}
    path.write_text(FRAME.format(before=before, options=options, **bodies))
    return path


def line_of(path: Path, marked: str) -> int:
    """The line of the file that holds `marked`."""
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if marked in line)
