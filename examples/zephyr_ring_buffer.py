"""A ring buffer with its barriers on the wrong side of the index.

In a proposed rewrite of Zephyr's ring buffer (include/zephyr/sys/ring_buffer.h) the producer moved the write index and
then issued a full barrier; the consumer likewise moved the read index first. A barrier behind the index orders the
index and what comes next, not the bytes before it: the consumer could find the index and not the bytes, and the
producer could write bytes again that had not been read. The review found both (zephyrproject-rtos/zephyr pull request
108474, `ring_buf_commit` and `ring_buf_consume`).
"""

import amp


def ring_of(slots: int) -> amp.Layout:
    return amp.Layout(write_idx=amp.u32, read_idx=amp.u32, slot=amp.Bytes(8)[slots])


commit = amp.Site("commit", "bytes before write_idx", needs="WW", kind="mb", pairs_with="get")
get = amp.Site("get", "write_idx before bytes", needs="RR", kind="rmb", pairs_with="commit")
consume = amp.Site("consume", "bytes are read before read_idx", needs="RW", kind="mb")


def message(number: int) -> bytes:
    return bytes([number]) * 8


class Ring:
    """Who moves an index how is what differs."""

    def host(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            if number >= self.slots:
                cpu.poll(at.read_idx, lambda read_idx, number=number: read_idx > number - self.slots)
            cpu.store(at.slot[number % self.slots], message(number + 1))
            self.move(cpu, at.write_idx, number + 1, commit)

    def remote(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            cpu.poll(at.write_idx, lambda write_idx, number=number: write_idx > number)
            cpu.barrier(get)
            got = cpu.load(at.slot[number % self.slots])
            self.move(cpu, at.read_idx, number + 1, consume)
            assert bytes(got) == message(number + 1)

    def move(self, cpu: amp.Port, index, value: int, site: amp.Site) -> None:
        raise NotImplementedError


SITES = [commit, get, consume]
SIZES = {"messages": 2, "slots": amp.Size(1, most=8)}


@amp.program(layout=ring_of, sites=SITES, sizes=SIZES)
class Broken(Ring):
    """The index, then the barrier."""

    def move(self, cpu: amp.Port, index, value: int, site: amp.Site) -> None:
        cpu.store(index, value)
        cpu.barrier(site)


@amp.program(layout=ring_of, sites=SITES, sizes=SIZES)
class Fixed(Ring):
    """The barrier, then the index."""

    def move(self, cpu: amp.Port, index, value: int, site: amp.Site) -> None:
        cpu.barrier(site)
        cpu.store(index, value)
