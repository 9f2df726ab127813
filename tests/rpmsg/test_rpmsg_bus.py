"""Messages over both sides of a link: sizes, numbers of buffers, waiting for one, and a peer that is not trusted."""

from __future__ import annotations

import gc
import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rpmsg_machine import RpmsgMachine, announcement

from amp.errors import (
    AddressInUse,
    BadMessage,
    LinkDown,
    MessageTooLong,
    NoSuchEndpoint,
    RpmsgError,
    SendTimeout,
    Violation,
    WouldBlock,
)
from amp.port.port import HOST, REMOTE
from amp.rpmsg import ADDR_ANY, NS_ADDR, Endpoint, Message, Sent

EVENT_IDX = pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event-idx"])


def pair(machine: RpmsgMachine) -> tuple[Endpoint, Endpoint]:
    """One endpoint each side, each the other's destination."""
    host = machine.host.create_endpoint(addr=2000, dest=3000)
    return host, machine.remote.create_endpoint(addr=3000, dest=2000)


@EVENT_IDX
@pytest.mark.parametrize(
    ("num", "count", "buffer_bytes"),
    [
        (2, 2, 512),
        (2, 4, 512),
        (8, 16, 512),
        (256, 512, 512),
        (512, 512, 512),
        (8, 16, 24),
        (8, 6, 2048),
        (4, 8, 65536),
    ],
)
def test_every_size_arrives_with_every_number_of_buffers(
    num: int, count: int, buffer_bytes: int, event_idx: bool
) -> None:
    most = buffer_bytes - 16
    with RpmsgMachine(num, count=count, buffer_bytes=buffer_bytes, event_idx=event_idx) as machine:
        host, remote = pair(machine)
        chance = Random(num)
        lengths = [0, 1, 7, 8, most // 2, most - 1, most, *(chance.randint(0, most) for _ in range(20))]
        for sender, receiver in ((host, remote), (remote, host)):
            for length in lengths:
                data = chance.randbytes(length)
                sender.send(data)
                assert receiver.recv(1) == Message(data, sender.addr)
            with pytest.raises(MessageTooLong, match=f"message is {most + 1} bytes, at most {most} fit"):
                sender.send(bytes(most + 1))
        machine.settle()
        assert machine.buffers_at(HOST) == machine.buffers_at(REMOTE) == count // 2


def test_496_bytes_fit_and_497_do_not() -> None:
    with RpmsgMachine() as machine:
        ends = pair(machine)
        for sender, receiver in (ends, ends[::-1]):
            for length in (496, 0):
                sender.send(bytes(length))
                assert receiver.recv(1) == Message(bytes(length), sender.addr)
            with pytest.raises(MessageTooLong, match="message is 497 bytes, at most 496 fit"):
                sender.trysend(bytes(497))


@EVENT_IDX
def test_a_sender_without_a_buffer_waits_and_nothing_is_lost_or_twice(event_idx: bool) -> None:
    """Both directions at once, far more messages than buffers; the other side goes on only while a side waits."""
    with RpmsgMachine(4, event_idx=event_idx) as machine:
        host, remote = pair(machine)
        for number in range(200):
            host.send(struct.pack("<I", number))
            remote.send(struct.pack("<I", number))
        machine.settle()
        for end in (host, remote):
            assert [struct.unpack("<I", end.recv(0).data)[0] for _ in range(end.queued)] == list(range(200))
        assert machine.host.counts.waits_for_buffer > 0
        assert machine.host.counts.sent == machine.remote.counts.received == 200
        assert machine.buffers_at(HOST) == machine.buffers_at(REMOTE) == 4


@pytest.mark.parametrize("form", ["trysend", "trysendto", "trysend_offchannel"])
@pytest.mark.parametrize("side", [HOST, REMOTE])
def test_the_try_forms_raise_would_block_and_send_nothing(side: int, form: str) -> None:
    with RpmsgMachine(2) as machine:
        end = pair(machine)[side]
        machine.settle()
        arguments = {"trysend": (b"x",), "trysendto": (b"x", 1), "trysend_offchannel": (5, 1, b"x")}[form]
        getattr(end, form)(*arguments)
        getattr(end, form)(*arguments)
        with pytest.raises(WouldBlock, match="no transmit buffer is free"):
            getattr(end, form)(*arguments)
        assert end.bus.counts.sent == 2
        machine.settle()
        getattr(end, form)(*arguments)


@pytest.mark.parametrize("side", [HOST, REMOTE])
def test_a_blocking_send_gives_up_after_its_time_15_seconds_by_default(side: int) -> None:
    with RpmsgMachine(2) as machine:
        ends = pair(machine)
        held: list[object] = []
        keeper = ends[1 - side].bus.create_endpoint(addr=9, callback=lambda _, m: held.append(m.hold()), zero_copy=True)
        machine.settle()
        for _ in range(2):
            ends[side].sendto(b"x", keeper.addr)
        for given_s, waited_s in ((None, 15.0), (0.5, 0.5)):
            before = machine.now_s
            with pytest.raises(SendTimeout, match=f"no transmit buffer became free in {waited_s:g} s"):
                ends[side].send(b"y", *([] if given_s is None else [given_s]))
            assert machine.now_s - before == pytest.approx(waited_s)
        assert len(held) == 2


def test_the_three_forms_differ_in_source_and_destination() -> None:
    with RpmsgMachine() as machine:
        host, remote = pair(machine)
        other = machine.remote.create_endpoint(addr=3001)
        host.send(b"a")
        host.sendto(b"b", 3001)
        host.send_offchannel(77, 3001, b"c")
        assert remote.recv(0) == (b"a", 2000)
        assert [other.recv(0), other.recv(0)] == [(b"b", 2000), (b"c", 77)]


def test_what_cannot_be_sent_is_told_apart() -> None:
    with RpmsgMachine() as machine:
        host, _ = pair(machine)
        nowhere = machine.host.create_endpoint()
        with pytest.raises(NoSuchEndpoint, match="has no destination yet"):
            nowhere.send(b"x")
        for source, dest in ((ADDR_ANY, 1), (1, ADDR_ANY), (-1, 1), (1, 1 << 32)):
            with pytest.raises(NoSuchEndpoint, match="not both are addresses"):
                host.send_offchannel(source, dest, b"x")
        with pytest.raises(AddressInUse, match="2000"):
            machine.host.create_endpoint(addr=2000)
        with pytest.raises(AddressInUse):
            machine.host.create_endpoint(addr=NS_ADDR)
        with pytest.raises(TypeError):
            host.send(5)  # type: ignore[arg-type]  # not five zero bytes
        host.close()
        host.close()
        with pytest.raises(NoSuchEndpoint, match="is closed"):
            host.send(b"x")
        machine.host.create_endpoint(addr=2000)
        assert machine.host.counts.sent == 0


def test_a_message_for_nobody_is_counted_logged_at_powers_of_two_and_its_buffer_used_again() -> None:
    with RpmsgMachine(2) as machine:
        host, _ = pair(machine)
        for _ in range(20):
            host.sendto(b"x", 999)
        machine.settle()
        assert machine.remote.counts.no_recipient == 20
        assert [line.split()[-3].lstrip("(") for line in machine.lines] == ["1", "2", "4", "8", "16"]
        assert "message for endpoint 999, which nobody has" in machine.lines[0]
        assert machine.buffers_at(HOST) == 2


def test_4000_endpoints_each_have_their_own_messages() -> None:
    with RpmsgMachine(64) as machine:
        host, remote = machine.host, machine.remote
        ends = [remote.create_endpoint(callback=lambda end, m: end.sendto(m.data, m.source)) for _ in range(4000)]
        asking = [host.create_endpoint(dest=end.addr) for end in ends]
        for number, end in enumerate(asking):
            end.send(struct.pack("<I", number))
        machine.settle()
        assert [struct.unpack("<I", end.recv(0).data)[0] for end in asking] == list(range(4000))
        assert len(host.endpoints) == 4000
        assert host.endpoints[0].addr == 1024


# --- a link that goes down


def test_what_was_sent_and_not_taken_back_is_reported_by_down_and_to_its_endpoint() -> None:
    with RpmsgMachine() as machine:
        host, _ = pair(machine)
        other = machine.host.create_endpoint(addr=2001, dest=3000)
        host.send(b"read")
        machine.settle()
        host.send(b"a")
        other.send(b"b")
        host.send(b"c")
        a, b, c = Sent(2000, 3000, b"a"), Sent(2001, 3000, b"b"), Sent(2000, 3000, b"c")
        assert machine.host.down("it crashed") == (a, b, c)
        assert (host.unacknowledged, other.unacknowledged) == ((a, c), (b,))
        assert machine.host.down("again") == (a, b, c), "the same, whoever asks later"
        with pytest.raises(LinkDown, match="it crashed") as caught:
            host.send(b"d")
        assert caught.value.unacknowledged == (a, c)
        for fails in (lambda: host.recv(1), lambda: host.trysend(b"d"), machine.host.create_endpoint, host.get_buffer):
            with pytest.raises(LinkDown, match="it crashed"):
                fails()
        host.close()


def test_a_message_taken_by_its_callback_counts_as_acknowledged_and_one_that_is_held_does_not() -> None:
    with RpmsgMachine() as machine:
        host = machine.host.create_endpoint(addr=2000, dest=1)
        held: list[object] = []
        machine.remote.create_endpoint(addr=1, callback=lambda _, m: held.append(m.hold()), zero_copy=True)
        machine.remote.create_endpoint(addr=2, callback=lambda *_: None)
        host.sendto(b"handled", 2)
        host.sendto(b"held", 1)
        machine.settle()
        assert len(held) == 1
        assert machine.host.down("gone") == (Sent(2000, 1, b"held"),)


def test_what_came_before_the_link_went_down_can_still_be_received() -> None:
    with RpmsgMachine() as machine:
        host, remote = pair(machine)
        remote.send(b"last words")
        machine.settle()
        machine.host.down("gone")
        assert host.recv(0).data == b"last words"
        with pytest.raises(LinkDown):
            host.recv(0)


# --- a peer that is not trusted


HOSTILE = (
    ("nothing", b"", "message length is 0, allowed is at least 16"),
    ("half a header", bytes(15), "message length is 15"),
    ("len beyond what was written", struct.pack("<IIIHH", 1, 2000, 0, 1, 0), "header len is 1, allowed is at most 0"),
    ("len 65535", struct.pack("<IIIHH", 1, 2000, 0, 65535, 0) + bytes(8), "header len is 65535, allowed is at most 8"),
    ("to the name service", struct.pack("<IIIHH", 1, 53, 0, 8, 0) + bytes(8), "name service length is 8"),
)


@pytest.mark.parametrize("side", [HOST, REMOTE])
@pytest.mark.parametrize(("data", "says"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_a_message_that_breaks_the_format_is_given_to_on_malformed_and_its_buffer_used_again(
    side: int, data: bytes, says: str
) -> None:
    with RpmsgMachine(2) as machine:
        pair(machine)
        machine.settle()
        for _ in range(10):
            machine.inject(side, data)
            machine.settle()
        bus = machine.host if side == REMOTE else machine.remote
        assert bus.counts.malformed == 10
        assert says in str(machine.malformed[0])
        assert f"written by the {['host', 'remote'][side]}" in str(machine.malformed[0])
        assert machine.buffers_at(side) == 2


@pytest.mark.parametrize("side", [HOST, REMOTE])
def test_unless_told_otherwise_a_bad_message_is_raised_and_what_follows_still_arrives(side: int) -> None:
    with RpmsgMachine(2, collects=False) as machine:
        ends = pair(machine)
        machine.settle()
        machine.inject(side, b"bad")
        ends[side].send(b"good")
        with pytest.raises(BadMessage, match="message length is 3"):
            machine.settle()
        assert ends[1 - side].recv(0).data == b"good"
        machine.settle()
        assert machine.buffers_at(side) == 2


def test_a_sender_that_sleeps_for_a_buffer_is_told_though_the_receiver_raised() -> None:
    """The buffers of messages that were taken before one that raises are announced all the same."""
    with RpmsgMachine(2, collects=False) as machine:
        host, remote = pair(machine)
        machine.settle()
        host.send(b"x")
        machine.inject(HOST, b"bad")
        assert host.bus.link.await_buffer()
        with pytest.raises(BadMessage):
            machine.settle()
        assert machine.host_port.wait(0)
        assert remote.recv(0).data == b"x"


def test_a_buffer_that_is_not_aligned_is_a_broken_ring() -> None:
    """The header is read as two u64: a descriptor that points elsewhere is the driver's fault, no access of ours."""
    with RpmsgMachine(2) as machine:
        machine.inject(HOST, machine.message(1, 2, b"x"))
        at = machine.output.desc
        address = machine.host_port.load_u64(at)
        machine.host_port.store_u64(at, address + 4)
        with pytest.raises(Violation, match=f"desc.addr is {address + 4}, allowed is a multiple of 8"):
            machine.remote.process()


def test_a_callback_may_raise_and_its_message_is_given_back() -> None:
    with RpmsgMachine(2) as machine:
        host, _ = pair(machine)

        def refuse(_: Endpoint, message: Message) -> None:
            raise RpmsgError(message.data.decode())

        machine.remote.create_endpoint(addr=1, callback=refuse)
        machine.settle()
        for number in range(10):
            host.sendto(str(number).encode(), 1)
            with pytest.raises(RpmsgError, match=str(number)):
                machine.remote.process()
        machine.settle()
        assert machine.buffers_at(HOST) == 2


changes = st.lists(st.tuples(st.integers(0, 55), st.integers(0, 255)), min_size=1, max_size=4)


@pytest.mark.parametrize("side", [HOST, REMOTE])
@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["message", "announcement"]), changes, st.integers(0, 56)), max_size=12),
    st.booleans(),
)
def test_no_mutated_message_does_more_than_be_counted_and_every_buffer_comes_back(
    side: int, messages: list[tuple[str, list[tuple[int, int]], int]], collects: bool
) -> None:
    gc.disable()  # of some thousand machines' worth of cycles: the region is closed by the block
    try:
        with RpmsgMachine(2, collects=collects) as machine:
            ends = pair(machine)
            machine.settle()
            good = {
                "message": machine.message(ends[side].addr, ends[1 - side].addr, bytes(40)),
                "announcement": machine.message(1024, NS_ADDR, announcement(b"echo", 1024, 0)),
            }
            for kind, mutations, length in messages:
                data = bytearray(good[kind])
                for at, value in mutations:
                    data[at] = value
                machine.inject(side, bytes(data[:length]))
                for _ in range(3):
                    try:
                        machine.settle()
                    except Violation:
                        assert not collects
            assert machine.buffers_at(side) == 2
            ends[side].send(b"still here")
            machine.settle()
            received = [ends[1 - side].recv(0).data for _ in range(ends[1 - side].queued)]
            assert received[-1] == b"still here"
    finally:
        gc.enable()
