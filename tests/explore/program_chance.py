"""Random statements of a program's part: accesses, barriers, uses of what was loaded, looks, doorbells. Not a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from program_words import COMPLAINTS, KEPT, TOLD
from python_programs import CANNOT_SLEEP, NEVER, PAYLOADS, WORDS, Block, Statement, line

from amp.ordering.barriers import Primitive

FENCES = tuple(each.name for each in Primitive)[2:]
SITES = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "K1", "K2", "B1")
PARTS_OF_A_GRANULE = ((0, 8), (0, 16), (2, 16), (0, 64), (3, 8), (4, 32), (6, 16), (0, 32), (0, 32))


@dataclass
class Chance:
    """Draws one part's statements. `mixed`: accesses of several widths; `waits`: so many more; `writer`: to APART."""

    random: Random
    cpu: int
    mixed: bool
    waits: int = 0
    writer: bool = False
    in_look: bool = False
    weights: dict[str, int] = field(default_factory=dict)

    def pick(self, *options: str) -> str:
        return self.random.choice(options)

    def odds(self, part: float) -> bool:
        return self.random.random() < part

    def word(self) -> str:
        return self.pick(*WORDS)

    # --- where and what ---

    def place(self) -> tuple[str, int]:
        """An address and how many bits are accessed there."""
        base = self.pick("X", "X", "Y", "Y", "Z")
        offset, bits = self.random.choice(PARTS_OF_A_GRANULE) if self.mixed and self.odds(0.5) else (0, 32)
        return (f"{base} + {offset}" if offset else base), bits

    def address(self, text: str) -> str:
        """As it is, or computed from what was loaded."""
        if self.odds(0.75):
            return text
        word = self.word()
        return self.pick(f"{text} + ({word} & 0)", f"{text} + ({word} & 0)", f"X + 0x40 * ({word} & 1)")

    def value(self, bits: int) -> str:
        word = self.word()
        if self.odds(0.6):
            return self.pick("1", "1", "2", "0")
        return self.pick(f"({word} & 0) + 1", f"{word} & 3", f"{word} + 1 & 3", f"{word} & {(1 << bits) - 1:#x}")

    # --- accesses ---

    def load(self) -> Statement:
        text, bits = self.place()
        acquire = "acquire_" if self.odds(0.15) else ""
        return line(f"{self.word()} = port.load_{acquire}u{bits}({self.address(text)})")

    def store(self) -> Statement:
        text, bits = self.place()
        release = "release_" if self.odds(0.15) else ""
        return line(f"port.store_{release}u{bits}({self.address(text)}, {self.value(bits)})")

    def atomic(self) -> Statement:
        (text, bits), word, value = self.place(), self.word(), self.value(8)
        address, kind = self.address(text), self.random.randrange(6)
        if kind == 0:
            return line(f"{word} = port.fetch_add_u{bits}({address}, {value})")
        if kind == 1:
            return line(f"{word} = port.xchg_u{bits}({address}, {value})")
        if kind == 2:
            expected = self.pick("0", "1", f"{self.word()} & {NEVER[bits]:#x}")
            return line(f"{word} = port.cmpxchg_u{bits}({address}, {expected}, {value})")
        if kind == 3:  # it fails, and is a load between full barriers
            plain = f"port.fence(P.SMP_MB)\n{word} = port.load_u{bits}({address})\nport.fence(P.SMP_MB)"
            return line(f"{word} = port.cmpxchg_u{bits}({address}, {NEVER[bits]:#x}, 1)", plain)
        if kind == 4:
            other = self.word()
            expected = f"({other} & 0) + {self.pick('0', '1')}"
            plain = f"{word} = port.cmpxchg_u{bits}({address}, {expected[-1]}, ({other} & 0) + 2)"
            return line(f"{word} = port.cmpxchg_u{bits}({address}, {expected}, 2)", plain)
        return self.apart()

    def apart(self) -> Statement:
        """At the place where the other CPU never loads an atomic that changes nothing does no more than a load does."""
        if self.writer:
            return line(f"port.store_u32(APART, {self.value(32)})")
        word = self.word()
        plain = f"port.fence(P.SMP_MB)\n{word} = port.load_u32(APART)\nport.fence(P.SMP_MB)"
        return line(f"{word} = port.fetch_add_u32(APART, 0)", plain, exactly=False)

    def bulk_load(self) -> Statement:
        (text, _), payload, word = self.place(), self.pick(*PAYLOADS), self.word()
        address = self.address(text)
        if self.odds(0.3):
            length = self.pick(f"{word} & 3", f"({word} & 1) + 4", f"{word} + 1 & 7", f"({word} & 0) + 4")
            return line(
                f"{payload} = port.read({address}, {length})", f"{payload} = port.read({address}, int({length}))"
            )
        if self.odds(0.2):
            whole = f'{word} = int.from_bytes(bytes(port.read({address}, 4)), "little")'
            return line(whole, f"{word} = int(port.load_u32({address}))" if "+" not in text else None)
        return line(f"{payload} = port.read({address}, {self.pick('1', '2', '4', '4', '8', '12')})")

    def bulk_store(self) -> Statement:
        (text, _), payload, word = self.place(), self.pick(*PAYLOADS), self.word()
        address = self.address(text)
        if self.odds(0.5):
            number, bits = self.pick("1", "2"), self.pick("8", "16", "32") if "+" not in text else "8"
            data = f"({number}).to_bytes({int(bits) // 8}, 'little')"
            return line(f"port.write({address}, {data})", f"port.store_u{bits}({address}, {number})")
        several = f"struct.pack('<I', {word} & 3)", f"bytes([{word} & 3, 1])", f"bytes({payload})[:4]", payload
        return line(f"port.write({address}, {self.pick(*several, 'bytes(range(1, 12))')})")

    def use(self) -> Statement:
        payload, word, other = self.pick(*PAYLOADS), self.word(), self.word()
        return line(
            self.pick(
                f'{word} = int.from_bytes(bytes({payload})[:8], "little")',
                f"{word} = {payload}[0] if len({payload}) else 0",
                f'{word} = int(bytes({payload}[0:2]) == b"\\1\\0")',
                f"{word} = int({payload} == bytes(len({payload})))",
                f"{word} = sum(memoryview({payload}))",
                f"{word} = int(numpy.frombuffer({payload}, numpy.uint8).sum()) if len({payload}) else 0",
                f"{word} = bytes({payload})[({other} & 3) % len({payload})] if len({payload}) else 0",
                f'{word} = attempt(lambda: struct.unpack_from("<H", {payload})[0])',
                f"{word} = max(bytearray({payload}), default=0)",
                f'{payload} = b"\\0"',
                f"{PAYLOADS[0]} = {PAYLOADS[1]}",
                f"{word} = int({PAYLOADS[0]} == bytes({PAYLOADS[1]}))",
                f"{word} = len({payload})",
                f'{word} = bytes({payload}).find(b"\\1") & 7',
                f"{payload} = memoryview({payload})[:1]",
            )
        )

    # --- order ---

    def fence(self) -> Statement:
        if self.odds(0.05):
            return line(self.pick(f"port.fence(2 + ({self.word()} & 1))", f"port.barrier(1 + ({self.word()} & 1))"))
        if self.odds(0.3):
            return line(f"port.barrier({self.pick(*SITES)})")
        if self.odds(0.15):
            return line(
                self.pick(
                    "port.fence(P.VIRT_MB)", "port.fence(P.VIRT_RMB)", "port.fence(P.VIRT_WMB)", "port.store_u16(X, 1)"
                )
            )
        return line(f"port.fence(P.{self.pick('MB', 'RMB', 'WMB', 'SMP_MB', 'SMP_RMB', 'SMP_WMB', *FENCES)})")

    # --- words ---

    def compute(self) -> Statement:
        """A number from numbers, in one of the ways that Python has; often what it came of is dropped."""
        a, b = self.word(), self.word()
        target = a if self.odds(0.6) else self.word()
        text = self.random.choice(KEPT) if self.odds(0.6) else self.random.choice(TOLD)
        return line(f"{target} = {text.format(a=a, b=b)}")

    def complain(self) -> Statement:
        """The port's exceptions know what a Word holds."""
        return line(f"{self.word()} = {self.pick(*COMPLAINTS).format(a=self.word())}")

    def forget(self) -> Statement:
        return line(f"{self.word()} = 0")

    def hold(self) -> Statement:
        """Frames, closures and containers that keep a Word while the program does something else."""
        word = self.word()
        (text, bits), target = self.place(), self.word()
        return line(
            self.pick(
                f"g0 = (port.load_u{bits}({text}) + {word} for _ in range(2))",
                f"{target} = next(g0, 0)",
                f"{target} = next(g0, 0)",
                f"t0 = [{word}]",
                f"t0.append({word})",
                f"{target} = t0.pop() if t0 else 0",
                f"{target} = (lambda kept={word}: kept)()",
                f"g0 = iter([{word}, {self.word()}])",
                f"g0 = map(operator.index, [{word}])",
                f"t0 = sorted([{word}, {self.word()}])",
                f"port.note(1, {word} & 0xff)",
                f"cycle = [{word}]; cycle.append(cycle)",
            )
        )

    # --- control ---

    def condition(self) -> str:
        a, b = self.word(), self.word()
        return self.pick(
            f"{a} == 1", f"{a}", f"{a} != {b}", f"{a} < {b}", f"not {a}", f"{a} & 1", f"{a} in (1, 2)", f"{a} is {b}"
        )

    def branch(self, depth: int) -> Statement:
        body = self.block(1 + self.random.randrange(2), depth + 1)
        return Statement(
            (self.pick(f"if {self.condition()}:", f"if {self.condition()}:", f"for _ in range({self.word()} & 1):"),),
            body,
        )

    def repeat(self, depth: int) -> Statement:
        return Statement(("for _ in range(2):",), self.block(1 + self.random.randrange(2), depth + 1))

    def protect(self, depth: int) -> Statement:
        (text, _), word = self.place(), self.word()
        body = (line(f"port.store_u8({text}, {word} + 254)"), *self.block(1, depth + 1))
        return Statement(("try:",), body, ("except OverflowError as error:", f"    {self.word()} = len(str(error))"))

    # --- the other CPU ---

    def kick(self) -> Statement:
        if self.odds(0.1):
            return line(f"port.kick({self.word()} & 1)")
        return line(f"port.kick({1 - self.cpu if self.odds(0.85) else self.cpu})")

    def wait(self) -> Statement:
        if self.waits <= 0:
            return self.kick()
        self.waits -= 1
        if self.odds(0.2):
            return Statement((f"port.kick({self.cpu})", f"port.wait()  {CANNOT_SLEEP}"))
        return line(self.pick("port.wait()", f"{self.word()} = int(port.wait())"))

    def poll(self) -> Statement:
        if self.waits <= 0:
            return self.load()
        self.waits -= 1
        if self.odds(0.1):
            return self.fetch()
        look, target = self.look(), self.word()
        call = f"{target} = port.poll(look)"
        if self.odds(0.75):
            return replace(look, tail=(*look.tail, call))
        raises = (
            f"    if {self.pick('v0 == 1', 'v0', 'v1', 'v0 != v1')}: raise LookupError({self.pick('v0', 'v1', '5')})"
        )
        catch = ("try:", f"    {call}", "except LookupError as error:", f"    {target} = error.args[0]")
        return replace(look, tail=(raises, *look.tail, *catch))

    def fetch(self) -> Statement:
        """What a look finds is a payload that nobody has used yet."""
        (text, _), (other, bits) = self.place(), self.place()
        found = "v0" if self.odds(0.7) else "bytes(data)[0]"
        body = (line(f"data = port.read({text}, {self.pick('1', '4', '8')})"), line(f"v0 = port.load_u{bits}({other})"))
        head = ("def look():", "    v0 = 1", '    data = b"\\0"')
        return Statement(
            head, body, (f"    return data if {found} else None", f"{self.pick(*PAYLOADS)} = port.poll(look)")
        )

    def look(self) -> Statement:
        """A look of one to three loads, of one location twice perhaps; it finds a Word or a number."""
        names = ("v0", "v1", "v2")
        places = [self.place() for _ in range(2)]
        body: list[Statement] = []
        for number in range(1 + self.random.randrange(3)):
            text, bits = self.random.choice(places)
            load = f"{names[number]} = port.load_{'acquire_' if self.odds(0.1) else ''}u{bits}({text})"
            if number and self.odds(0.25):
                load = f"if {names[number - 1]}: {load}"
            if self.odds(0.08):
                load = f"{names[number]} = bytes(port.read({text}, {bits // 8}))[0]"
            if self.odds(0.08):
                address = f"{text.split()[0]} + ({names[max(0, number - 1)]} & 1)"
                load = f"{names[number]} = attempt(lambda: port.load_u32({address}))"
            if self.odds(0.08):
                bases = ", ".join(text.partition(" ")[0] for text, _ in places)
                both = f"(port.load_u32(place) for place in ({bases}))"
                load = f"{names[number]} = {self.pick(f'sum({both})', f'next((v for v in {both} if v), 0)')}"
            body.append(line(load))
            if self.odds(0.15):
                body.append(line(f"port.fence(P.{self.pick('RMB', 'SMP_RMB', 'MB', 'DMA_RMB', 'LOAD_ACQUIRE')})"))
        a, b = self.pick(*names), self.pick(*names)
        if len(body) == 1:
            a = names[0]
        found = self.pick(
            f"{a} == 1", f"{a}", f"{a} or {b}", f"{a} != {self.word()}", f"{a} == {b} and {a}", f"{a} & 1", "True"
        )
        result = self.pick(a, b, "1", f"{b} + 1", f"{a} * 4 + {b}", f"int({b})")
        other = "None" if found != "True" and self.odds(0.85) else "9"
        head = ("def look():", "    v0 = v1 = v2 = 0")
        return Statement(head, tuple(body), (f"    return {result} if {found} else {other}",))

    # --- together ---

    def statement(self, depth: int = 0) -> Statement:
        kinds: dict[str, tuple[int, Callable[[], Statement]]] = {
            "load": (24, self.load),
            "store": (20, self.store),
            "atomic": (6, self.atomic),
            "bulk_load": (6, self.bulk_load),
            "bulk_store": (4, self.bulk_store),
            "use": (5, self.use),
            "fence": (9, self.fence),
            "compute": (12, self.compute),
            "complain": (4, self.complain),
            "forget": (3, self.forget),
            "hold": (3, self.hold),
            "branch": (6 if depth < 2 else 0, lambda: self.branch(depth)),
            "repeat": (2 if depth < 1 else 0, lambda: self.repeat(depth)),
            "protect": (1 if depth < 1 else 0, lambda: self.protect(depth)),
            "kick": (4, self.kick),
            "wait": (4, self.wait),
            "poll": (6, self.poll),
            "apart": (2, self.apart),
        }
        weights = [self.weights.get(name, weight) if weight else 0 for name, (weight, _) in kinds.items()]
        return self.random.choices([make for _, make in kinds.values()], weights)[0]()

    def block(self, size: int, depth: int = 0) -> Block:
        return tuple(self.statement(depth) for _ in range(size))

    def seen(self) -> tuple[str, ...]:
        """How the part looks at what it has: all of it, or hardly."""
        looks = ("int({})", "int({})", "int({})", "{} == 1", "int({}) & 1", "bool({})", "str({})", "{} > 1")
        seen = [self.random.choice(looks).format(word) for word in WORDS if self.odds(0.7)]
        if self.odds(0.25):
            seen.append(f"bytes({self.pick(*PAYLOADS)})[:4].hex()")
        return tuple(seen) or ("int(w0)",)
