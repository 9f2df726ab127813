"""An Ethernet descriptor ring: an OWN bit in memory, and a tail pointer that is a register of the device.

The driver fills a descriptor, gives it away by its OWN bit, and writes the tail pointer, on which the DMA engine looks
at the ring. The descriptor is Normal memory, the register is Device memory: an STM32H7's Cortex-M7 let the register
write pass the OWN bit, the engine found a descriptor that was not its own and suspended, and the frame was sent
only when the next one came (Quartiq's pounder, commit cc658a5c7b93, src/eth.rs).
"""

import amp


def ring_of(descriptors: int) -> amp.Layout:
    return amp.Layout(descriptor=amp.Struct(length=amp.u32, own=amp.u32)[descriptors])


give = amp.Site("give", "length before own", needs="WW", kind="wmb", pairs_with="owned")
owned = amp.Site("owned", "own before length", needs="RR", kind="rmb", pairs_with="give")
tail = amp.Site("tail", "own before the tail pointer", needs="WD", kind="wmb", symptom="the engine suspends")


class Engine:
    """The remote is the DMA engine; a write of the tail pointer is its doorbell."""

    def remote(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            while not cpu.load(at.descriptor[number].own):
                cpu.wait()
            cpu.barrier(owned)
            assert cpu.load(at.descriptor[number].length) == 60 + number


SITES = [give, owned, tail]
SIZES = {"messages": amp.Size(2, most=4), "descriptors": amp.Size(4, least=4, most=4)}


@amp.program(layout=ring_of, sites=SITES, sizes=SIZES)
class Broken(Engine):
    """Nothing between the OWN bit and the tail pointer."""

    def host(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            cpu.store(at.descriptor[number].length, 60 + number)
            cpu.barrier(give)
            cpu.store(at.descriptor[number].own, 1)
            cpu.kick(amp.REMOTE)


@amp.program(layout=ring_of, sites=SITES, sizes=SIZES)
class Fixed(Engine):
    """A write barrier that a register write waits for."""

    def host(self, cpu: amp.Port, at) -> None:
        for number in range(self.messages):
            cpu.store(at.descriptor[number].length, 60 + number)
            cpu.barrier(give)
            cpu.store(at.descriptor[number].own, 1)
            cpu.barrier(tail)
            cpu.kick(amp.REMOTE)
