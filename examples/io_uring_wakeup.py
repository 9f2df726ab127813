"""io_uring with a polling thread: a tail, and a flag that says the poller has gone to sleep.

The application stores the submission queue's tail, then reads the flag and wakes the poller if it is set. The poller
sets the flag, then looks at the tail once more. An acquire load of the flag was thought to be enough, but it orders
nothing before it: a store and a later load are the one pair that even x86 reorders. Both see the old value, nobody
wakes anybody, requests wait for ever (axboe/liburing issue 541; libuv pull request 4921, tokio-rs/io-uring pull
request 281). On arm64 the broken form is in order all the same: an ldar waits for an earlier stlr.
"""

import amp

queue = amp.Layout(entry=amp.u32, tail=amp.u32, need_wakeup=amp.u32)
submit = amp.Site(
    "submit", "tail before need_wakeup is read, and before the wake-up", needs="WR WD", kind="mb", pairs_with="idle"
)
idle = amp.Site("idle", "need_wakeup before tail is read again", needs="WR", kind="mb", pairs_with="submit")
fetch = amp.Site("fetch", "tail before entry", needs="RR", kind="rmb")
publish = amp.Site("publish", "entry before tail", needs="WW", kind="wmb", pairs_with="fetch")
wake = amp.Site("wake", "tail before the wake-up", needs="WD", kind="wmb")
SITES = [publish, submit, idle, fetch, wake]


class Queue:
    """The remote is the poller, the host the application."""

    def remote(self, cpu: amp.Port, at) -> None:
        while not cpu.load(at.tail):
            cpu.store(at.need_wakeup, 1)
            cpu.barrier(idle)
            if not cpu.load(at.tail):
                cpu.wait()
        cpu.barrier(fetch)
        assert cpu.load(at.entry) == 7


@amp.program(layout=queue, sites=SITES)
class Broken(Queue):
    """An acquire load of the flag behind a release store of the tail."""

    def host(self, cpu: amp.Port, at) -> None:
        cpu.store(at.entry, 7)
        cpu.barrier(publish)
        cpu.store_release(at.tail, 1)
        if cpu.load_acquire(at.need_wakeup):
            cpu.barrier(wake)
            cpu.kick(amp.REMOTE)


@amp.program(layout=queue, sites=SITES)
class Fixed(Queue):
    """A full barrier between the two."""

    def host(self, cpu: amp.Port, at) -> None:
        cpu.store(at.entry, 7)
        cpu.barrier(publish)
        cpu.store_release(at.tail, 1)
        cpu.barrier(submit)
        if cpu.load(at.need_wakeup):
            cpu.kick(amp.REMOTE)
