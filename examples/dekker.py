"""Dekker's lock: each says that it wants, then looks whether the other does.

Mutual exclusion with loads and stores alone, and the oldest victim of a store buffer: where a load may pass an earlier
store of another location, both find that the other does not want, and both are in. Every processor but a sequentially
consistent one does that, x86 too, so each side needs a full barrier behind its wish. java.util.concurrent has the same
two looks in its queues, and took a compare-and-swap for that barrier: on Arm64 a later load may pass the store of one
that is made of ldaxr and stlxr, and wake-ups were lost (openjdk/jdk pull request 31465; microsoft/openjdk-jdk25u pull
request 30 puts full fences there). Dijkstra gave the algorithm in EWD 123, 1965.
"""

import amp

lock = amp.Layout(want=amp.u32[2], turn=amp.u32, inside=amp.u32)
enter = amp.Site("enter", "my want before the other's is read", needs="WR", kind="mb", pairs_with="enter")
entered = amp.Site("entered", "the other's want before the critical section", needs="RR RW", kind="mb")
leave = amp.Site("leave", "the critical section before turn and want", needs="RW WW", kind="mb", pairs_with="entered")
SITES = [enter, entered, leave]


class Dekker:
    """Both sides the same. `inside` is set while somebody is in the critical section."""

    def host(self, cpu: amp.Port, at) -> None:
        self.once(cpu, at, amp.HOST)

    def remote(self, cpu: amp.Port, at) -> None:
        self.once(cpu, at, amp.REMOTE)

    def once(self, cpu: amp.Port, at, me: int) -> None:
        other = at.want[1 - me]
        self.wish(cpu, at.want[me])
        while cpu.load(other):
            if cpu.load(at.turn) == me:
                cpu.poll(other, lambda want: not want)
            else:
                cpu.store(at.want[me], 0)
                cpu.poll(at.turn, lambda turn: turn == me)
                self.wish(cpu, at.want[me])
        cpu.barrier(entered)
        assert not cpu.load(at.inside)
        cpu.store(at.inside, 1)
        cpu.store(at.inside, 0)
        cpu.barrier(leave)
        cpu.store(at.turn, 1 - me)
        cpu.store(at.want[me], 0)

    def wish(self, cpu: amp.Port, want) -> None:
        raise NotImplementedError


@amp.program(layout=lock, sites=SITES)
class Broken(Dekker):
    """The look may pass the wish."""

    def wish(self, cpu: amp.Port, want) -> None:
        cpu.store(want, 1)


@amp.program(layout=lock, sites=SITES)
class Fixed(Dekker):
    """A full barrier behind the wish."""

    def wish(self, cpu: amp.Port, want) -> None:
        cpu.store(want, 1)
        cpu.barrier(enter)
