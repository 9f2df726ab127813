"""What `amp run` is asked to do, as one frozen record: the parts that options give, checked and resolved.

Also the way back: the command line that repeats a run exactly.
"""

from __future__ import annotations

import os
import shlex
import stat
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from amp.errors import UsageError
from amp.machine.config import HEADED, HEADER_BYTES, Mode, RunConfig
from amp.ordering import platform as find_platform
from amp.ordering.platforms import Platform
from amp.ordering.sites import NO_KINDS, SiteMap, parse_policy, parse_weaken
from amp.scenarios import SCENARIOS, Scenario

PROGRAMS: Final = (*HEADED, *SCENARIOS)
PLATFORM: Final = "omap4-2011"
BARRIERS: Final = "mandatory"
MESSAGES: Final = 1000
RING_SIZE: Final = 8
DIRECT_WINDOW: Final = 64  # direct is for measuring: a steady load, not one that looks for trouble


@dataclass(frozen=True, slots=True)
class Plan:
    """A run as the user asked for it. `platform` is None in direct mode: the platform is this machine."""

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

    def command(self, seed: int) -> str:
        """The command line that repeats the run of `seed`; exactly so under lockstep."""
        config, default = self.config, _default(self.config)
        words = ["amp", "run", config.program, "--mode", config.mode]
        if self.platform_name is not None:
            words += ["--platform", self.platform_name]
        words += ["--barriers", self.barriers]
        for weakened in self.weaken:
            words += ["--weaken", weakened]
        if config.file is not None:
            words += ["--file", config.file]
        words += ["--messages", str(config.messages), "--seed", str(seed)]
        for field, option in _VALUES.items():
            value = getattr(config, field)
            if value != getattr(default, field):
                words += [option, str(value)]
        for field, option in _FLAGS.items():
            if getattr(config, field) != getattr(default, field):
                words.append(option)
        return shlex.join(words)


# Options by the record's field: those with a value, and those whose presence says the opposite of the default.
_VALUES: Final = {
    "ring_size": "--ring-size",
    "payload_bytes": "--payload",
    "window": "--window",
    "segments": "--segments",
    "polls": "--polls",
    "align": "--align",
    "script": "--schedule",
}
_FLAGS: Final = {
    "event_idx": "--event-idx",
    "indirect": "--indirect",
    "suppression": "--no-suppression",
    "pin": "--pin",
}


def resolve(
    config: RunConfig, *, platform: str | None, barriers: str, weaken: tuple[str, ...], messages: int | None
) -> Plan:
    """Check everything, and fill in what depends on other options. Raises UsageError."""
    scenario = SCENARIOS.get(config.program)
    if config.program == "stream":
        config = _with_file(config, messages)
    else:
        if config.file is not None:
            raise UsageError(f"--file has no meaning for {config.program}")
        usual = MESSAGES if scenario is None else scenario.messages
        config = msgspec.structs.replace(config, messages=usual if messages is None else messages)
    if scenario is not None:
        config = scenario.settle(config)
    if config.mode is Mode.DIRECT:
        if platform is not None:
            raise UsageError("--platform has no meaning in direct mode: the platform is this machine")
        window = config.window or (DIRECT_WINDOW if scenario is None else 0)
        config = msgspec.structs.replace(config, window=window, pin=True)
    config.check()
    sites = sites_for(barriers, weaken, scenario)
    name = None if config.mode is Mode.DIRECT else PLATFORM if platform is None else platform
    return Plan(config, name, None if name is None else find_platform(name), barriers, weaken, sites)


def ring_size_for(program: str, ring_size: int | None) -> int:
    """The ring size that was asked for, or the one that the program has by itself."""
    if ring_size is not None:
        return ring_size
    return SCENARIOS[program].ring_size if program in SCENARIOS else RING_SIZE


def sites_for(barriers: str, weaken: tuple[str, ...], scenario: Scenario | None = None) -> SiteMap:
    """The site map that --barriers and --weaken ask for, of a program or of a scenario. Raises UsageError."""
    kinds = NO_KINDS if scenario is None else scenario.kinds
    sites = parse_policy(barriers, kinds)
    for text in weaken:
        site, primitive = parse_weaken(text, kinds)
        if scenario is not None and site not in (*scenario.sites, *scenario.idle_sites):
            has = ", ".join(each.name for each in (*scenario.sites, *scenario.idle_sites))
            raise UsageError(f"weaken: {scenario.name} has no site {site.name} (it has {has})")
        sites = sites.weaken(site, primitive)
    return sites


def _default(config: RunConfig) -> RunConfig:
    """What a run of that program is where no option says otherwise."""
    if config.program in SCENARIOS:
        return SCENARIOS[config.program].config(config.mode)
    return RunConfig(program=config.program, mode=config.mode, ring_size=RING_SIZE)


def _with_file(config: RunConfig, messages: int | None) -> RunConfig:
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
    return msgspec.structs.replace(config, file=path, messages=messages or -(-size // step))


def interpreter_binary() -> Path:
    """The file that holds this Python's code: its shared library if it has one, else the executable."""
    library = Path(str(sysconfig.get_config_var("LIBDIR")), str(sysconfig.get_config_var("INSTSONAME")))
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and library.is_file():
        return library.resolve()
    return Path("/proc/self/exe").resolve()
