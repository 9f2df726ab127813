"""Every barrier stands where it must and nowhere else; read from what both sides asked of their ports."""

import re
import threading
from dataclasses import dataclass

import msgspec
import pytest
from barrier_rules import RULES, Access, faults, parse, str_of
from ring_machine import RingMachine

from amp.machine.config import Mode, RunConfig, Tally
from amp.machine.wiring import plan
from amp.ordering.barriers import BarrierClass
from amp.ordering.sites import SiteMap
from amp.port.doors import RecordingPort, open_direct
from amp.port.port import CPU_NAMES, HOST, REMOTE
from amp.region import Region
from amp.virtio.sites import B1, K1, K2, S1, S2, S3, S4, S5, S6, S7, S8, SITES
from hostside import exchange as hostside
from remoteside import exchange as remoteside

SITES_OF = {
    HOST: {S1, S4, S5, S8, K1, K2, B1},
    REMOTE: {S2, S3, S6, S7, K1, K2, B1},
}
CONFIG = RunConfig(program="echo", mode=Mode.DIRECT, messages=60, ring_size=2, payload_bytes=48, spin_ns=0)


@dataclass(frozen=True)
class Recording:
    """What each side of an exchange did, and how many messages came back."""

    accesses: tuple[list[Access], list[Access]]
    messages: int


def record(config: RunConfig) -> Recording:
    """An exchange over the bare region; each side is a thread with a port of its own, and sleeps whenever it can."""
    wiring = plan(config)
    with Region.create(wiring.layout(1)) as region:
        sites = SiteMap.for_class(BarrierClass.MANDATORY, SITES)
        ports = [open_direct(region, cpu, sites) for cpu in (HOST, REMOTE)]
        recordings, tallies = [RecordingPort(port) for port in ports], [Tally(), Tally()]
        echoes = hostside.echo, remoteside.echo

        def serve(cpu: int) -> None:
            echoes[cpu](recordings[cpu], config, tallies[cpu])
            ports[cpu].retire()

        remote = threading.Thread(target=serve, args=(REMOTE,), daemon=True)
        remote.start()
        serve(HOST)
        remote.join(30)
        assert not remote.is_alive()
        rings = {"to_remote": wiring.to_remote.ring, "to_host": wiring.to_host.ring}
        first, second = (list(parse(recording.calls, rings)) for recording in recordings)
        return Recording((first, second), tallies[0].messages)


OPTIONS = [
    {"event_idx": event_idx, "indirect": indirect, "segments": segments}
    for event_idx in (False, True)
    for indirect in (False, True)
    for segments in (1, 2)
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(k for k, v in options.items() if v))
def test_in_an_exchange_every_barrier_stands_where_it_must_and_nowhere_else(options: dict[str, int]) -> None:
    recording = record(msgspec.structs.replace(CONFIG, **options))
    assert recording.messages == CONFIG.messages
    for cpu, accesses in enumerate(recording.accesses):
        assert faults(accesses, cpu) == [], CPU_NAMES[cpu]
        assert {access.barrier for access in accesses} - {None} == SITES_OF[cpu], "each of its sites was passed"


@pytest.mark.parametrize("event_idx", [False, True])
@pytest.mark.parametrize("cpu", [HOST, REMOTE], ids=CPU_NAMES)
def test_one_barrier_left_out_or_put_behind_what_needs_it_goes_red_and_names_its_site(
    cpu: int, event_idx: bool
) -> None:
    accesses = record(msgspec.structs.replace(CONFIG, messages=8, event_idx=event_idx)).accesses[cpu]
    assert faults(accesses, cpu) == []
    tried = set()
    for at, access in enumerate(accesses):
        rule = next((rule for rule in RULES if rule.cpu == cpu and rule.site is access.barrier), None)
        if rule is None:
            continue
        needs_it = next((k for k in range(at, len(accesses)) if re.match(rule.after, str_of(accesses[k]))), None)
        if needs_it is None or access in accesses[at + 1 : needs_it]:
            continue  # nothing, or its own twin, comes next
        left_out = accesses[:at] + accesses[at + 1 :]
        behind = [*accesses[:at], *accesses[at + 1 : needs_it + 1], access, *accesses[needs_it + 1 :]]
        for wrong in (left_out, behind):
            assert any(fault.startswith(f"{rule.site.name} is missing") for fault in faults(wrong, cpu)), (at, access)
        tried.add(rule.site)
    assert tried == SITES_OF[cpu]


def test_a_barrier_that_orders_nothing_goes_red() -> None:
    accesses = record(msgspec.structs.replace(CONFIG, messages=3)).accesses[HOST]
    at = next(at for at, access in enumerate(accesses) if access.barrier is S1)
    extra = [*accesses[: at - 1], accesses[at], *accesses[at - 1 :]]
    assert any(fault.startswith("S1 is followed by") for fault in faults(extra, HOST))
    foreign = [*accesses, Access("barrier", "", "", 0, S2)]
    assert any(fault.startswith("S2 is not this side's") for fault in faults(foreign, HOST))


def test_the_table_of_sites_says_who_stands_where() -> None:
    for site in SITES:
        for cpu in (HOST, REMOTE):
            stands = site.side is None or str(site.side) == CPU_NAMES[cpu]
            assert (site in SITES_OF[cpu]) is stands


@pytest.mark.parametrize("event_idx", [False, True])
def test_each_call_issues_its_barriers_and_no_other(event_idx: bool) -> None:
    with RingMachine(8, event_idx=event_idx) as machine:
        host, remote = RecordingPort(machine.host), RecordingPort(machine.remote)
        driver, device, segment = machine.driver(host), machine.device(remote), machine.segments([8])

        def sites(port: RecordingPort) -> list[str]:
            passed = [call.arguments[0].name for call in port.calls if call.method == "barrier"]
            port.calls.clear()
            return passed

        driver.add(segment, (), 1)
        assert sites(host) == ["S1"]
        assert driver.kick() is True
        assert sites(host) == ["S5", "K1"]
        assert device.next_chain() is not None
        assert sites(remote) == ["S2"]
        assert device.next_chain() is None
        assert sites(remote) == [], "an index that has not moved needs no barrier"
        device.finish_reading()
        device.push_used(0, 0)
        assert sites(remote) == ["B1", "S3"]
        assert device.call() is True
        assert sites(remote) == ["S7", "K1"]
        assert driver.get_used() == (1, 0)
        assert sites(host) == (["S4", "S8"] if event_idx else ["S4"])
        driver.finish_reading()
        assert driver.get_used() is None
        assert sites(host) == ["B1"]
        assert driver.enable_interrupts() is True
        assert device.enable_notifications() is True
        assert (sites(host), sites(remote)) == (["S8"], ["S6"])
        driver.disable_interrupts()
        device.disable_notifications()
        driver.add(segment, (), 2)
        driver.kick_prepare()
        assert sites(host) == ["S1", "S5"]
