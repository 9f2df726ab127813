"""Linux C threads compiled as they stand: every primitive becomes what it is on the host's architecture.

Statements are taken one by one, as a compiler without optimisation would: nothing is merged, moved or removed, and a
branch orders every later store of its thread, as the branch of the compiled program does (the kernel's own model lets
it order only the stores inside the `if`). Shared memory is reached through the primitives alone: a plain access to it
is an error, since what a compiler makes of one is not for a platform to say. Integers have C's types and conversions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from amp.litmus import primitives, syntax
from amp.litmus.c_arithmetic import Arithmetic, Value
from amp.litmus.c_types import INT, LONG, UINT, ULONG, CType, c_type
from amp.litmus.emit import NOTHING, Shared, Thread
from amp.litmus.primitives import PRIMITIVES, Order, Result
from amp.litmus.program import ACQUIRE, FENCED, FULL, RELEASE, SIGNED, Alu, Ordering, Rmw
from amp.ordering.architectures import Row
from amp.ordering.barriers import Primitive

Rows = Mapping[Primitive, Row]


def atomics_are_full(rows: Rows) -> bool:
    """Whether every atomic operation of this architecture is a full barrier, whatever its name asks for.

    It is where smp_store_mb() is a bare xchg: x86, whose locked instructions all are (Intel SDM vol. 3A, 8.2.5).
    """
    return rows[Primitive.VIRT_STORE_MB].instruction == "xchg"


class CCompiler:
    """One thread. `variables` are its registers by name, also those that only the initial values declare."""

    def __init__(self, shared: Shared, thread: syntax.CThread, rows: Rows, initial: list[syntax.Initial]) -> None:
        self.code = Thread(shared, thread.number)
        self.arithmetic = Arithmetic(self.code)
        self.rows = rows
        self.parameters: dict[str, CType] = {}
        self.variables: dict[str, Value] = {}
        self.scopes: list[set[str]] = []  # what the blocks around here declare, outermost first
        for parameter in thread.parameters:
            self.code.line = parameter.line
            self._parameter(parameter)
        for entry in initial:
            self._initial(entry)
        self._scope(thread.body)

    # --- names

    def _type(self, words: tuple[str, ...]) -> CType:
        found = c_type(words)
        if found is None:
            raise self.code.refuse(f"type {' '.join(words)!r} is not supported")
        return found

    def _parameter(self, parameter: syntax.Declaration) -> None:
        found = self._type(parameter.type_words)
        if not found.is_pointer:
            raise self.code.refuse(f"parameter {parameter.name!r} is no pointer to a shared location")
        self.parameters[parameter.name] = found
        self.code.shared.location(parameter.line, parameter.name)

    def _initial(self, entry: syntax.Initial) -> None:
        assert isinstance(entry.target, syntax.RegisterName)
        self.code.line = entry.line
        found = self._type(entry.type_words) if entry.type_words else LONG
        self._declare(entry.target.name, found)
        register = self.variables[entry.target.name].register
        if isinstance(entry.value, str):
            self.code.address(entry.value, register)
        else:
            self.code.literal(entry.value or 0, register)

    def _declare(self, name: str, found: CType) -> None:
        known = self.variables.get(name)
        if name in self.parameters:
            raise self.code.refuse(f"{name!r} is a parameter already")
        if found.width_bytes == 0:
            raise self.code.refuse(f"{name!r} is declared void")
        if name == "NULL":
            raise self.code.refuse("'NULL' is declared a variable")
        self.variables[name] = Value(self.code.name_register() if known is None else known.register, found)

    # --- statements

    def _statements(self, statements: tuple[syntax.Statement, ...]) -> None:
        for statement in statements:
            self._statement(statement)
            self.code.release_scratch()

    def _scope(self, statements: tuple[syntax.Statement, ...]) -> None:
        self.scopes.append(set())
        self._statements(statements)
        self.scopes.pop()

    def _statement(self, statement: syntax.Statement) -> None:
        match statement:
            case syntax.Block(scoped=True):
                self._scope(statement.statements)
            case syntax.Block():
                self._statements(statement.statements)
            case syntax.Declaration():
                self._declaration(statement)
            case syntax.Assignment():
                self._assignment(statement)
            case syntax.Evaluation():
                self.code.line = statement.line
                self._evaluation(statement.expression)
            case syntax.If():
                self._branch(statement)

    def _declaration(self, statement: syntax.Declaration) -> None:
        self.code.line = statement.line
        if any(statement.name in scope for scope in self.scopes):  # one that hides another is not supported
            raise self.code.refuse(f"{statement.name!r} is declared a second time")
        self.scopes[-1].add(statement.name)
        known = self.variables.get(statement.name)
        found = self._type(statement.type_words)
        if known is not None and known.type != found:
            raise self.code.refuse(f"{statement.name!r} is declared a second time, with another type")
        self._declare(statement.name, found)
        if statement.value is not None:
            self._assign(self.variables[statement.name], statement.value)

    def _assignment(self, statement: syntax.Assignment) -> None:
        self.code.line = statement.line
        if not isinstance(statement.target, syntax.Name):
            raise self.code.refuse("plain access to shared memory is not supported: use WRITE_ONCE()")
        variable = self.variables.get(statement.target.name)
        if variable is None:
            raise self.code.refuse(f"{statement.target.name!r} is not declared")
        self._assign(variable, statement.value)

    def _assign(self, variable: Value, expression: syntax.Expression) -> None:
        value = self.arithmetic.convert(self._value(expression), variable.type)
        self.code.move(value.register, variable.register)

    def _evaluation(self, expression: syntax.Expression) -> None:
        if isinstance(expression, syntax.Call):
            self._call(expression)
        else:
            self._value(expression)

    def _branch(self, statement: syntax.If) -> None:
        self.code.line = statement.line
        otherwise, end = self.code.new_label(), self.code.new_label()
        self._jump_unless(statement.condition, otherwise)
        self.code.release_scratch()
        self._scope(statement.then)
        if statement.otherwise:
            self.code.jump(end)
        self.code.label(otherwise)
        self._scope(statement.otherwise)
        self.code.label(end)

    def _jump_unless(self, condition: syntax.Expression, label: str) -> None:
        """Go on here if `condition` holds, else at `label`. && and || evaluate only what C does."""
        match condition:
            case syntax.Binary(operator="&&"):
                self._jump_unless(condition.left, label)
                self._jump_unless(condition.right, label)
            case syntax.Binary(operator="||"):
                right, holds = self.code.new_label(), self.code.new_label()
                self._jump_unless(condition.left, right)
                self.code.jump(holds)
                self.code.label(right)
                self._jump_unless(condition.right, label)
                self.code.label(holds)
            case _:
                self.code.jump_if_zero(self._value(condition).register, label)

    # --- expressions

    def _value(self, expression: syntax.Expression) -> Value:  # noqa: PLR0911  (one for each kind)
        self.code.line = expression.line
        match expression:
            case syntax.Number():
                return self._number(expression)
            case syntax.Name():
                return self._name(expression.name)
            case syntax.Unary():
                return self._unary(expression)
            case syntax.Binary(operator="&&" | "||"):
                return self._logical(expression)
            case syntax.Binary():
                return self._binary(expression)
            case syntax.Cast():
                return self.arithmetic.convert(self._value(expression.operand), self._type(expression.type_words))
            case syntax.Call():
                value = self._call(expression)
                if value is None:
                    raise self.code.refuse(f"{expression.function}() has no value")
                return value

    def _number(self, number: syntax.Number) -> Value:
        if "u" in number.suffix:
            found = ULONG if "l" in number.suffix or number.value >> 32 else UINT
        else:
            found = LONG if "l" in number.suffix or number.value >> 31 else INT
        return Value(self.code.literal(number.value), found)

    def _name(self, name: str) -> Value:
        if name in self.variables:
            return Value(self.variables[name].register, self.variables[name].type)
        if name in self.parameters:
            return Value(self.code.address(name), self.parameters[name])
        raise self.code.refuse(f"{name!r} is not declared")

    def _unary(self, expression: syntax.Unary) -> Value:
        match expression.operator:
            case "&":
                return self._address_of(expression.operand)
            case "*":
                raise self.code.refuse("plain access to shared memory is not supported: use READ_ONCE()")
            case "!":
                value = self._value(expression.operand)
                return Value(self.code.alu(Alu.EQ, value.register, self.code.constant(0)), INT)
            case "+":
                return self._value(expression.operand)
            case "-":
                zero = Value(self.code.constant(0), INT)
                return self.arithmetic.binary("-", zero, self._value(expression.operand))
            case _:
                ones = Value(self.code.constant(-1), INT)
                return self.arithmetic.binary("^", self._value(expression.operand), ones)

    def _address_of(self, operand: syntax.Expression) -> Value:
        if not isinstance(operand, syntax.Name) or operand.name in self.variables:
            raise self.code.refuse("'&' is supported before the name of a shared location only")
        found = self.parameters.get(operand.name, INT.pointer)
        return Value(self.code.address(operand.name), found)

    def _logical(self, expression: syntax.Binary) -> Value:
        if not _calls(expression.right):  # nothing that must not happen: both sides are values
            left, right = self._truth(expression.left), self._truth(expression.right)
            return Value(self.code.alu(Alu.AND if expression.operator == "&&" else Alu.OR, left, right), INT)
        result, end = self.code.scratch(), self.code.new_label()
        self.code.constant(0, result)
        self._jump_unless(expression, end)
        self.code.constant(1, result)
        self.code.label(end)
        return Value(result, INT)

    def _truth(self, expression: syntax.Expression) -> int:
        return self.code.alu(Alu.NE, self._value(expression).register, self.code.constant(0))

    def _binary(self, expression: syntax.Binary) -> Value:
        left, right = self._value(expression.left), self._value(expression.right)
        self.code.line = expression.line
        count = expression.right.value if isinstance(expression.right, syntax.Number) else None
        return self.arithmetic.binary(expression.operator, left, right, count)

    # --- calls

    def _call(self, call: syntax.Call) -> Value | None:
        self.code.line = call.line
        row = PRIMITIVES.get(call.function)
        match row:
            case None:
                raise self.code.refuse(f"{call.function}() is not supported")
            case primitives.FenceRow():
                self._arguments(call, 0)
                self.code.fence(self._ordering(row.primitive))
            case primitives.AroundAtomicRow():
                self._arguments(call, 0)
                if not atomics_are_full(self.rows):
                    self.code.fence(self._ordering(Primitive.SMP_MB))
            case primitives.NoRow():
                self._arguments(call, 0)
            case primitives.LoadRow():
                [where] = self._arguments(call, 1)
                return self._load(self._pointer(where, row.by_address), row)
            case primitives.StoreRow():
                where, what = self._arguments(call, 2)
                self._store(self._pointer(where, row.by_address), self._value(what), row)
            case primitives.AtomicRow(rmw=Rmw.CMPXCHG):
                return self._compare_exchange(call, row)
            case primitives.AtomicRow():
                return self._atomic(call, row)
        return None

    def _arguments(self, call: syntax.Call, count: int) -> tuple[syntax.Expression, ...]:
        if len(call.arguments) != count:
            raise self.code.refuse(f"{call.function}() has {len(call.arguments)} arguments, expected {count}")
        return call.arguments

    def _pointer(self, expression: syntax.Expression, by_address: bool) -> Value:
        """The address of a shared location, from a pointer or from "*pointer"."""
        if not by_address:
            if not isinstance(expression, syntax.Unary) or expression.operator != "*":
                raise self.code.refuse("the location is not of the form *pointer")
            expression = expression.operand
        value = self._value(expression)
        if not value.type.is_pointer or value.type.target.width_bytes == 0:
            raise self.code.refuse("the location is no pointer to an integer or a pointer")
        return value

    def _ordering(self, primitive: Primitive) -> Ordering:
        row = self.rows[primitive]
        return Ordering(row.orders, row.reach)

    def _access_ordering(self, primitive: Primitive) -> tuple[Ordering, Ordering]:
        """What the access orders itself, and the fence that it is made with: one of the two orders nothing."""
        row = self.rows[primitive]
        if row.fence:
            return NOTHING, Ordering(row.fence, row.reach)
        return Ordering(row.orders, row.reach), NOTHING

    def _load(self, pointer: Value, row: primitives.LoadRow) -> Value:
        target = pointer.type.target
        flags = SIGNED if target.is_signed else 0
        order, fence = self._access_ordering(row.primitive)
        register = self.code.load(pointer.register, target.width_bytes, order, flags)
        self.code.fence(fence)
        return Value(register, target)

    def _store(self, pointer: Value, value: Value, row: primitives.StoreRow) -> None:
        order, fence = self._access_ordering(row.primitive)
        self.code.fence(fence)
        self.code.store(pointer.register, value.register, pointer.type.target.width_bytes, order)
        self.code.fence(self._ordering(row.then))

    def _atomic(self, call: syntax.Call, row: primitives.AtomicRow) -> Value | None:
        arguments = list(self._arguments(call, 1 if row.operand is not None else 2))
        where = arguments.pop(-1 if row.operand_first else 0)
        operand = self._value(arguments[0]).register if row.operand is None else self.code.constant(row.operand)
        if row.inverted:
            operand = self.code.alu(Alu.XOR, operand, self.code.constant(-1))
        pointer = self._pointer(where, by_address=True)
        target = pointer.type.target
        order, flags = self._atomic_order(row.order)
        flags |= SIGNED if target.is_signed else 0
        self.code.fence(self._fence_before(row.order))
        read = self.code.rmw(row.rmw, pointer.register, operand, target.width_bytes, order=order, flags=flags)
        old = Value(read, target)
        if row.result is Result.NONE:
            return None
        if row.result is Result.OLD:
            return old
        new = self.arithmetic.wrapped(Value(self.code.alu(_RMW_ALU[row.rmw], old.register, operand), target))
        if row.result is Result.NEW:
            return new
        test = Alu.EQ if row.result is Result.NEW_IS_ZERO else Alu.LT
        return Value(self.code.alu(test, new.register, self.code.constant(0)), INT)

    def _compare_exchange(self, call: syntax.Call, row: primitives.AtomicRow) -> Value:
        where, expected, new = self._arguments(call, 3)
        pointer = self._pointer(where, by_address=True)
        target = pointer.type.target
        compared = self._value(expected).register
        operand = self._value(new).register
        order, flags = self._atomic_order(row.order)
        flags |= SIGNED if target.is_signed else 0
        # Where every atomic is a full barrier, it is one also when it fails.
        around = order if atomics_are_full(self.rows) else NOTHING
        self.code.fence(around)
        self.code.fence(self._fence_before(row.order))
        read = self.code.rmw(
            Rmw.CMPXCHG, pointer.register, operand, target.width_bytes, expected=compared, order=order, flags=flags
        )
        self.code.fence(around)
        return Value(read, target)

    def _atomic_order(self, order: Order) -> tuple[Ordering, int]:
        """The ordering and flags of an atomic operation on this architecture."""
        if order is Order.FULL or atomics_are_full(self.rows):
            return self._ordering(Primitive.SMP_MB), FULL
        match order:
            case Order.ACQUIRE:
                access, fence = self._access_ordering(Primitive.LOAD_ACQUIRE)
                return (fence, FENCED) if fence.orders else (access, ACQUIRE)
            case Order.RELEASE:
                return self._access_ordering(Primitive.STORE_RELEASE)[0], RELEASE
        assert order is Order.RELAXED
        return NOTHING, 0

    def _fence_before(self, order: Order) -> Ordering:
        """What stands before an atomic that is a release, where releases are made with a fence."""
        if order is not Order.RELEASE or atomics_are_full(self.rows):
            return NOTHING
        return self._access_ordering(Primitive.STORE_RELEASE)[1]


_RMW_ALU: Final = {Rmw.ADD: Alu.ADD, Rmw.SUB: Alu.SUB}


def _calls(expression: syntax.Expression) -> bool:
    match expression:
        case syntax.Call():
            return True
        case syntax.Unary() | syntax.Cast():
            return _calls(expression.operand)
        case syntax.Binary():
            return _calls(expression.left) or _calls(expression.right)
    return False
