"""The commands of machines that stay up. What they need is loaded when they run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from amp.cli.options import json_option, platform_option, weaken_option
from amp.cli.output import complain, echo
from amp.errors import UsageError
from amp.files import write_whole
from amp.machine.config import Mode

if TYPE_CHECKING:
    from amp.lab.live.client import Control
    from amp.lab.live.protocol import MachineInfo
    from amp.lab.live.settings import Settings

BARRIERS: Final = "virtio-strong"  # what remoteproc_virtio.c asks for: weak_barriers=False
WATCHDOG_S: Final = 5.0
MEMORY_BYTES: Final = 4 << 20
MEMORY_LIMIT_BYTES: Final = 1 << 30
_STDOUT: Final = 1

_machine_option = click.option("-m", "--machine", metavar="NAME", help="Which; needed only if several are up.")


@click.command()
@click.argument("firmware")
@click.option("--name", metavar="NAME", help="What a second terminal calls it.  [default: the file's, without suffix]")
@click.option(
    "--mode",
    type=click.Choice([Mode.FREE.value, Mode.DIRECT.value]),
    default=Mode.FREE.value,
    show_default=True,
    help="free: memory as the platform orders it; direct: no model.",
)
@platform_option
@click.option("--barriers", metavar="CLASS", default=BARRIERS, show_default=True, help="Of both sides; see amp run.")
@weaken_option
@click.option("--seed", type=click.IntRange(0, (1 << 64) - 1), default=1, show_default=True)
@click.option(
    "--memory",
    type=click.IntRange(1, MEMORY_LIMIT_BYTES),
    default=MEMORY_BYTES,
    show_default=True,
    metavar="BYTES",
    help="All that both sides share.",
)
@click.option("--no-recovery", is_flag=True, help="A core that crashed stays down.")
@click.option(
    "--watchdog",
    type=click.FloatRange(0, 3600),
    default=WATCHDOG_S,
    show_default=True,
    metavar="S",
    help="A core that shows no life for so long has crashed; 0: nobody watches.",
)
@click.option(
    "--detach", is_flag=True, help="Return when a boot has held, or none has; without, it goes down with Ctrl-C."
)
@click.option(
    "--confine",
    is_flag=True,
    help="Fence the firmware in: no network, no processes, no file that changes, limits. No sandbox: docs/rpmsg.md.",
)
@json_option
def up(
    *,
    firmware: str,
    name: str | None,
    mode: str,
    platform: str | None,
    barriers: str,
    weaken: tuple[str, ...],
    seed: int,
    memory: int,
    no_recovery: bool,
    watchdog: float,
    detach: bool,
    confine: bool,
    as_json: bool,
) -> int:
    """Boot FIRMWARE, an ELF image, and stay up. Until Ctrl-C, SIGTERM or `amp down`.

    Its services are devices for other programs: `amp ps` shows them, `amp send` and `amp listen` use them.

    Firmware is code: what the image's text says is run, with all that you may do; with --confine, with less.
    """
    from amp.lab.live.detach import detached  # noqa: PLC0415
    from amp.lab.live.settings import settings_for  # noqa: PLC0415

    if as_json and not detach:
        raise UsageError("--json has a meaning with --detach only: in the foreground a log is written")
    settings = settings_for(
        firmware,
        Mode(mode),
        platform,
        barriers,
        weaken,
        seed=seed,
        memory_bytes=memory,
        recovery=not no_recovery,
        watchdog_s=watchdog,
        confined=confine,
    )
    if confine:
        _check_confine()
    called = Path(firmware).stem if name is None else name
    if not detach:
        return _in_foreground(called, settings)
    from amp.lab.live.daemon import stay_up  # noqa: PLC0415

    machine = detached(lambda ready: stay_up(called, settings, lambda _: None, ready, must_hold=True))
    if as_json:
        _print_json("up", machine=machine)
    else:
        echo(f"{machine.name} is up: pid {machine.pid}, core pid {machine.core_pid}, {machine.state}")
        for channel in machine.channels:
            echo(f"channel {channel.name} addr {channel.addr}: {channel.path}")
    return 0


def _check_confine() -> None:
    """UsageError where firmware cannot be confined; a line on stderr for what is missing."""
    from amp.machine import confine  # noqa: PLC0415

    confine.check()
    refused = confine.namespaces_refused()
    if refused is not None:
        complain(f"--confine: no network namespace ({refused}); its filter of system calls refuses sockets")


def _in_foreground(name: str, settings: Settings) -> int:
    from amp.lab.live.daemon import stay_up  # noqa: PLC0415
    from amp.lab.live.log import LogWriter  # noqa: PLC0415

    def ready(machine: MachineInfo) -> None:
        but = "" if machine.state == "running" else f"no boot has held, the core is {machine.state}; "
        log(f"{machine.name} is up; {but}Ctrl-C or amp down ends it")

    with LogWriter(_STDOUT) as log:
        stay_up(name, settings, log, ready)
    return 0


@click.command()
@_machine_option
@json_option
def ps(*, machine: str | None, as_json: bool) -> int:
    """The machines that are up, and their services."""
    from amp.cli.live.render import render_machines  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.lab.live.client import described  # noqa: PLC0415

    machines, unanswered = described(machine)
    for why in unanswered.values():
        complain(why)
    if as_json:
        _print_json("ps", machines=machines, unanswered=unanswered)
    elif machines or not unanswered:
        render_machines(make_console(), machines)
    return 0


@click.command()
@click.argument("name", required=False)
@_machine_option
@json_option
def down(*, name: str | None, machine: str | None, as_json: bool) -> int:
    """Stop the machine NAME, or the only one. Nothing of it is left when this returns."""
    if name is not None and machine is not None and name != machine:
        raise UsageError(f"down: NAME is {name!r:.80} and --machine {machine!r:.80}: say one of them")
    with _control(machine if name is None else name) as control:
        control.down()
    if as_json:
        _print_json("down", machine=control.name)
    else:
        echo(f"{control.name} is down")
    return 0


@click.command()
@click.argument("service")
@click.argument("data")
@click.option("--reply", is_flag=True, help="Wait for one message, and print it.")
@click.option("--timeout", type=click.FloatRange(0, 3600), default=5.0, show_default=True, metavar="S")
@_machine_option
@json_option
def send(*, service: str, data: str, reply: bool, timeout: float, machine: str | None, as_json: bool) -> int:
    """Send DATA as one message to SERVICE, by its device. Exit status 3: no reply came in time."""
    from amp.lab.live.client import NoAnswer, converse, received  # noqa: PLC0415

    message = os.fsencode(data)
    with _control(machine) as control, converse(control, service) as conversation:
        conversation.send(message)
        answer = None
        if reply:
            answer = received(conversation, timeout, service)
            if answer is None:
                raise NoAnswer(f"{service} went before it replied")
    if as_json:
        _print_json("send", service=service, sent_bytes=len(message), **_message(answer))
    elif answer is not None:
        echo(_text(answer))
    else:
        complain(f"{service} was sent {len(message)} bytes")
    return 0


@click.command()
@click.argument("service")
@click.option("--count", type=click.IntRange(1), metavar="N", help="So many messages.  [default: until it goes]")
@click.option("--send", "first", metavar="DATA", help="Send this message first.")
@click.option("--timeout", type=click.FloatRange(0), metavar="S", help="For each message.  [default: no limit]")
@_machine_option
@json_option
def listen(
    *, service: str, count: int | None, first: str | None, timeout: float | None, machine: str | None, as_json: bool
) -> int:
    """Print the messages that SERVICE sends to us, a line each.

    Firmware knows of the endpoint by its first message: give --send, unless the service talks by itself.
    """
    from amp.lab.live.client import NoAnswer, converse, received  # noqa: PLC0415

    messages: list[bytes] = []
    seen = 0
    with _control(machine) as control, converse(control, service) as conversation:
        if first is not None:
            conversation.send(os.fsencode(first))
        while count is None or seen < count:
            message = received(conversation, timeout, service)
            if message is None:
                complain(f"{service} is gone")
                break
            seen += 1
            if as_json:
                messages.append(message)
            else:
                echo(_text(message))
                sys.stdout.flush()
    if as_json:
        _print_json("listen", service=service, messages=[_message(each) for each in messages])
    return 0 if count is None or seen == count else NoAnswer.exit_status


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until the machine goes down.")
@_machine_option
@json_option
def trace(*, follow: bool, machine: str | None, as_json: bool) -> int:
    """The firmware's trace buffers: what it has printed."""
    from amp.lab.live import protocol  # noqa: PLC0415

    if follow and as_json:
        raise UsageError("--follow and --json: one object has an end")
    with _control(machine) as control:
        if follow:
            for news in control.follow():
                for text in news.values():
                    echo(text, nl=False)
                sys.stdout.flush()
            complain(f"machine {control.name} has gone down")
            return 0
        texts = control.ask(protocol.Trace(version=protocol.VERSION))
    if as_json:
        _print_json("trace", traces=texts)
    elif not any(texts.values()):
        complain("the firmware has printed nothing yet" if texts else "the firmware has no trace")
    else:
        for name, text in texts.items():
            if len(texts) > 1:
                echo(f"{name}:")
            echo(text, nl=not text.endswith("\n") and bool(text))
    return 0


