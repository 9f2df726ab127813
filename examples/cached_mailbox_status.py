"""A mailbox whose handler clears the status behind its work, by what it saw before it.

The firmware counts a message, sets `status`, and interrupts only if it was clear. The handler works off what there is
and clears `status`. A message that comes between its last look and the clearing finds `status` set, so nobody
interrupts, and then `status` is clear with a message there: both wait. No barrier repairs that: the handler has to
clear first, and look then. AMD's NPU driver hung so (amd/xdna-driver pull request 227: its interrupt handler clears a
register of the mailbox while the firmware may be setting it).
"""

import amp

mailbox = amp.Layout(status=amp.u32, sent=amp.u32)
post = amp.Site("post", "sent before status", needs="WW WR WD", kind="mb", pairs_with="clear")
ring = amp.Site("ring", "status before the interrupt", needs="WD", kind="wmb")
clear = amp.Site("clear", "status = 0 before sent is read", needs="WR", kind="mb", pairs_with="post")
SITES = [post, ring, clear]


class Mailbox:
    """The remote is the firmware, the host has the handler."""

    def remote(self, cpu: amp.Port, at) -> None:
        for number in range(1, self.messages + 1):
            cpu.store(at.sent, number)
            cpu.barrier(post)
            if not cpu.xchg(at.status, 1):
                cpu.barrier(ring)
                cpu.kick(amp.HOST)

    def host(self, cpu: amp.Port, at) -> None:
        handled = 0
        while handled < self.messages:
            cpu.wait()
            handled = self.handle(cpu, at)

    def handle(self, cpu: amp.Port, at) -> int:
        """Handle what is there; how many messages have been handled in all."""
        raise NotImplementedError


@amp.program(layout=mailbox, sites=SITES, sizes={"messages": 2})
class Broken(Mailbox):
    """Looks, then clears."""

    def handle(self, cpu: amp.Port, at) -> int:
        sent = int(cpu.load(at.sent))
        cpu.store(at.status, 0)
        return sent


@amp.program(layout=mailbox, sites=SITES, sizes={"messages": 2})
class Fixed(Mailbox):
    """Clears, then looks."""

    def handle(self, cpu: amp.Port, at) -> int:
        cpu.store(at.status, 0)
        cpu.barrier(clear)
        return int(cpu.load(at.sent))
