"""VCHIQ's remote event: fired, armed, and the position of what was sent.

A Raspberry Pi's CPU and its VideoCore signal each other by an event in shared memory: the sender moves `tx_pos`, sets
`fired`, and rings only if the receiver has `armed` it before going to sleep. The receiver clears `fired`, then reads
`tx_pos`. Linux has a read barrier between those two (`slot_handler_func` in
drivers/staging/vc04_services/interface/vchiq_arm/vchiq_core.c), but they are a store and a load: the load may be
performed before the store is visible. Then the clearing wipes out an event whose position was not seen; the receiver
sleeps with a message left. What each barrier is for was asked and answered in raspberrypi/linux pull requests 5066
and 5283; `amp sites` finds that `disarm` is needed for nothing.
"""

import amp

event = amp.Layout(fired=amp.u32, armed=amp.u32, tx_pos=amp.u32)
publish = amp.Site("publish", "tx_pos before fired", needs="WW", kind="wmb", pairs_with="clear")
signal = amp.Site(
    "signal", "fired before armed is read, and before the doorbell", needs="WR WD", kind="mb", pairs_with="arm"
)
arm = amp.Site("arm", "armed before fired is read again", needs="WR", kind="mb", pairs_with="signal")
disarm = amp.Site("disarm", "armed = 0 before fired = 0", needs="WW", kind="wmb")
clear = amp.Site("clear", "fired = 0 before tx_pos is read", needs="WR", kind="mb", pairs_with="publish")
clear_by_rmb = amp.Site("clear", "fired = 0 before tx_pos is read", needs="WR", kind="rmb", pairs_with="publish")


class Event:
    """The remote, the VideoCore, sends; the host receives. Only what stands at `cleared` differs."""

    cleared: amp.Site

    def remote(self, cpu: amp.Port, at) -> None:
        for position in range(1, self.messages + 1):
            cpu.store(at.tx_pos, position)
            cpu.barrier(publish)
            cpu.store(at.fired, 1)
            cpu.barrier(signal)
            if cpu.load(at.armed):
                cpu.kick(amp.HOST)

    def host(self, cpu: amp.Port, at) -> None:
        received = 0
        while received < self.messages:
            while not cpu.load(at.fired):
                cpu.store(at.armed, 1)
                cpu.barrier(arm)
                if not cpu.load(at.fired):
                    cpu.wait()
                cpu.store(at.armed, 0)
                cpu.barrier(disarm)
            cpu.store(at.fired, 0)
            cpu.barrier(self.cleared)
            position = cpu.load(at.tx_pos)
            assert position >= received
            received = int(position)


@amp.program(layout=event, sites=[publish, signal, arm, disarm, clear_by_rmb], sizes={"messages": 2})
class Broken(Event):
    """A read barrier between fired = 0 and the load of tx_pos."""

    cleared = clear_by_rmb


@amp.program(layout=event, sites=[publish, signal, arm, disarm, clear], sizes={"messages": 2})
class Fixed(Event):
    """A full barrier there."""

    cleared = clear
