"""Clocks and chance: what a program asks of them is seen, by whatever name; what follows from a seed is let pass."""
# ruff: noqa: PLW0108  (a lambda looks its names up when it is called)

from __future__ import annotations

import cProfile
import datetime
import logging
import os
import random
import secrets
import sys
import time
import uuid
from collections.abc import Callable
from random import randrange as drawn
from time import time as clock

import numpy as np
import pytest
from two_parts import X, nothing, verdict

from amp.explore.explorer import Nondeterministic
from amp.port.port import Port

hidden = time.monotonic_ns  # a name of this module
ASKED: dict[str, Callable[[], object]] = {
    "time.time": time.time,
    "a clock by another name": lambda: clock(),
    "a clock in a variable": lambda: hidden(),
    "a clock as a default": lambda ask=time.perf_counter: ask(),
    "localtime": lambda: time.localtime(),
    "strftime": lambda: time.strftime("%S"),
    "datetime.now": lambda: datetime.datetime.now(),
    "date.today": lambda: datetime.date.today(),
    "random.random": random.random,
    "randrange by another name": lambda: drawn(40),
    "shuffle": lambda: random.shuffle([1, 2]),
    "a generator without a seed": lambda: random.Random().random(),
    "the system's generator": lambda: random.SystemRandom().random(),
    "the identity of an object": lambda: id(object()),
    "uuid4": uuid.uuid4,
    "os.urandom": lambda: os.urandom(1),
    "secrets": lambda: secrets.token_hex(),
    "numpy's generator": lambda: np.random.rand(),
    "numpy's new generator": lambda: np.random.default_rng().random(),
}
HARMLESS: dict[str, Callable[[], object]] = {
    "a generator with a seed": lambda: random.Random(7).random(),
    "numpy's with a seed": lambda: np.random.default_rng(7).random(),
    "a given time": lambda: (time.localtime(0), time.strftime("%S", time.gmtime(0))),
    "a log line": lambda: logging.getLogger("firmware").info("started"),
    "a name from its text": lambda: uuid.uuid5(uuid.NAMESPACE_DNS, "amp"),
}


def asking(ask: Callable[[], object]) -> Callable[[Port], None]:
    def part(port: Port) -> None:
        port.load_u32(X)
        ask()

    return part


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_program_that_asks_a_clock_or_chance_is_not_deterministic(ask: Callable[[], object]) -> None:
    with pytest.raises(Nondeterministic, match="the program is not deterministic: it calls "):
        verdict(asking(ask), nothing)


@pytest.mark.parametrize("ask", HARMLESS.values(), ids=HARMLESS)
def test_what_follows_from_a_seed_or_reaches_no_program_is_let_pass(ask: Callable[[], object]) -> None:
    assert verdict(asking(ask), nothing) == ""


def test_a_branch_that_chance_hardly_ever_takes_is_found_out_all_the_same() -> None:
    def part(port: Port) -> None:
        if random.random() < 1e-9:
            port.store_u32(X, 1)

    with pytest.raises(Nondeterministic, match=r"test_chance\.py:\d+: .* random\.random"):
        verdict(part, nothing)


def test_behind_an_exploration_everybody_asks_as_before() -> None:
    before = time.time, random.random, os.urandom, random.Random.seed
    assert verdict(asking(lambda: None), nothing) == ""
    assert (time.time, random.random, os.urandom, random.Random.seed) == before
    assert time.time() > 0


def test_who_measures_an_exploration_by_cprofile_still_does_behind_it() -> None:
    profile = cProfile.Profile()
    profile.enable()
    try:
        before, told, after = sys.getprofile(), verdict(nothing, nothing), sys.getprofile()
    finally:
        profile.disable()
    assert (told, after) == ("", before)
    assert profile.getstats(), "what stands behind the exploration is measured, too"
