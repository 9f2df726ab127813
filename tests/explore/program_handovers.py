"""Programs in the shape of protocols, as they should be; whoever takes them puts something wrong into them. Not a test.

Each is a function of a chance (how many rounds, which way of three) and gives both parts.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from program_words import COPIES, TOLD
from python_programs import Block, Statement, line

Parts = tuple[Block, Block]


def until(text: str, target: str = "w2") -> Statement:
    """Poll by a look of one line."""
    return Statement((f"{target} = port.poll(lambda: {text})",))


def fence(random: Random, what: str) -> Statement:
    return line(f"port.fence(P.{random.choice(('', '', 'SMP_', 'DMA_'))}{what})")


def flag(random: Random) -> Parts:
    """Data, and a flag that it is there."""
    host: Block = line("port.store_u32(X, 1)"), fence(random, "WMB"), line("port.store_u32(Y, 1)")
    wait = until("port.load_u32(Y) or None", "w1")
    remote: Block = line("w0 = port.load_u32(X)"), wait, fence(random, "RMB"), line("w2 = port.load_u32(X)")
    return host, remote


def remembered(random: Random) -> Parts:
    """What was read early is judged late, when both sides are in the same state again."""
    host: Block = (line("port.store_u32(X, 1)"), fence(random, "WMB"), line("port.store_u32(Y, 1)"))
    remote: Block = (
        line(random.choice(("w0 = port.load_u32(X)", "w0 = port.load_u32(X) + 1", "t0 = [port.load_u32(X)]"))),
        line(f"w0 = {random.choice(random.choice((COPIES, TOLD))).format(a='w0', b='w1')}"),
        until("True if port.load_u32(Y) == 1 else None"),
        until("True if port.load_u32(X) == 1 else None"),
        line("w1 = t0.pop() if t0 else 0"),
    )
    return host, remote


def complained(random: Random) -> Parts:
    """... and was told by an exception."""
    host: Block = (line("port.store_u32(X, 1)"), fence(random, "WMB"), line("port.store_u32(Y, 1)"))
    asks = (
        "port.load_u32(X + 1 + w0)",
        "port.store_u8(Z, w0 + 256)",
        "port.load_u8(1024 + w0)",
        "port.read(1020, 5 + w0)",
    )
    remote: Block = (
        line("w0 = port.load_u32(X)"),
        line(f"w0 = told(lambda: {random.choice(asks)})"),
        until("True if port.load_u32(Y) == 1 else None"),
        until("True if port.load_u32(X) == 1 else None"),
    )
    return host, remote


def rounds(random: Random) -> Parts:
    """Data, flag and acknowledgement, twice."""
    host: list[Statement] = []
    remote: list[Statement] = []
    for number in range(1, 2 + random.randrange(2)):
        host += [line(f"port.store_u32(X, {number})"), fence(random, "WMB"), line(f"port.store_u32(Y, {number})")]
        host.append(until(f"True if port.load_u32(Z) == {number} else None"))
        remote += [until(f"True if port.load_u32(Y) == {number} else None"), fence(random, "RMB")]
        remote += [line(f"w{number - 1} = port.load_u32(X)"), fence(random, "MB"), line(f"port.store_u32(Z, {number})")]
    return tuple(host), tuple(remote)


def ring(random: Random) -> Parts:
    """A ring of two slots with indices that only grow, filled a little more than once."""
    messages = random.choice((2, 3))
    full = until("True if i - port.load_u32(Z) < 2 else None")
    put = line("port.store_u32(X + 4 * (i & 1), i + 1)"), fence(random, "WMB"), line("port.store_u32(Y, i + 1)")
    empty = until("True if port.load_u32(Y) != i else None")
    take = line("w0 = w0 * 4 + port.load_u32(X + 4 * (i & 1))"), fence(random, "MB"), line("port.store_u32(Z, i + 1)")
    host: Block = (Statement((f"for i in range({messages}):",), (full, *put)),)
    remote: Block = (Statement((f"for i in range({messages}):",), (empty, fence(random, "RMB"), *take)),)
    return host, remote


def one_index(random: Random) -> Parts:
    """A slot that is used again, its flag cleared by who has read it and set again."""
    put = line("port.store_u32(X, i + 1)"), fence(random, "WMB"), line("port.store_u32(Y, 1)")
    free = until("True if port.load_u32(Y) == 0 else None")
    take = line("w0 = w0 * 4 + port.load_u32(X)"), fence(random, "MB"), line("port.store_u32(Y, 0)")
    filled = until("port.load_u32(Y) or None", "w1")
    host: Block = (Statement(("for i in range(2):",), (free, *put)),)
    remote: Block = (Statement(("for i in range(2):",), (filled, fence(random, "RMB"), *take)),)
    return host, remote


def cleared(random: Random) -> Parts:
    """A flag that is cleared, and then waited for: the one that sets it may have been first."""
    clear = "port.store_u32(Y, 0)", "port.store_u32(Y, 2)", "w0 = port.xchg_u32(Y, 0)"
    host: Block = line(random.choice(clear)), until("True if port.load_u32(Y) == 1 else None")
    remote: Block = (line("port.store_u32(Y, 1)"),)
    if random.random() < 0.4:
        host += (fence(random, "RMB"), line("w1 = port.load_u32(X)"))
        remote = (line("port.store_u32(X, 1)"), fence(random, "WMB"), *remote)
    return host, remote


def fetched_twice(random: Random) -> Parts:
    """What was checked is fetched again."""
    host: Block = until("True if port.load_u32(Y) == 1 else None"), line("port.store_u32(Y, 0)"), fence(random, "WMB")
    host += (line("port.store_u32(Z, 1)"),)
    body = line("v0 = port.load_u32(Y)"), line("v1 = port.load_u32(Y)"), line("v2 = port.load_u32(Z)")
    ends = "v1 + 1 if v0 else 9", "v1 * 4 + v0 if v0 or v2 else None", "v0 * 4 + v1", "v1 + 1 if v0 != v2 else None"
    tail = f"    return {random.choice(ends)}", "w0 = port.poll(look)"
    remote: Block = line("port.store_u32(Y, 1)"), Statement(("def look():", "    v0 = v1 = v2 = 0"), body, tail)
    return host, remote


def rung(random: Random) -> Parts:
    """Work, and a kick that it is there; several kicks may come as one."""
    host: list[Statement] = []
    for number in range(1, 2 + random.randrange(2)):
        host += [line(f"port.store_u32(X, {number})"), fence(random, "WMB"), line("port.kick(1)")]
    if random.random() < 0.5:
        host.insert(random.randrange(len(host)), line("port.kick(1)"))
    look = line("w0 = port.load_u32(X)")
    remote = [line("port.wait()"), look]
    if random.random() < 0.6:
        remote += [line("port.wait()"), line("w1 = port.load_u32(X)")]
    return tuple(host), tuple(remote)


def left_over(random: Random) -> Parts:
    """A kick too many, and a second job behind the first one's acknowledgement."""
    host: Block = (line("port.kick(1)"), line("port.kick(1)"), fence(random, "MB"), line("port.store_u32(X, 1)"))
    host += (until("True if port.load_u32(Y) == 1 else None"), line("port.store_u32(Z, 1)"), fence(random, "MB"))
    host += (line("port.kick(1)"),)
    early = Statement(("if port.load_u32(X) == 0:",), (line("port.store_u32(Y, 1)"),), ("    return (7,)",))
    remote: Block = (
        line("port.wait()"),
        early,
        fence(random, "MB"),
        line("port.load_u32(X)"),
        line("port.store_u32(Y, 1)"),
    )
    return host, (*remote, line("port.wait()"), line("w0 = port.load_u32(Z)"))


