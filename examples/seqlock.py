"""A seqlock: the reader takes a copy, and keeps it if the sequence is the same before and behind.

The writer makes the sequence odd, writes, and makes it even again. The reader's second look at the sequence has to stay
behind its loads of the data: without a barrier there the sequence is looked at first, and the data are loaded from the
middle of the next write, torn and believed. dora's tensor pool had no fence there, and its writer's fence on the wrong
side as well (dora-rs/dora issue 3288, torn tensors on aarch64); that C11's fences hardly can say it is the subject of
Boehm, "Can seqlocks get along with programming language memory models?", 2012.
"""

import amp

frame = amp.Layout(sequence=amp.u32, left=amp.u32, right=amp.u32)
begin = amp.Site("begin", "odd sequence before data", needs="WW", kind="wmb", pairs_with="validate")
end = amp.Site("end", "data before even sequence", needs="WW", kind="wmb", pairs_with="enter")
enter = amp.Site("enter", "sequence before data", needs="RR", kind="rmb", pairs_with="end")
validate = amp.Site("validate", "data before sequence is read again", needs="RR", kind="rmb", pairs_with="begin")
SITES = [begin, end, enter, validate]


class Seqlock:
    """The host writes, the remote reads once."""

    def host(self, cpu: amp.Port, at) -> None:
        for value in range(1, self.writes + 1):
            cpu.store(at.sequence, 2 * value - 1)
            cpu.barrier(begin)
            cpu.store(at.left, value)
            cpu.store(at.right, value)
            cpu.barrier(end)
            cpu.store(at.sequence, 2 * value)

    def remote(self, cpu: amp.Port, at) -> None:
        left, right = cpu.poll(lambda: self.copy(cpu, at))
        assert left == right

    def copy(self, cpu: amp.Port, at):
        raise NotImplementedError


@amp.program(layout=frame, sites=SITES, sizes={"writes": 1})
class Broken(Seqlock):
    """Nothing between the data and the second look."""

    def copy(self, cpu: amp.Port, at):
        sequence = cpu.load(at.sequence)
        if sequence & 1:
            return None
        cpu.barrier(enter)
        data = cpu.load(at.left), cpu.load(at.right)
        return data if cpu.load(at.sequence) == sequence else None


@amp.program(layout=frame, sites=SITES, sizes={"writes": 1})
class Fixed(Seqlock):
    """A read barrier between them."""

    def copy(self, cpu: amp.Port, at):
        sequence = cpu.load(at.sequence)
        if sequence & 1:
            return None
        cpu.barrier(enter)
        data = cpu.load(at.left), cpu.load(at.right)
        cpu.barrier(validate)
        return data if cpu.load(at.sequence) == sequence else None