@click.command()
@_machine_option
@json_option
def vrings(*, machine: str | None, as_json: bool) -> int:
    """The rings as they are now. Addresses, indexes, flags, what is free and in flight, kicks."""
    from amp.cli.live.render import render_rings  # noqa: PLC0415
    from amp.cli.terminal import make_console  # noqa: PLC0415
    from amp.lab.live import protocol  # noqa: PLC0415

    with _control(machine) as control:
        rings = control.ask_for(protocol.Vrings(version=protocol.VERSION), tuple[protocol.RingInfo, ...])
    if as_json:
        _print_json("vrings", rings=rings)
    else:
        render_rings(make_console(), rings)
    return 0


@click.command()
@click.option("--kind", default="fatal error", show_default=True, help="watchdog, mmufault, fatal error, or kill.")
@_machine_option
@json_option
def crash(*, kind: str, machine: str | None, as_json: bool) -> int:
    """Crash the core, as Linux's debugfs does. As kill: SIGKILL to its process."""
    from amp.lab.live import protocol  # noqa: PLC0415

    with _control(machine) as control:
        info = control.ask_for(protocol.CrashIt(version=protocol.VERSION, kind=kind), protocol.CrashInfo)
    if as_json:
        _print_json("crash", crash=info)
    else:
        after = "recovered" if info.recovered else "the core stays down"
        echo(f"crash {info.number}: {info.kind}: {info.text}; {after}")
    return 0


