"""RISC-V's fences, all 225 that name something on both sides, between any two kinds of access. Not a test.

`PAIRS` has by kinds, i (a status), o (a doorbell), r and w, what the host does before the fence and behind it, and what
the remote does: whether the host's two are in order shows in what both have read. Of i before i nothing shows, for both
are loads of one place, and o is always before o.
"""

from __future__ import annotations

from typing import Final

SETS: Final = tuple("".join(c for n, c in enumerate("iorw") if bits >> n & 1) for bits in range(1, 16))
_FULL: Final = '__asm__ volatile("fence iorw,iorw" : : : "memory");'
_READ: Final = {"r": "mine = X;", "i": "mine = STATUS;"}  # before the fence
_WRITTEN: Final = {"w": "Y = 1;", "o": "RING(remote) = 1;"}
_LATE_READ: Final = {"r": "mine = Y;", "i": "mine = STATUS;"}  # behind it
_FIRST: Final = {"w": "X = 1;", "o": "RING(remote) = 1;"}
# By what the host has loaded, or stored: how the remote stores that, or loads it.
_STORE: Final = {"mine = X;": "X = 1;", "mine = Y;": "Y = 1;", "mine = STATUS;": "RING(host) = 1;"}
_LOAD: Final = {"X = 1;": "his = X;", "Y = 1;": "his = Y;", "RING(remote) = 1;": "his = STATUS;"}


def _shape(before: str, after: str) -> tuple[str, str, str, str, str]:
    """(before the fence, behind it, the remote's first, its second, what both must not have read)"""
    if before in "ri" and after in "ri":  # message passing: the later is seen, the earlier is not
        first, second = _READ[before], _LATE_READ[after].replace("mine", "later")
        return first, second, _STORE[second.replace("later", "mine")], _STORE[first], "mine && !later"
    if before in "ri":  # load buffering
        first, second = _READ[before], _WRITTEN[after]
        return first, second, _LOAD[second], _STORE[first], "mine && his"
    if after in "ri":  # store buffering
        first, second = _FIRST[before], _LATE_READ[after]
        return first, second, _STORE[second], _LOAD[first], "!mine && !his"
    first, second = _FIRST[before], _WRITTEN[after]
    return first, second, _LOAD[second], _LOAD[first].replace("his", "older"), "his && !older"


PAIRS: Final = {
    before + after: _shape(before, after) for before in "iorw" for after in "iorw" if before + after not in ("ii", "oo")
}


def source(before: str, after: str) -> str:
    """A fence between any two, and the remote's parts."""
    text = [
        "#include <stdint.h>",
        '#include "amp_code.h"',
        "#define WORD(at) (*(volatile uint32_t *)(0x40000000 + (at)))",
        "#define X WORD(0)",
        "#define Y WORD(64)",
        "#define RESULT WORD(128)",
        "#define STATUS (*(volatile uint32_t *)0x48000004)",
        "#define RING(who) (*(volatile uint32_t *)RING_##who)",
        "#define RING_remote 0x48000000",
        "#define RING_host 0x4800000c",
        "void _start(void) {}",
    ]
    for pair, (first, second, his_first, his_second, bad) in PAIRS.items():
        text += [
            f"void remote_{pair}(void) {{ uint32_t his = 0, older = 0;",
            f"{his_first} {_FULL} {his_second} (void)his; (void)older; {_FULL} RESULT = 1 + 2 * !!his + !!older; }}",
        ]
        text += [
            f"void host_{pair}(void) {{ uint32_t mine = 0, later = 0, told, his, older;",
            f'{first} __asm__ volatile("fence {before},{after}" : : : "memory"); {second}',
            "while (!(told = RESULT)) ;",
            "told--; his = told >> 1; older = told & 1; (void)his; (void)older; (void)mine; (void)later;",
            f"amp_assert(!({bad})); }}",
        ]
    return "\n".join(text)