def own_doorbell(random: Random) -> Parts:
    """A part that rings itself, twice perhaps before it takes the first."""
    host: list[Statement] = [line("port.kick(0)"), line("port.kick(0)"), line("port.wait()"), line("port.wait()")]
    if random.random() < 0.5:
        host.insert(random.randrange(4), line("w0 = port.load_u32(X)"))
    remote: Block = (line("port.store_u32(X, 1)"),)
    if random.random() < 0.5:
        remote = (*remote, line("port.kick(0)"))
    return tuple(host), remote


def asked(random: Random) -> Parts:
    """Sleep until it is there: look, and wait if it is not."""
    host: Block = line("port.store_u32(X, 1)"), fence(random, "MB"), line("port.kick(1)")
    loop = Statement(("while port.load_u32(X) != 1:",), (), ("    port.wait()",))
    remote: Block = (loop, line("w0 = port.load_u32(X)"))
    if random.random() < 0.4:
        remote = (line("port.store_u32(X, 0)"), *remote)
    if random.random() < 0.4:
        remote = (*remote, line("port.store_u32(Y, 1)"))
        host = (*host, until("port.load_u32(Y) or None", "w1"))
    return host, remote


def doorbells_both_ways(random: Random) -> Parts:
    """A question and its answer, each with a kick."""
    host: Block = (line("port.store_u32(X, 1)"), fence(random, "WMB"), line("port.kick(1)"), line("port.wait()"))
    remote: Block = (line("port.wait()"), line("w0 = port.load_u32(X)"), line("port.store_u32(Y, w0 + 1 & 3)"))
    return (*host, line("w0 = port.load_u32(Y)")), (*remote, fence(random, "WMB"), line("port.kick(0)"))


