"""The name service: created and destroyed, before and after the other side looks, and what it does not believe."""

from __future__ import annotations

import pytest
from rpmsg_machine import RpmsgMachine, announcement

from amp.errors import LinkDown, SendTimeout, UsageError
from amp.port.port import HOST, REMOTE
from amp.rpmsg import ADDR_ANY, NS_ADDR, Bus, Channel
from amp.rpmsg.names import ANY_NAME, CHANNELS_LIMIT, NameService
from amp.rpmsg.wire import Announcement, NsFlag


class Probed:
    """A driver that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def probe(self, channel: Channel) -> None:
        self.told.append(f"probe {channel}")

    def remove(self, channel: Channel) -> None:
        self.told.append(f"remove {channel}")


def test_an_announced_service_can_be_talked_to_and_goes_with_its_endpoint() -> None:
    with RpmsgMachine() as machine:
        service = machine.remote.create_endpoint("echo", lambda end, m: end.sendto(m.data, m.source))
        machine.settle()
        channel = machine.host.wait_for_channel("echo", 1)
        assert (channel.name, channel.addr) == ("echo", service.addr) == ("echo", 1024)
        end = machine.host.open_channel(channel)
        end.send(b"hello")
        assert end.recv(1) == (b"hello", 1024)
        service.close()
        machine.settle()
        assert machine.host.names.find("echo") is None
        with pytest.raises(TimeoutError, match="no service 'echo' was announced in 1 s"):
            machine.host.wait_for_channel("echo", 1)


def test_the_bytes_on_the_wire_are_linuxs() -> None:
    with RpmsgMachine() as machine:
        machine.remote.create_endpoint("rpmsg-echo", addr=0x1234)
        buffer = machine.host_link.receive()
        assert buffer is not None
        data = bytes(machine.host_port.read(buffer.address, buffer.length))
        assert data[:16] == b"\x34\x12\0\0" + b"\x35\0\0\0" + bytes(4) + b"\x28\0" + bytes(2)
        assert data[16:] == b"rpmsg-echo" + bytes(22) + b"\x34\x12\0\0" + bytes(4)


def test_services_announced_before_the_other_side_looks_are_all_found() -> None:
    """As many as there are buffers; who announces more waits for the other side."""
    with RpmsgMachine(4) as machine:
        for number in range(12):
            machine.remote.create_endpoint(f"service-{number}")
        machine.settle()
        names = machine.host.names
        assert [channel.name for channel in names.channels.values()] == [f"service-{n}" for n in range(12)]


def test_a_service_that_cannot_be_announced_is_not_there_at_all() -> None:
    with RpmsgMachine(2) as machine:
        held: list[object] = []
        machine.host.create_endpoint(addr=9, callback=lambda _, m: held.append(m.hold()), zero_copy=True)
        sender = machine.remote.create_endpoint(dest=9)
        sender.send(b"a")
        sender.send(b"b")
        with pytest.raises(SendTimeout):
            machine.remote.create_endpoint("late", addr=77)
        assert [end.addr for end in machine.remote.endpoints] == [sender.addr]
        machine.remote.create_endpoint(addr=77)


@pytest.mark.parametrize("registered", ["before", "after"])
def test_a_driver_is_told_of_its_channels_whichever_came_first(registered: str) -> None:
    with RpmsgMachine() as machine:
        echo, rest = Probed(), Probed()

        def register() -> None:
            machine.host.names.register("echo", echo)
            machine.host.names.register(ANY_NAME, rest)

        if registered == "before":
            register()
        services = [machine.remote.create_endpoint(name) for name in ("echo", "other", "echo")]
        machine.settle()
        if registered == "after":
            register()
        assert echo.told == ["probe echo:1024", "probe echo:1026"]
        assert rest.told == ["probe other:1025"]
        services[0].close()
        machine.settle()
        assert echo.told[2:] == ["remove echo:1024"]
        machine.host.down("gone")
        assert echo.told[3:] == ["remove echo:1026"]
        assert rest.told == ["probe other:1025", "remove other:1025"]


def test_a_driver_may_open_its_channel_when_it_is_probed() -> None:
    with RpmsgMachine(2) as machine:

        class Hello:
            def probe(self, channel: Channel) -> None:
                channel.attached = machine.host.open_channel(channel)
                channel.attached.send(b"hello world!")

            def remove(self, channel: Channel) -> None:
                channel.attached.close()

        machine.host.names.register("sample", Hello())
        service = machine.remote.create_endpoint("sample")
        machine.settle()
        assert service.recv(0).data == b"hello world!"
        assert service.dest == 1024
        service.close()
        machine.settle()
        assert machine.host.endpoints == ()


def test_who_has_a_destination_or_no_name_or_no_name_service_is_not_announced() -> None:
    with RpmsgMachine() as machine:
        machine.remote.create_endpoint("private", dest=1)
        machine.remote.create_endpoint("quiet", announce=False)
        machine.remote.create_endpoint()
        machine.settle()
        assert not machine.host.names.channels
        with pytest.raises(UsageError, match="without a name cannot be announced"):
            machine.remote.create_endpoint(announce=True)
        with pytest.raises(UsageError, match="expected 1 to 31 printable ASCII"):
            machine.remote.create_endpoint("n" * 32)
        machine.remote.create_endpoint("known", dest=1, announce=True).close()
        machine.settle()
        assert machine.host.names.refused == 0


def test_without_the_feature_nothing_is_announced_and_address_53_is_free() -> None:
    with RpmsgMachine() as machine:
        bus = Bus(machine.remote_port, machine.remote_link, name_service=False)
        bus.create_endpoint("echo")
        assert bus.create_endpoint(addr=NS_ADDR).addr == NS_ADDR
        assert bus.counts.sent == 0


def test_an_endpoint_that_waits_for_its_other_end_is_bound_by_the_announcement() -> None:
    """OpenAMP's rpmsg_virtio_ns_callback does this, Linux does not."""
    with RpmsgMachine() as machine:
        client = machine.remote.create_endpoint("pair", announce=False)
        service = machine.host.create_endpoint("pair")
        machine.settle()
        assert client.dest == service.addr
        client.send(b"x")
        machine.settle()
        assert service.recv(0).data == b"x"
        assert service.dest == ADDR_ANY


