"""Random small programs, for Hypothesis. Not a test."""

from __future__ import annotations

from hypothesis import strategies as st

PLATFORMS = (
    "sc",
    "x86-wb",
    "x86-wc",
    "armv7-up",
    "armv7-smp",
    "omap4-2011",
    "arm64",
    "arm64-domains",
    "riscv",
    "paranoid",
)
PLACES = ("x", "y", "x", "y", "z", "xl", "xh", "xb", "xx", "yx", "yl")
WHOLE = ("x", "y", "z")
BARRIERS = (
    *("mb", "rmb", "wmb", "smp_mb", "smp_rmb", "smp_wmb", "dma_mb", "dma_rmb", "dma_wmb", "virt_mb", "virt_rmb"),
    *("virt_wmb", "virt_store_mb", "writel", "readl", "fence_release_smp", "fence_release_dma"),
    *("fence_release_mandatory", "fence_acquire_smp", "fence_acquire_dma", "fence_acquire_mandatory"),
)
SCALAR = (
    "store",
    "store",
    "store",
    "load",
    "load",
    "load",
    "release",
    "acquire",
    "data",
    "address",
    "address_store",
    "if",
)
ATOMIC = ("add", "xchg", "cas")
BULK = ("bulk_load", "bulk_load", "bulk_store", "use")

# Some siblings, some not: what the rest of the suite has not.
CROWDS = (
    *(("host", "host2", "remote"), ("host", "remote", "host2"), ("host", "remote", "remote2")),
    *(
        ("host", "host2", "remote", "remote2"),
        ("host", "remote", "host2", "remote2"),
        ("host", "host2", "host3", "remote"),
    ),
    ("host", "remote", "host2", "host3"),
)

platforms = st.sampled_from(PLATFORMS)
placements = st.sampled_from(CROWDS)


@st.composite
def threads(
    draw: st.DrawFn, kinds: tuple[str, ...], places: tuple[str, ...], lengths: tuple[int, ...], most: int
) -> list[str]:
    """One CPU's words. Scalars are few and loaded anew: what a program has forgotten makes no state another."""
    words: list[str] = []
    scalars: list[str] = []
    bulks: list[str] = []
    place, value = st.sampled_from(places), st.integers(1, 2)
    for number in range(draw(st.integers(1, most))):
        if draw(st.integers(0, 2)) == 0:
            words.append(draw(st.sampled_from(BARRIERS)))
        kind, new, at = draw(st.sampled_from(kinds)), f"r{draw(st.integers(0, 2))}", draw(place)
        if kind in ("data", "address", "address_store", "if") and not scalars:
            kind = "load"
        if kind == "use" and not bulks:
            kind = "bulk_load"
        old = draw(st.sampled_from(scalars)) if scalars else ""
        n, bulk = draw(st.sampled_from(lengths)), f"r{10 + number}"
        word = {
            "store": lambda at=at: f"{at}={draw(value)}",
            "release": lambda at=at: f"rel:{at}={draw(value)}",
            "load": lambda new=new, at=at: f"{new}={at}",
            "acquire": lambda new=new, at=at: f"{new}=acq:{at}",
            "data": lambda at=at, old=old: f"{at}={old}{draw(st.sampled_from(('', '^')))}",
            "address": lambda new=new, at=at, old=old: f"{new}={at}@{old}",
            "address_store": lambda at=at, old=old: f"{at}@{old}={draw(value)}",
            "if": lambda at=at, old=old: f"{old}={draw(st.integers(0, 2))}?{at}={draw(value)}",
            "add": lambda new=new, at=at: f"{new}=add:{at},1",
            "xchg": lambda new=new, at=at: f"{new}=xchg:{at},{draw(value)}",
            "cas": lambda new=new, at=at: f"{new}=cas:{at},{draw(st.integers(0, 1))},{draw(value)}",
            "bulk_load": lambda bulk=bulk, at=at, n=n: f"{bulk}=bulk:{at},{n}",
            "bulk_store": lambda at=at, n=n: f"bulk:{at},{n}={draw(value)}",
            "use": lambda: f"use:{bulks.pop(draw(st.integers(0, len(bulks) - 1)))}",
        }[kind]()
        if kind in ("load", "acquire", "address", *ATOMIC):
            scalars.append(new)
        if kind == "bulk_load":
            bulks.append(bulk)
        words.append(word)
    return words


@st.composite
def programs(
    draw: st.DrawFn,
    *,
    kinds: tuple[str, ...] = SCALAR + ATOMIC + BULK,
    places: tuple[str, ...] = PLACES,
    lengths: tuple[int, ...] = (2, 4, 8, 12),
    most: int = 6,
    cpus: int = 2,
    waking: bool = True,
    mailbox: bool = False,
) -> tuple[str, ...]:
    """A program for each CPU; some ring and wait, or poll."""
    parts = [draw(threads(kinds, places, lengths, most)) for _ in range(cpus)]
    how = draw(st.sampled_from(("neither", "neither", "doorbell", "poll"))) if waking else "neither"
    waiter = draw(st.integers(0, cpus - 1)) if waking else 0
    ringer = (waiter + 1) % cpus
    if mailbox:
        how, anywhere = "neither", st.integers(0, 9)
        for word in draw(
            st.lists(st.sampled_from(("r5=rung", "r6=rung", "ack", "r5=1?r50=wait")), min_size=1, max_size=4)
        ):
            parts[waiter].insert(draw(anywhere), word)
        for _ in range(draw(st.integers(1, 3))):
            parts[ringer].insert(draw(anywhere), f"kick{waiter}")
    if how == "doorbell":
        for _ in range(draw(st.integers(1, 2))):
            parts[ringer].insert(draw(st.integers(0, len(parts[ringer]))), f"kick{waiter}")
        parts[waiter].insert(draw(st.integers(0, len(parts[waiter]))), "r50=wait")
    if how == "poll":
        at = draw(st.sampled_from(places))
        parts[ringer].insert(draw(st.integers(0, len(parts[ringer]))), f"{at}=1")
        parts[waiter].insert(draw(st.integers(0, len(parts[waiter]))), f"r50=poll:{at}")
    return tuple(" ".join(part) for part in parts)
