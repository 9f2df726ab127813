"""Endpoints: three ways to receive, zero copy both ways, and what happens inside a callback."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from rpmsg_machine import RpmsgMachine

from amp.errors import LinkDown, NoSuchEndpoint, RpmsgError, SendTimeout, UsageError, WouldBlock
from amp.port.port import HOST, REMOTE
from amp.rpmsg import ADDR_ANY, Endpoint, Message, Received

SIDES = pytest.mark.parametrize("side", [HOST, REMOTE], ids=["host", "remote"])


def pair(machine: RpmsgMachine, side: int = HOST, **receiving: Any) -> tuple[Endpoint, Endpoint]:
    """`side`'s endpoint, and the one on the other side that it sends to."""
    sender, receiver = (machine.host, machine.remote) if side == HOST else (machine.remote, machine.host)
    to = receiver.create_endpoint(addr=3000, dest=2000, **receiving)
    return sender.create_endpoint(addr=2000, dest=3000), to


def test_recv_waits_until_a_message_comes_and_gives_up_after_its_time() -> None:
    with RpmsgMachine() as machine:
        asking, answering = pair(machine)
        with pytest.raises(TimeoutError, match=r"nothing came in 2.5 s"):
            asking.recv(2.5)
        assert machine.now_s == pytest.approx(2.5)
        answering.callback = lambda end, m: end.sendto(m.data[::-1], m.source)
        asking.send(b"abc")
        assert asking.recv() == Message(b"cba", 3000)
        assert machine.now_s == pytest.approx(2.5), "it was there in no time"


def test_an_endpoint_with_a_callback_queues_nothing_and_refuses_recv() -> None:
    with RpmsgMachine() as machine:
        came: list[Message] = []
        sender, receiver = pair(machine, callback=lambda _, m: came.append(m))
        sender.send(b"x")
        machine.settle()
        assert came == [(b"x", 2000)]
        assert receiver.queued == 0
        with pytest.raises(RpmsgError, match="has a callback"):
            receiver.recv()


@SIDES
def test_a_callback_may_send_more_than_there_are_buffers(side: int) -> None:
    with RpmsgMachine(2) as machine:

        def twelve(end: Endpoint, message: Message) -> None:
            for number in range(12):
                end.sendto(bytes([number]), message.source)

        sender, _ = pair(machine, side, callback=twelve)
        machine.settle()
        sender.send(b"go")
        machine.settle()
        assert [sender.recv(0).data[0] for _ in range(sender.queued)] == list(range(12))


@SIDES
def test_while_a_callback_blocks_no_other_is_called_and_their_messages_are_kept(side: int) -> None:
    with RpmsgMachine(4) as machine:
        order: list[str] = []
        sender, receiver = pair(machine, side)
        sender.bus.create_endpoint(addr=2002, callback=lambda _, m: order.append(f"second {m.data.decode()}"))
        keeper_holds: list[Received] = []
        receiver.bus.create_endpoint(addr=9, callback=lambda _, m: keeper_holds.append(m.hold()), zero_copy=True)

        def fill(end: Endpoint) -> None:
            while True:
                end.sendto(b"x", 9, 1.0)

        def first(end: Endpoint, _: Message) -> None:
            order.append("first begins")
            with pytest.raises(SendTimeout):
                fill(end)
            order.append("first ends")

        sender.bus.create_endpoint(addr=2001, callback=first)
        machine.settle()
        receiver.sendto(b"", 2001)
        receiver.sendto(b"a", 2002)
        receiver.sendto(b"b", 2002)
        machine.settle()
        assert order == ["first begins", "first ends", "second a", "second b"]
        assert len(keeper_holds) == 4
        for message in keeper_holds:
            message.release()
        sender.send(b"buffers are back")
        machine.settle()
        assert receiver.recv(0).data == b"buffers are back"


def test_two_callbacks_that_wait_for_each_others_buffers_end_when_their_time_is_up() -> None:
    with RpmsgMachine(2) as machine:
        ends: list[str] = []
        floods: set[Endpoint] = set()

        def flood(end: Endpoint, message: Message) -> None:
            if end in floods:
                return
            floods.add(end)
            try:
                for _ in range(10):
                    end.sendto(message.data, message.source, 1.0)
            except SendTimeout:
                ends.append("time is up")

        sender, _ = pair(machine, callback=flood)
        sender.callback = flood
        machine.settle()
        sender.send(b"x")
        machine.settle()
        assert len(floods) == 2
        assert ends
        assert machine.now_s >= 1.0


# --- zero copy, transmitting


@SIDES
def test_a_buffer_that_is_filled_in_place_is_sent_as_it_is(side: int) -> None:
    with RpmsgMachine() as machine:
        sender, receiver = pair(machine, side)
        machine.settle()
        with sender.get_buffer() as out:
            assert out.length == 496
            out.write(4, b"5678")
            out.write(0, b"1234")
            out.send(8)
        machine.settle()
        assert receiver.recv(0) == Message(b"12345678", 2000)
        with pytest.raises(UsageError, match="was sent or dropped"):
            out.write(0, b"late")
        with pytest.raises(UsageError, match="was sent or dropped"):
            out.send(1)


@SIDES
def test_a_buffer_that_is_dropped_is_there_for_the_next(side: int) -> None:
    with RpmsgMachine(2) as machine:
        sender, receiver = pair(machine, side)
        machine.settle()
        for _ in range(5):
            with sender.get_buffer(), sender.get_buffer(), pytest.raises(SendTimeout):
                sender.get_buffer(0.5)
        sender.get_buffer().drop()
        sender.send(b"x")
        machine.settle()
        assert receiver.queued == 1


