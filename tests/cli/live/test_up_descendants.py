"""Firmware that starts processes: whatever became of their parents, none is left when the machine is down."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from cli_runs import until
from live_machines import a_home, image

FORKS = {
    "serves as its parent does": """
        child = os.fork()
        if child:
            note(child, bus)
        bus.serve()
    """,
    "ignores what it is told": """
        if not os.fork():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            note(os.getpid(), bus)
            while True:
                time.sleep(60)
        bus.serve()
    """,
    "has left its group and its parent": """
        if not os.fork():
            os.setsid()
            if os.fork():
                os._exit(0)
            note(os.getpid(), bus)
            while True:
                time.sleep(60)
        bus.serve()
    """,
    "is another program": """
        note(subprocess.Popen(["sleep", "600"], start_new_session=True).pid, bus)
        bus.serve()
    """,
}

HEAD = """
import os, signal, subprocess, time
from amp.remoteproc.spec import Firmware as Declaration, rpmsg

FIRMWARE = Declaration(vdevs=(rpmsg(num=16),))


def note(pid, bus):
    with open(NOTES + "~", "w") as file:
        file.write(str(pid))
    os.rename(NOTES + "~", NOTES)


def main(firmware):
    bus = firmware.rpmsg()
    bus.create_endpoint("rpmsg-echo", lambda endpoint, message: endpoint.sendto(message.data, message.source))
    firmware.print("ready")
"""


def forking(directory: Path, body: str) -> tuple[Path, Path]:
    """An image, and where it notes the process that it has started."""
    module, notes = directory / "forks.py", directory / "notes"
    text = HEAD + textwrap.indent(textwrap.dedent(body), "    ")
    module.write_text(text.replace("def note", f"NOTES = {str(notes)!r}\n\n\ndef note"))
    return image(directory / "forks.elf", module), notes


@pytest.mark.a_few(4)
@pytest.mark.parametrize("how", FORKS)
@pytest.mark.parametrize("end", [("down",), ("crash", "--kind", "kill")], ids=" ".join)
def test_no_process_of_a_firmware_outlives_its_core(tmp_path: Path, how: str, end: tuple[str, ...]) -> None:
    firmware, notes = forking(tmp_path, FORKS[how])
    with a_home() as home, home.up(firmware, "--mode", "direct", "--no-recovery"):
        until(notes.exists, "its note")
        child = Path("/proc") / notes.read_text()
        assert child.exists()
        home.told(*end)
        assert not child.exists() or "Z (zombie)" in (child / "status").read_text()