# --- what is not believed


@pytest.mark.parametrize("side", [HOST, REMOTE])
def test_duplicates_and_unknown_names_change_nothing_and_are_logged(side: int) -> None:
    with RpmsgMachine() as machine:
        bus = machine.host if side == REMOTE else machine.remote
        probed = Probed()
        bus.names.register("echo", probed)
        for flags in (0, 0, 1, 1):
            machine.inject(side, machine.message(1, NS_ADDR, announcement(b"echo", 1024, flags)))
        machine.settle()
        assert probed.told == ["probe echo:1024", "remove echo:1024"]
        assert bus.names.refused == 2
        assert machine.lines == [
            "name service: channel echo:1024 exists already",
            "name service: channel echo:1024 is not known, and cannot be destroyed",
        ]


def test_a_malformed_announcement_is_counted_and_makes_no_channel() -> None:
    with RpmsgMachine(2) as machine:
        for data in (b"", bytes(40), announcement(b"echo", 1024, 2), announcement(b"\x80", 1, 0), bytes(41)):
            for _ in range(3):
                machine.inject(REMOTE, machine.message(1, NS_ADDR, data))
                machine.settle()
        assert machine.host.counts.malformed == len(machine.malformed) == 15
        assert not machine.host.names.channels
        assert machine.buffers_at(REMOTE) == 2


def test_endless_announcements_take_no_endless_memory() -> None:
    lines: list[str] = []
    names = NameService(lines.append)
    for number in range(CHANNELS_LIMIT + 5):
        names.take(Announcement("x", number))
    assert len(names.channels) == CHANNELS_LIMIT
    assert names.refused == 5
    names.take(Announcement("x", 0, NsFlag.DESTROY))
    names.take(Announcement("x", CHANNELS_LIMIT))
    assert ("x", CHANNELS_LIMIT) in names.channels


def test_when_the_link_is_down_every_channel_is_gone_and_closing_says_nothing() -> None:
    with RpmsgMachine() as machine:
        service = machine.remote.create_endpoint("echo")
        machine.settle()
        sent = machine.remote.counts.sent
        machine.remote.down("host is gone")
        machine.host.down("remote is gone")
        service.close()
        assert machine.remote.counts.sent == sent
        assert not machine.host.names.channels
        with pytest.raises(LinkDown, match="remote is gone"):
            machine.host.wait_for_channel("echo", 1)
