"""Tegra's IVC: frames with a counter on each side; a notification only when the queue was empty.

The writer fills a frame, counts it, then reads the reader's count: if just one frame is there the reader may be asleep,
and is notified. The reader counts a frame as read, then looks whether there is another before it sleeps. Each side
stores its own counter and loads the other's, so each needs a full barrier between the two; Linux has had them in
`tegra_ivc_write_advance` and `tegra_ivc_read_advance` since ca791d7f4256 (drivers/firmware/tegra/ivc.c, smp_mb).
Broken is the writer without its own: it sees an old count, takes the reader to be busy, and a frame is left behind.
"""

import amp

FRAMES = 4

channel = amp.Layout(tx_count=amp.u32, rx_count=amp.u32, frame=amp.u32[FRAMES])
fill = amp.Site("fill", "frame before tx_count", needs="WW", kind="wmb", pairs_with="take")
take = amp.Site("take", "tx_count before frame", needs="RR", kind="rmb", pairs_with="fill")
advance = amp.Site(
    "advance", "tx_count before rx_count is read, and before the doorbell", needs="WR WD", kind="mb", pairs_with="read"
)
read = amp.Site("read", "rx_count before tx_count is read", needs="RW WR", kind="mb", pairs_with="advance")
notify = amp.Site("notify", "tx_count before the doorbell", needs="WD", kind="wmb")


class Channel:
    """The host writes, the remote reads."""

    def remote(self, cpu: amp.Port, at) -> None:
        read_so_far = 0
        while read_so_far < self.messages:
            if cpu.load(at.tx_count) == read_so_far:
                cpu.wait()
                continue
            cpu.barrier(take)
            assert cpu.load(at.frame[read_so_far]) == read_so_far + 1
            read_so_far += 1
            cpu.store(at.rx_count, read_so_far)
            cpu.barrier(read)

    def was_empty(self, cpu: amp.Port, at, written: int) -> bool:
        return written - cpu.load(at.rx_count) == 1


SITES = [fill, take, advance, read, notify]
SIZES = {"messages": amp.Size(2, most=FRAMES)}


@amp.program(layout=channel, sites=SITES, sizes=SIZES)
class Broken(Channel):
    """The reader's count may be read before the writer's is visible."""

    def host(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            cpu.store(at.frame[number], number + 1)
            cpu.barrier(fill)
            cpu.store(at.tx_count, number + 1)
            if self.was_empty(cpu, at, number + 1):
                cpu.barrier(notify)
                cpu.kick(amp.REMOTE)


@amp.program(layout=channel, sites=SITES, sizes=SIZES)
class Fixed(Channel):
    """A full barrier between the two."""

    def host(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            cpu.store(at.frame[number], number + 1)
            cpu.barrier(fill)
            cpu.store(at.tx_count, number + 1)
            cpu.barrier(advance)
            if self.was_empty(cpu, at, number + 1):
                cpu.kick(amp.REMOTE)