@click.command()
@click.option("-o", "--output", metavar="F", required=True, help="The file to write.")
@_machine_option
@json_option
def coredump(*, output: str, machine: str | None, as_json: bool) -> int:
    """Write the last crash's core file. It is an ELF file: readelf and gdb read it."""
    with _control(machine) as control:
        data = control.coredump()
    try:
        write_whole(output, data)
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from None
    if as_json:
        _print_json("coredump", file=output, bytes=len(data))
    else:
        echo(f"{output}: {len(data)} bytes")
    return 0


COMMANDS: Final = (up, ps, down, send, listen, trace, vrings, crash, coredump)


def _control(name: str | None) -> Control:
    from amp.lab.live.client import Control, machine_path  # noqa: PLC0415

    return Control(machine_path(name))


def _text(message: bytes) -> str:
    return message.decode("utf-8", "backslashreplace")


def _message(message: bytes | None) -> dict[str, object]:
    if message is None:
        return {}
    return {"bytes": len(message), "text": _text(message), "hex": message.hex()}


def _print_json(command: str, **told: object) -> None:
    import msgspec  # noqa: PLC0415

    from amp.cli.output import NOTHING_RUN, print_json  # noqa: PLC0415

    print_json({**NOTHING_RUN, "command": command, **msgspec.to_builtins(told)})
