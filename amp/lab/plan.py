"""What a command is asked to do with a program, as one frozen record: checked and resolved.

Also the way back: the command line that repeats a run exactly.
"""

from __future__ import annotations

import os
import shlex
import stat
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from amp.errors import UsageError
from amp.machine.config import HEADER_BYTES, Mode, RunConfig
from amp.ordering import platform as find_platform
from amp.ordering.instructions import FITS, Instruction
from amp.ordering.platforms import PLATFORMS, Platform, Side
from amp.ordering.sites import SiteMap, Sites, parse_policy, parse_weaken
from amp.programs import check_not_importing, load
from amp.programs.program import Program

PLATFORM: Final = "omap4-2011"
BARRIERS: Final = "mandatory"
DIRECT_WINDOW: Final = 64  # direct is for measuring: a steady load, not one that looks for trouble


@dataclass(frozen=True, slots=True)
class Plan:
    """A run as the user asked for it. `platform` is None in direct mode: the platform is this machine.

    `shown` is the program as the user named it.
    """

    program: Program
    shown: str
    config: RunConfig
    platform_name: str | None
    platform: Platform | None
    barriers: str
    weaken: tuple[str, ...]
    sites: SiteMap

    def with_config(self, **changes: Any) -> Plan:
        """The same plan, with these fields of its config."""
        return replace(self, config=msgspec.structs.replace(self.config, **changes))

    def at_seed(self, seed: int) -> RunConfig:
        return msgspec.structs.replace(self.config, seed=seed)

    def name_of(self, address: int) -> str:
        """What the program calls that place of the region."""
        return self.program.memory(self.config).name_of(address)

    @property
    def is_nameable(self) -> bool:
        """Can another process make it again from its words? Not if the platform is a record that has no such name."""
        name, platform = self.platform_name, self.platform
        return platform is None or name is None or _is_file(name) or PLATFORMS.get(name) == platform

    def _size_words(self, name: str) -> list[str]:
        """The option that gives this size; none if the program has no such size."""
        if name not in self.program.sizes:
            return []
        value = self.program.size_of(self.config, name)
        return [_SIZES[name], str(value)] if name in _SIZES else ["--size", f"{name}={value}"]

    def verify_command(self) -> str:
        """The command line that explores the plan."""
        assert self.platform_name is not None, self
        words = ["amp", "verify", self.shown, "--platform", self.platform_name, "--barriers", self.barriers]
        for weakened in self.weaken:
            words += ["--weaken", weakened]
        for name in self.program.sizes:
            words += self._size_words(name)
        return shlex.join(words)

    def command(self, seed: int) -> str:
        """The command line that repeats the run of `seed`; exactly so under lockstep."""
        config = self.config
        default = msgspec.structs.replace(RunConfig(program=config.program, mode=config.mode), **self.program.fixed)
        words = ["amp", "run", self.shown, "--mode", config.mode]
        if self.platform_name is not None:
            words += ["--platform", self.platform_name]
        words += ["--barriers", self.barriers]
        for weakened in self.weaken:
            words += ["--weaken", weakened]
        if config.file is not None:
            words += ["--file", config.file]
        words += [*self._size_words("messages"), "--seed", str(seed)]
        for name, size in self.program.sizes.items():
            if name != "messages" and self.program.size_of(config, name) != size.default:
                words += self._size_words(name)
        for field, option in _VALUES.items():
            value = getattr(config, field)
            if value != getattr(default, field):
                words += [option, str(value)]
        for field, option in _FLAGS.items():
            if getattr(config, field) != getattr(default, field):
                words.append(option)
        return shlex.join(words)


_SIZES: Final = {"messages": "--messages", "ring_size": "--ring-size"}
# Options by the record's field: those with a value, and those whose presence says the opposite of the default.
_VALUES: Final = {
    "payload_bytes": "--payload",
    "window": "--window",
    "segments": "--segments",
    "polls": "--polls",
    "align": "--align",
    "schedule": "--schedule",
}
_FLAGS: Final = {
    "event_idx": "--event-idx",
    "indirect": "--indirect",
    "suppression": "--no-suppression",
    "pin": "--pin",
}
# What is asked of every plan, by the names that `make_plan` has for it.
ASKED: Final = ("program", "platform", "barriers", "weaken", "messages", "ring_size", "sizes")
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def make_plan(
    program: str | Program,
    *,
    mode: Mode = Mode.LOCKSTEP,
    platform: str | Platform | None = None,
    barriers: str | None = None,
    weaken: tuple[str, ...] = (),
    messages: int | None = None,
    ring_size: int | None = None,
    sizes: Mapping[str, int] = NOTHING,
    options: Mapping[str, Any] = NOTHING,
    fitted: bool = True,
) -> Plan:
    """Check everything, and fill in what depends on other options. Raises UsageError.

    `sizes` are the program's own, by name; `options` are further fields of RunConfig. Unless `fitted` nobody has looked
    whether compiled code fits the platform: check_fit does.
    """
    check_not_importing()
    found = load(program) if isinstance(program, str) else program
    if found.bare:
        raise UsageError(f"program {found.name} runs on the bare silicon only: see amp demo")
    config = RunConfig(program=found.reference, mode=mode, **options)
    if found.source is not None:
        config = msgspec.structs.replace(config, program_sha256=found.source.sha256)
    given = {"messages": messages, "ring_size": ring_size}
    chosen = {**{name: value for name, value in given.items() if value is not None}, **sizes}
    if found.name == "stream" and found.shipped:
        config, chosen = _with_file(config, chosen)
    config = found.settle(found.sized(config, chosen))
    wanted = barriers or found.barriers or BARRIERS
    plan = _resolved(found, program, config, platform=platform, barriers=wanted, weaken=weaken)
    if fitted:
        check_fit(plan)
    return plan


