"""A lock taken by an atomic and given back by a plain store.

What was written under the lock has to be visible before the lock is free. Xen's network driver for Windows cleared its
transmitter's lock with nothing before that, so the next owner could take the lock and find the queue as it had been
(xenserver/win-xenvif pull request 10, barriers for the transmitter's locking functions).
"""

import amp

memory = amp.Layout(lock=amp.u32, queued=amp.u32, done=amp.u32)
release = amp.Site("release", "what was written before lock = 0", needs="RW WW", kind="mb", pairs_with="acquire")
acquire = amp.Site("acquire", "lock before what is read", needs="RR RW", kind="mb", pairs_with="release")
SITES = [acquire, release]


class Transmitter:
    """Both sides queue one packet under the lock; the second to come finds the first's."""

    def host(self, cpu: amp.Port, at) -> None:
        self.transmit(cpu, at)

    def remote(self, cpu: amp.Port, at) -> None:
        self.transmit(cpu, at)

    def transmit(self, cpu: amp.Port, at) -> None:
        while cpu.xchg(at.lock, 1):
            cpu.poll(at.lock, lambda lock: not lock)
        cpu.barrier(acquire)
        queued = cpu.load(at.queued)
        earlier = cpu.fetch_add(at.done, 1)
        assert queued == earlier
        cpu.store(at.queued, queued + 1)
        self.unlock(cpu, at)

    def unlock(self, cpu: amp.Port, at) -> None:
        raise NotImplementedError


@amp.program(layout=memory, sites=SITES)
class Broken(Transmitter):
    """The lock may be free before the queue is written."""

    def unlock(self, cpu: amp.Port, at) -> None:
        cpu.store(at.lock, 0)


@amp.program(layout=memory, sites=SITES)
class Fixed(Transmitter):
    """A barrier before the lock is given back."""

    def unlock(self, cpu: amp.Port, at) -> None:
        cpu.barrier(release)
        cpu.store(at.lock, 0)
