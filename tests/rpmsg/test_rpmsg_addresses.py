"""The table of addresses against the simplest model there is: a dict, and a search from 1024 on."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from amp.errors import AddressInUse, UsageError
from amp.rpmsg.addresses import AddressTable
from amp.rpmsg.wire import ADDR_ANY

near = st.one_of(st.integers(0, 3), st.integers(1020, 1032), st.integers(ADDR_ANY - 2, ADDR_ANY - 1))


class Addresses(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.table: AddressTable[object] = AddressTable()
        self.model: dict[int, object] = {}

    @rule()
    def take_any(self) -> None:
        owner = object()
        lowest = next(addr for addr in itertools.count(1024) if addr not in self.model)
        assert self.table.add(ADDR_ANY, owner) == lowest
        self.model[lowest] = owner

    @rule(addr=near)
    def take(self, addr: int) -> None:
        owner = object()
        if addr in self.model:
            with pytest.raises(AddressInUse, match=str(addr)):
                self.table.add(addr, owner)
        else:
            assert self.table.add(addr, owner) == addr
            self.model[addr] = owner

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        addr = data.draw(st.sampled_from(sorted(self.model)))
        self.table.remove(addr)
        del self.model[addr]

    @invariant()
    def the_owners_are_the_same(self) -> None:
        assert self.table.owner == self.model


TestAddresses = Addresses.TestCase
TestAddresses.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("addr", [-1, ADDR_ANY + 1])
def test_a_number_that_is_no_address_is_refused(addr: int) -> None:
    table: AddressTable[int] = AddressTable()
    with pytest.raises(UsageError, match=f"endpoint address is {addr}"):
        table.add(addr, 1)
    assert not table.owner


def test_an_address_asked_for_by_number_again_and_again_takes_no_memory() -> None:
    table: AddressTable[int] = AddressTable()
    assert [table.add(ADDR_ANY, 0) for _ in range(3)] == [1024, 1025, 1026]
    table.remove(1025)
    for _ in range(100):
        table.add(1025, 0)
        table.remove(1025)
    assert len(table._returned) == 1
    assert table.add(ADDR_ANY, 0) == 1025


def test_4000_addresses_are_given_and_given_again() -> None:
    table: AddressTable[int] = AddressTable()
    addresses = [table.add(ADDR_ANY, number) for number in range(4000)]
    assert addresses == list(range(1024, 5024))
    for addr in addresses:
        table.remove(addr)
    assert [table.add(ADDR_ANY, number) for number in range(4000)] == addresses