def check_fit(plan: Plan) -> None:
    """Raises UsageError for compiled code of which the platform's processors can make nothing.

    So it is where an instruction is to stand at a site, and the processor there is of another kind.
    """
    machine, program = plan.platform, plan.program
    if machine is None:
        return
    if program.fits is not None:
        program.fits(machine)
    for site, barrier in plan.sites.items():
        if not isinstance(barrier, Instruction):
            continue
        for side in Side if site.side is None else (site.side,):
            architecture = machine.processor(side).architecture.name
            if architecture not in FITS[barrier.isa]:
                raise UsageError(
                    f"weaken: {site.name}={barrier.label} is {barrier.isa}'s, and the {side} of {machine.name} is "
                    f"{architecture}"
                )


def _resolved(
    program: Program,
    asked: str | Program,
    config: RunConfig,
    *,
    platform: str | Platform | None,
    barriers: str,
    weaken: tuple[str, ...],
) -> Plan:
    if config.mode is Mode.DIRECT:
        if program.fits is not None:
            raise UsageError(f"{program.name} is compiled code: it runs on the model, not on the bare region")
        if any(site.is_place for site in program.sites):
            raise UsageError(f"{program.name} has sites before lines: it runs on the model, not on the bare region")
        if platform is not None:
            raise UsageError("--platform has no meaning in direct mode: the platform is this machine")
        window = config.window or (DIRECT_WINDOW if program.exchange else 0)
        config = msgspec.structs.replace(config, window=window, pin=True)
    config.check()
    program.memory(config)  # raises for sizes that cannot be
    machine: Platform | None = None
    if config.mode is not Mode.DIRECT:
        wanted = PLATFORM if platform is None else platform
        machine = find_platform(wanted) if isinstance(wanted, str) else wanted
    named = platform if isinstance(platform, str) else None if machine is None else machine.name
    shown = asked if isinstance(asked, str) else program.reference or program.name
    sites = sites_for(program, barriers, weaken)
    return Plan(program, shown, config, named, machine, barriers, weaken, sites)


def _is_file(platform: str) -> bool:
    return platform.endswith(".toml") or os.sep in platform


def sites_for(program: Program, barriers: str, weaken: tuple[str, ...]) -> SiteMap:
    """The site map that --barriers and --weaken ask for. Raises UsageError."""
    for text in weaken:
        site, _ = parse_weaken(text, program.sites)
        if site not in program.stood_at:
            has = ", ".join(each.name for each in program.stood_at)
            raise UsageError(f"weaken: {program.name} has no site {site.name} (it has {has})")
    return chosen_sites(program.sites, program.policies, barriers, weaken)


def chosen_sites(sites: Sites, policies: Mapping[str, SiteMap], barriers: str, weaken: tuple[str, ...]) -> SiteMap:
    """The same for any sites. Raises UsageError."""
    chosen = parse_policy(barriers, sites, policies)
    for text in weaken:
        chosen = chosen.weaken(*parse_weaken(text, sites))
    return chosen


def parse_sizes(texts: tuple[str, ...]) -> dict[str, int]:
    """What `--size NAME=N` options say. Raises UsageError."""
    sizes: dict[str, int] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value.strip().isdecimal():
            raise UsageError(f"size {text!r:.80} is not of the form NAME=NUMBER")
        sizes[name.strip()] = int(value)
    return sizes


def _with_file(config: RunConfig, sizes: Mapping[str, int]) -> tuple[RunConfig, dict[str, int]]:
    """A stream's file, and as many messages as it takes unless the user says how many."""
    path = os.path.abspath(str(interpreter_binary()) if config.file is None else config.file)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"file {path}: not a regular file")
        with open(path, "rb"):
            size = status.st_size
    except OSError as error:
        raise UsageError(f"file {path}: {error.strerror}") from None
    step = config.payload_bytes - HEADER_BYTES
    if size == 0 or step <= 0:
        raise UsageError(f"file {path}: {size} bytes in messages of {step}: nothing to send")
    return msgspec.structs.replace(config, file=path), {"messages": -(-size // step), **sizes}


def interpreter_binary() -> Path:
    """The file that holds this Python's code: its shared library if it has one, else the executable."""
    library = Path(str(sysconfig.get_config_var("LIBDIR")), str(sysconfig.get_config_var("INSTSONAME")))
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and library.is_file():
        return library.resolve()
    return Path("/proc/self/exe").resolve()
