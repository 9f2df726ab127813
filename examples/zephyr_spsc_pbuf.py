"""Zephyr's spsc_pbuf: packets in one piece, so what is left at the buffer's end is marked as padding.

Where a packet does not fit before the end, the producer marks the rest as padding, then moves `wr_idx` to the start.
Those are two steps. A consumer that had just freed the packet before saw the mark, though `wr_idx` still stood at it,
and moved `rd_idx` to the start: now the two indices differed, and it took the oldest packet for a new one. No barrier
repairs that: each access was in order. zephyrproject-rtos/zephyr pull request 49345 (lib/os/spsc_pbuf.c) looks at
`wr_idx` again before padding is consumed.
"""

import amp

WORDS = 4  # a packet is a word here; the last word counts as too short for one
PADDING = 0xFF
PACKETS = 4  # three up to the padding, one behind it

buffer = amp.Layout(wr_idx=amp.u32, rd_idx=amp.u32, word=amp.u32[WORDS])
commit = amp.Site("commit", "packet or padding before wr_idx", needs="WW", kind="wmb", pairs_with="claim")
claim = amp.Site("claim", "wr_idx before packet", needs="RR", kind="rmb", pairs_with="commit")
free = amp.Site("free", "packet is read before rd_idx", needs="RW", kind="mb")
SITES = [commit, claim, free]


class Buffer:
    """The host produces. How the remote goes on behind a packet is what differs."""

    def host(self, cpu: amp.Port, at) -> None:
        index = 0
        for packet in range(1, PACKETS + 1):
            if index == WORDS - 1:
                cpu.poll(at.rd_idx, lambda rd_idx: rd_idx >= 2)  # a word between the indices stays empty
                cpu.store(at.word[index], PADDING)
                cpu.barrier(commit)
                index = 0
                cpu.store(at.wr_idx, index)
            cpu.store(at.word[index], packet)
            cpu.barrier(commit)
            index += 1
            cpu.store(at.wr_idx, index)

    def remote(self, cpu: amp.Port, at) -> None:
        index = 0
        for packet in range(1, PACKETS + 1):
            index = self.at_packet(cpu, at, index)
            got = cpu.load(at.word[index])
            cpu.barrier(free)
            index = self.behind(cpu, at, index + 1)
            cpu.store(at.rd_idx, index)
            assert got == packet

    def at_packet(self, cpu: amp.Port, at, index: int) -> int:
        """Wait until there is a packet; where it is."""
        cpu.poll(at.wr_idx, lambda wr_idx: wr_idx != index)
        cpu.barrier(claim)
        if cpu.load(at.word[index]) != PADDING:
            return index
        cpu.store(at.rd_idx, 0)
        cpu.poll(at.wr_idx, lambda wr_idx: wr_idx not in (0, index))
        cpu.barrier(claim)
        return 0

    def behind(self, cpu: amp.Port, at, index: int) -> int:
        raise NotImplementedError


@amp.program(layout=buffer, sites=SITES)
class Broken(Buffer):
    """Padding is consumed as soon as it is seen."""

    def behind(self, cpu: amp.Port, at, index: int) -> int:
        return 0 if cpu.load(at.word[index]) == PADDING else index


@amp.program(layout=buffer, sites=SITES)
class Fixed(Buffer):
    """Padding is consumed once wr_idx has left it."""

    def behind(self, cpu: amp.Port, at, index: int) -> int:
        if cpu.load(at.word[index]) != PADDING:
            return index
        return 0 if cpu.load(at.wr_idx) != index else index