def locked(random: Random) -> Parts:
    """Both take a lock by an atomic, and one of them finds it taken."""
    take = random.choice(
        ("w0 = port.xchg_u32(Y, 1)", "w0 = port.cmpxchg_u32(Y, 0, 1)", "w0 = port.fetch_add_u32(Y, 1)")
    )
    inside = (line("w1 = port.load_u32(X)"), line("port.store_u32(X, w1 + 1 & 3)"), fence(random, "WMB"))
    part = (line(take), Statement(("if w0 == 0:",), (*inside, line("port.store_u32(Y, 0)"))))
    return part, (*part, line("w2 = port.load_u32(X)"))


def sized(random: Random) -> Parts:
    """A message, and behind it its length, by which it is read."""
    host: Block = (line("port.write(X, b'\\1\\1\\1\\1')"), fence(random, "WMB"), line("port.store_u32(Y, 4)"))
    length = random.choice(("w0 & 15", "w0 & 7", "(w0 & 4) + 0"))
    read = line(f"b0 = port.read(X, {length})", f"b0 = port.read(X, int({length}))")
    between = (fence(random, "RMB"),) if random.random() < 0.4 else ()
    return host, (line("w0 = port.load_u32(Y)"), *between, read, line("w1 = sum(bytes(b0))"))


def pointed(random: Random) -> Parts:
    """Where the other CPU says: an address that comes from what was loaded, one way or the other."""
    host: Block = (
        line("w0 = port.load_u32(Y)"),
        line("port.write(X + (w0 & 0), b'\\1\\0\\0\\0')", "port.store_u32(X + (w0 & 0), 1)"),
    )
    remote: Block = (
        line("w0 = port.load_u32(X)"),
        line(random.choice(("port.store_u32(Y, (w0 & 0) + 1)", "port.store_u32(Y, w0 + 1)"))),
    )
    if random.random() < 0.5:
        swap = line(
            "w1 = port.cmpxchg_u32(Y, (w0 & 0) + 0, 1)",
            "w1 = port.cmpxchg_u32(Y, 0, (w0 & 0) + 1)",
        )
        remote = (line("w0 = port.load_u32(X)"), swap)
    return host, remote


def overtaken(random: Random) -> Parts:
    """What an atomic reads comes of a store behind it."""
    plain = "port.fence(P.SMP_MB)\nw0 = port.load_u32(X)\nport.fence(P.SMP_MB)"
    atomic = random.choice(
        (
            line("w0 = port.fetch_add_u32(APART, 0)", plain.replace("(X)", "(APART)"), exactly=False),
            line("w0 = port.cmpxchg_u32(X, 0x5D5D5D5D, 1)", plain),
        )
    )
    at = "APART" if "APART" in atomic.head[0] else "X"
    host: Block = (atomic, line("port.store_u32(Y, 1)"))
    remote: Block = (line("w0 = port.load_u32(Y)"), fence(random, "MB"), line(f"port.store_u32({at}, w0 + 1)"))
    return host, remote


HANDOVERS: Final[tuple[Callable[[Random], Parts], ...]] = (
    *(
        flag,
        remembered,
        remembered,
        remembered,
        complained,
        rounds,
        ring,
        one_index,
        cleared,
        fetched_twice,
        rung,
        left_over,
        own_doorbell,
        asked,
    ),
    *(doorbells_both_ways, locked, sized, sized, sized, pointed, overtaken, overtaken),
)