def test_a_transmit_buffer_refuses_what_lies_beyond_it() -> None:
    with RpmsgMachine() as machine:
        sender, receiver = pair(machine)
        with sender.get_buffer() as out:
            for offset, data in ((-1, b"x"), (496, b"x"), (0, bytes(497)), (489, array("Q", [0]))):
                with pytest.raises(UsageError, match="of a buffer of 496"):
                    out.write(offset, data)
            out.write(488, array("Q", [0x0102030405060708]))
            for length in (-1, 497):
                with pytest.raises(UsageError, match=f"length is {length}, the buffer holds 496"):
                    out.send(length)
            for dest in (ADDR_ANY, -1, 1 << 32):
                with pytest.raises(NoSuchEndpoint):
                    out.send(1, dest)
            out.send(496, 3000)
        machine.settle()
        assert receiver.recv(0).data[488:] == bytes(range(8, 0, -1))


# --- zero copy, receiving


@SIDES
def test_a_message_that_is_held_stays_in_its_buffer_until_it_is_released(side: int) -> None:
    with RpmsgMachine(2) as machine:
        held: list[Received] = []
        sender, _ = pair(machine, side, callback=lambda _, m: held.append(m.hold()), zero_copy=True)
        machine.settle()
        for data in (b"first", b"second"):
            sender.send(data)
        machine.settle()
        with pytest.raises(WouldBlock):
            sender.trysend(b"third")
        first, second = held
        assert (first.read(), first.source, first.length) == (b"first", 2000, 5)
        assert first.read(1, 3) == b"irs"
        for offset, length in ((0, 6), (6, None), (-1, 1), (5, 1), (0, -1)):
            with pytest.raises(UsageError, match="of a message of 5"):
                first.read(offset, length)
        first.release()
        first.release()
        with pytest.raises(UsageError, match="buffer was given back"):
            first.read()
        machine.settle()
        sender.trysend(b"third")
        with pytest.raises(WouldBlock):
            sender.trysend(b"fourth")
        assert second.read() == b"second"


@SIDES
def test_releasing_wakes_a_sender_that_waits(side: int) -> None:
    with RpmsgMachine(2) as machine:
        held: list[Received] = []
        sender, receiver = pair(machine, side, callback=lambda _, m: held.append(m.hold()), zero_copy=True)
        machine.settle()
        sender.send(b"a")
        sender.send(b"b")
        machine.settle()
        assert sender.bus.link.await_buffer()
        port = machine.host_port if side == HOST else machine.remote_port
        assert not port.wait(0)
        held[0].release()
        assert port.wait(0)
        assert receiver.bus.counts.received == 2


@SIDES
def test_a_message_that_nobody_holds_expires_with_its_callback(side: int) -> None:
    with RpmsgMachine(2) as machine:
        seen: list[Received] = []
        read: list[bytes] = []
        sender, _ = pair(machine, side, callback=lambda _, m: (seen.append(m), read.append(m.read())), zero_copy=True)
        for number in range(10):
            sender.send(bytes([number]))
        machine.settle()
        assert read == [bytes([number]) for number in range(10)]
        with pytest.raises(UsageError, match="given back"):
            seen[0].read()
        seen[0].release()
        assert machine.buffers_at(side) == 2


@SIDES
def test_a_queued_zero_copy_message_is_held_for_recv_and_given_back_by_with_or_by_close(side: int) -> None:
    with RpmsgMachine(2) as machine:
        sender, receiver = pair(machine, side, zero_copy=True)
        machine.settle()
        sender.send(b"a")
        sender.send(b"b")
        machine.settle()
        with receiver.recv(0) as message:
            assert message.read() == b"a"
        machine.settle()
        sender.trysend(b"c")
        machine.settle()
        with pytest.raises(WouldBlock):
            sender.trysend(b"d")
        receiver.close()
        machine.settle()
        assert machine.buffers_at(side) == 2


def test_a_message_held_beyond_the_link_is_released_in_vain() -> None:
    with RpmsgMachine(2) as machine:
        sender, receiver = pair(machine, REMOTE, zero_copy=True)
        sender.send(b"x")
        machine.settle()
        message = receiver.recv(0)
        machine.host.down("gone")
        message.release()
        with pytest.raises(LinkDown):
            receiver.recv(0)


# --- who writes to whom


def test_an_endpoint_without_a_destination_takes_its_first_sender_where_the_bus_says_so() -> None:
    for binds, second in ((True, b"first"), (False, None)):
        with RpmsgMachine(binds_first_sender=binds) as machine:
            service = machine.remote.create_endpoint(addr=1)
            first = machine.host.create_endpoint(dest=1)
            other = machine.host.create_endpoint(dest=1)
            first.send(b"hello")
            other.send(b"me too")
            machine.settle()
            if second is None:
                assert service.dest == ADDR_ANY
                with pytest.raises(NoSuchEndpoint, match="no destination yet"):
                    service.send(b"first")
            else:
                assert service.dest == first.addr
                service.send(second)
                machine.settle()
                assert first.recv(0) == (second, 1)
                assert other.queued == 0


def test_a_closed_endpoint_forgets_what_was_queued_and_its_address_is_free() -> None:
    with RpmsgMachine() as machine:
        sender, receiver = pair(machine)
        sender.send(b"old")
        machine.settle()
        with receiver:
            assert receiver.queued == 1
        with pytest.raises(NoSuchEndpoint, match="is closed"):
            receiver.recv(0)
        anew = machine.remote.create_endpoint(addr=3000)
        assert anew.queued == 0
        sender.send(b"new")
        machine.settle()
        assert anew.recv(0).data == b"new"
