"""Random litmus tests as text: around critical cycles, and unstructured, in three dialects. Not a test.

Around a cycle there are as many locations as threads: each thread's last access meets the next one's first at one of
them. One thread is the one in question, and between its two accesses stands a random mix: chains of moves, extensions
and arithmetic that end in an address, a value or a branch; barriers; acquires and releases; atomics; a location of its
own, stored to and read again. Chains begin at what was loaded, or at a number, which nothing may depend on. The other
threads mostly keep their two accesses in order: so what the one thread keeps decides what can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

LOCATIONS = ("x", "y", "z", "w")


@dataclass
class AArch64:
    """`wide`: accesses of different width to one location."""

    random: Random
    number: int
    wide: bool = False
    lines: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    initial: list[str] = field(default_factory=list)
    labels: int = 0
    atomics: int = 1
    plain: bool = False

    def __post_init__(self) -> None:
        self.free = list(range(19))
        head = self.free[:3]
        self.random.shuffle(head)
        self.free[:3] = head

    def register(self) -> str:
        return str(self.free.pop(0)) if self.free else "18"

    def say(self, line: str) -> None:
        self.lines.append(line)

    def base(self, location: str) -> str:
        return f"X{20 + LOCATIONS.index(location)}"

    def number_in(self, size: int) -> str:
        """A register with a number of its own, which nothing is loaded for."""
        register = self.register()
        if self.wide:
            self.initial.append(
                f"{self.number}:X{register}={self.random.choice([0x0101, 0x02020202, 0x303030303, 4, 0x500])}"
            )
        else:
            self.say(f"MOV {'X' if size == 8 else 'W'}{register},#{self.random.randint(1, 2)}")
        return register

    def chain(self, source: str, *, keep: bool = False) -> str:
        """A register computed from register `source` alone: 0, or with `keep` perhaps its value."""
        at, zero = source, False
        for _ in range(self.random.randint(0, 3)):
            to = self.register()
            how = self.random.randint(0, 5)
            if how == 0:
                size = self.random.choice("WX")
                self.say(f"MOV {size}{to},{size}{at}")
            elif how == 1:
                self.say(f"SXTW X{to},W{at}")
            elif how == 2:
                self.say(f"UXTW X{to},W{at}")
            elif how == 3 and not keep:
                size = self.random.choice("WX")
                self.say(f"EOR {size}{to},{size}{at},{size}{at}")
                zero = True
            else:
                size = self.random.choice("WX")
                self.say(
                    f"{self.random.choice(['ADD', 'ORR'])} {size}{to},{size}{at},{size}ZR"
                    if False
                    else f"ORR {size}{to},{size}{at},{size}{at}"
                )
            at = to
        if not keep and not zero:
            to = self.register()
            size = self.random.choice("WX")
            self.say(f"EOR {size}{to},{size}{at},{size}{at}")
            at = to
        return at

    def noise(self) -> None:
        """Something in a register that no chain needs."""
        if self.random.randint(0, 2) == 0:
            to = self.register()
            self.say(f"MOV W{to},#{self.random.randint(0, 3)}")

    def address(self, location: str, source: str | None) -> str:
        """Perhaps by way of register `source`."""
        if source is None:
            return f"[{self.base(location)}]"
        zero = self.chain(source)
        how = self.random.randint(0, 3)
        if how == 0:
            return f"[{self.base(location)},W{zero},{self.random.choice(['SXTW', 'UXTW'])}]"
        if how == 1:
            return f"[{self.base(location)},X{zero}]"
        to = self.register()
        self.say(f"ADD X{to},{self.base(location)},X{zero}")
        return f"[X{to}]"

    def size(self) -> tuple[str, str, int]:
        """(register letter, suffix, bytes)."""
        if not self.wide:
            return "W", "", 4
        return self.random.choice([("W", "", 4), ("X", "", 8), ("W", "", 4), ("W", "H", 2), ("W", "B", 1)])

    def read(self, location: str, source: str | None = None) -> None:
        kind = "LDR" if self.plain else self.random.choice(["LDR"] * 4 + ["LDAR", "LDAR", "LDAPR", "atomic"])
        if kind == "atomic" and self.atomics:
            self.atomic(location, source)
            return
        kind = "LDR" if kind == "atomic" else kind
        letter, suffix, size = self.size()
        address = self.address(location, source)
        if kind != "LDR" and "," in address:
            kind = "LDR"
        if kind == "LDR" and self.wide and address.count(",") == 0 and size < 8 and self.random.randint(0, 3) == 0:
            address = address.replace("]", f",#{size}]")
        to = self.register()
        self.say(f"{kind}{suffix} {letter}{to},{address}")
        self.loaded.append(to)
        self.noise()

    def write(self, location: str, source: str | None = None) -> None:
        kind = "STR" if self.plain else self.random.choice(["STR"] * 4 + ["STLR", "STLR", "atomic"])
        by_address = self.random.randint(0, 1)
        if kind == "atomic" and self.atomics:
            self.atomic(location, source)
            return
        kind = "STR" if kind == "atomic" else kind
        letter, suffix, size = self.size()
        value = self.value(size, None if by_address else source)
        address = self.address(location, source if by_address else None)
        if kind != "STR" and "," in address:
            kind = "STR"
        if kind == "STR" and self.wide and address.count(",") == 0 and size < 8 and self.random.randint(0, 3) == 0:
            address = address.replace("]", f",#{size}]")
        self.say(f"{kind}{suffix} {letter}{value},{address}")

    def value(self, size: int, source: str | None) -> str:
        if source is None:
            return self.number_in(size)
        if self.random.randint(0, 2) == 0:
            return self.chain(source, keep=True)
        zero, number, to = self.chain(source), self.number_in(size), self.register()
        letter = "X" if self.wide else "W"
        self.say(f"ADD {letter}{to},{letter}{zero},{letter}{number}")
        return to

    def atomic(self, location: str, source: str | None) -> None:
        self.atomics -= 1
        letter, part, size = self.size()
        kind = self.random.choice(["SWP", "SWP", "LDADD", "LDSET", "CAS", "CAS", "CAS"])
        order = self.random.choice(["", "A", "L", "AL", "A", "AL"])
        how = self.random.choice([0, 1, 2, 2])
        address = self.address(location, source if how == 0 else None)
        if "," in address:
            to = self.register()
            base, index, *extend = address.strip("[]").split(",")
            if extend:
                wide = self.register()
                self.say(f"{extend[0]} X{wide},{index}")
                index = f"X{wide}"
            self.say(f"ADD X{to},{base},{index}")
            address = f"[X{to}]"
        value = self.value(size, source if how == 1 else None)
        if kind == "CAS":
            expected = self.register()
            if how == 2 and source is not None:
                zero = self.chain(source)
                self.say(f"ORR X{expected},X{zero},X{zero}")
                if self.random.randint(0, 2) == 0:
                    self.say(f"ADD W{expected},W{expected},#1")
            else:
                self.say(f"MOV W{expected},#{self.random.choice([0, 0, 1, 1, 2])}")
            if self.random.randint(0, 4) == 0:
                self.say(f"CAS{order}{part} {letter}ZR,{letter}{value},{address}")
                return
            self.say(f"CAS{order}{part} {letter}{expected},{letter}{value},{address}")
            self.loaded.append(expected)
            return
        if self.random.randint(0, 2) == 0:
            self.say(f"{kind}{order}{part} {letter}{value},{letter}ZR,{address}")
            return
        to = self.register()
        self.say(f"{kind}{order}{part} {letter}{value},{letter}{to},{address}")
        self.loaded.append(to)

    def between(self, source: str | None) -> str | None:
        """Something that may order; gives the register for the next access to depend on."""
        how = self.random.randint(0, 9)
        if how <= 1:
            word, option = self.random.choice(["DMB", "DMB", "DSB"]), self.random.choice(["", "LD", "ST"])
            domain = self.random.choice(["SY", "ISH", "OSH", "NSH"])
            self.say(f"{word} {option or 'SY' if domain == 'SY' else domain + option}")
        elif how == 2 and source is not None:
            self.branch(self.chain(source, keep=self.random.randint(0, 1) == 0))
            if self.random.randint(0, 1):
                self.say("ISB")
        elif how == 3 and source is not None:
            return source if self.random.randint(0, 1) else self.chain(source, keep=True)
        elif how == 4:
            self.noise()
        return source if source is not None and how >= 5 else None

    def overwrite(self, location: str) -> None:
        """A byte is read and written, and the whole location read."""
        seen, value, whole = self.register(), self.number_in(4), self.register()
        self.say(f"LDRB W{seen},[{self.base(location)}]")
        self.say(f"STRB W{value},[{self.base(location)}]")
        self.say(f"LDR X{whole},[{self.base(location)}]")
        self.loaded += [seen, whole]

    def strong(self) -> None:
        self.say(self.random.choice(["DMB SY", "DMB SY", "DSB SY"]))

    def constant(self) -> str:
        """A register that no load has to do with."""
        to = self.register()
        self.say(f"MOV W{to},#{self.random.randint(0, 1)}")
        return to

    def branch(self, register: str) -> None:
        self.labels += 1
        label, size = f"L{self.number}{self.labels}", self.random.choice("WX")
        how = self.random.randint(0, 2)
        if how < 2:
            self.say(f"{['CBZ', 'CBNZ'][how]} {size}{register},{label}")
        else:
            self.say(f"CMP {size}{register},#{self.random.randint(0, 1)}")
            self.say(f"B.{self.random.choice(['EQ', 'NE', 'GT', 'LE'])} {label}")
        self.say(f"{label}:")


@dataclass
class X86:
    random: Random
    number: int
    lines: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    initial: list[str] = field(default_factory=list)
    labels: int = 0
    atomics: int = 1
    plain: bool = False

    def __post_init__(self) -> None:
        self.free = ["EBX", "ECX", "EDX", "ESI", "EDI"]

    def register(self) -> str:
        return self.free.pop(0) if self.free else "EBP"

    def read(self, location: str, source: str | None = None) -> None:
        del source
        if self.atomics and not self.plain and self.random.randint(0, 2) == 0:
            self.locked(location)
            return
        to = self.register()
        self.lines.append(f"MOV {to},[{location}]")
        self.loaded.append(to)

    def write(self, location: str, source: str | None = None) -> None:
        if self.atomics and not self.plain and self.random.randint(0, 2) == 0:
            self.locked(location)
        elif source is not None and self.random.randint(0, 2) == 0:
            self.lines.append(f"MOV [{location}],{source}")
        else:
            self.lines.append(f"MOV [{location}],${self.random.randint(1, 2)}")

    def atomic(self, location: str, source: str | None) -> None:
        del source
        self.locked(location)

    def strong(self) -> None:
        self.lines.append("MFENCE")

    def constant(self) -> str:
        to = self.register()
        self.lines.append(f"MOV {to},$1")
        return to

    def locked(self, location: str) -> None:
        self.atomics -= 1
        how = self.random.randint(0, 3)
        to = self.register()
        if how == 3:
            self.lines.append(
                f"LOCK {self.random.choice(['ADD', 'OR', 'XOR'])} [{location}],${self.random.randint(1, 2)}"
            )
            return
        self.lines.append(f"MOV {to},${self.random.randint(1, 2)}")
        if how == 2:
            self.lines += [f"MOV EAX,${self.random.randint(0, 1)}", f"LOCK CMPXCHG [{location}],{to}"]
            self.loaded.append("EAX")
        else:
            self.lines.append(f"XCHG [{location}],{to}" if how else f"LOCK XADD [{location}],{to}")
            self.loaded.append(to)

    def between(self, source: str | None) -> str | None:
        how = self.random.randint(0, 5)
        if how == 0:
            self.lines.append(self.random.choice(["MFENCE", "MFENCE", "LFENCE", "SFENCE"]))
        elif how == 1 and source is not None:
            self.labels += 1
            label = f"L{self.number}{self.labels}"
            self.lines += [f"CMP {source},$1", f"{self.random.choice(['JE', 'JNE', 'JGE'])} {label}", f"{label}:"]
        return source


@dataclass
class C:
    """Statements; variables are ints, and longs."""

    random: Random
    number: int
    lines: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    initial: list[str] = field(default_factory=list)
    variables: int = 0
    atomics: int = 1
    plain: bool = False

    def variable(self, value: str, kind: str = "int") -> str:
        name = f"r{self.variables}"
        self.variables += 1
        self.lines.append(f"{kind} {name} = {value};")
        return name

    def chain(self, source: str, *, keep: bool = False) -> str:
        at = source
        for _ in range(self.random.randint(0, 2)):
            how = self.random.randint(0, 4)
            kind = self.random.choice(["int", "long", "unsigned int"])
            at = self.variable([at, f"({kind}){at}", f"{at} + 0", f"{at} | {at}", f"({at} << 1) >> 1"][how], kind)
        return at if keep else self.variable(f"{at} ^ {at}", self.random.choice(["int", "long"]))

    def strong(self) -> None:
        self.lines.append("smp_mb();")

    def constant(self) -> str:
        return self.variable(str(self.random.randint(0, 1)), self.random.choice(["int", "long", "unsigned int"]))

    def noise(self) -> None:
        if self.random.randint(0, 3) == 0:
            self.variable(str(self.random.randint(0, 3)))

    def place(self, location: str, source: str | None) -> str:
        return location if source is None else f"({location} + {self.chain(source)})"

    def read(self, location: str, source: str | None = None) -> None:
        how = 0 if self.plain else self.random.randint(0, 8)
        if how == 8 and self.atomics:
            self.atomic(location, source)
            return
        place = self.place(location, source)
        text = f"smp_load_acquire({place})" if how >= 6 else f"READ_ONCE(*{place})"
        self.loaded.append(self.variable(text))
        self.noise()

    def write(self, location: str, source: str | None = None) -> None:
        how = 0 if self.plain else self.random.randint(0, 8)
        if how == 8 and self.atomics:
            self.atomic(location, source)
            return
        by_address = self.random.randint(0, 1)
        value = self.value(None if by_address else source)
        place = self.place(location, source if by_address else None)
        if how >= 7:
            self.lines.append(f"smp_store_mb(*{place}, {value});")
        else:
            self.lines.append(
                f"smp_store_release({place}, {value});" if how >= 5 else f"WRITE_ONCE(*{place}, {value});"
            )

    def value(self, source: str | None) -> str:
        number = str(self.random.randint(1, 2))
        if source is None:
            return number
        if self.random.randint(0, 1):
            return self.chain(source, keep=True)
        return f"{self.chain(source)} + {number}"

    def atomic(self, location: str, source: str | None) -> None:
        self.atomics -= 1
        suffix = self.random.choice(["", "_acquire", "_release", "_relaxed", ""])
        how = self.random.randint(0, 4)
        value = self.value(source)
        if how == 0:
            text = f"xchg{suffix}({location}, {value})"
        elif how <= 2:
            expected = (
                self.chain(source) if source is not None and self.random.randint(0, 1) else self.random.choice("001")
            )
            text = f"cmpxchg{suffix}({location}, {expected}, {value})"
        else:
            verb = self.random.choice(["add", "or", "sub"])
            text = f"atomic_fetch_{verb}{suffix}({value}, (atomic_t *){location})"
        self.loaded.append(self.variable(text))

    def between(self, source: str | None) -> str | None:
        how = self.random.randint(0, 9)
        if how <= 1:
            kind = self.random.choice(["smp_", "smp_", "smp_", "", "dma_", "virt_"])
            self.lines.append(f"{kind}{self.random.choice(['mb', 'rmb', 'wmb'])}();")
        elif how == 2 and source is not None:
            self.lines.append(f"if ({self.chain(source, keep=True)} == {self.random.randint(0, 1)}) {{ }}")
        elif how == 3:
            self.noise()
        return source if source is not None and how >= 4 else None


# Of the last access of a thread and the first of the next: one of the two writes.
_MEETINGS = [("W", "R"), ("R", "W"), ("W", "W"), ("W", "R"), ("R", "W")]
PRIVATE = LOCATIONS[-1]


def _cycle(random: Random, writers: list[Any]) -> None:
    """Each thread's last access meets the next one's first."""
    count = len(writers)
    kinds = [random.choice(_MEETINGS) for _ in range(count)]
    question = random.randrange(count)
    # Parts of one location are as good as several.
    places = [LOCATIONS[0]] * count if getattr(writers[0], "wide", False) and random.randint(0, 2) == 0 else LOCATIONS
    for number, writer in enumerate(writers):
        first, last = places[(number - 1) % count], places[number]
        style = random.randint(0, 5) if number == question else 0
        writer.plain = style < 4 and random.randint(0, 4) > 0
        if style in (1, 2) and writer.atomics:
            writer.atomic(first, None)
        else:
            _access(writer, kinds[number - 1][1], first, None)
        source = writer.loaded[-1] if writer.loaded else None
        if number == question and places is not LOCATIONS and random.randint(0, 1):
            writer.overwrite(first)
        elif number == question:
            source = _mix(random, writer, source)
        elif random.randint(0, 5):
            writer.strong()
        else:
            source = writer.between(source)
        if style in (3, 4) and writer.atomics:
            writer.atomic(last, source)
        else:
            writer.plain = style < 5 and writer.plain
            _access(writer, kinds[number][0], last, source if number == question else None)


def _mix(random: Random, writer: Any, source: str | None) -> str | None:
    """Up to two things that may order; gives what the next access is to be computed from."""
    for _ in range(random.choice([1, 1, 1, 2])):
        how = random.randint(0, 11)
        if how <= 2:
            source = writer.constant()
        elif how <= 4 and writer.atomics:
            before, seen = source if random.randint(0, 2) else None, len(writer.loaded)
            writer.plain = False
            writer.atomic(random.choice([PRIVATE, PRIVATE, LOCATIONS[0]]), before)
            if random.randint(0, 2) == 0:
                writer.plain = random.randint(0, 1) == 0
                writer.read(PRIVATE)
            if len(writer.loaded) > seen:
                source = writer.loaded[-1]
        elif how == 5:
            writer.plain = True
            writer.write(PRIVATE, source)
            writer.plain = random.randint(0, 2) > 0
            writer.read(PRIVATE)
            source = writer.loaded[-1] if writer.loaded else None
        elif how == 6:
            writer.plain = random.randint(0, 1) == 0
            writer.read(random.choice([PRIVATE, LOCATIONS[0], LOCATIONS[1]]), source)
            source = writer.loaded[-1] if writer.loaded and random.randint(0, 1) else source
        elif source is not None:
            source = writer.between(source) or (source if random.randint(0, 2) == 0 else None)
        else:
            writer.between(None)
        writer.plain = random.randint(0, 4) > 0
    return source


def _atomic_cycle(random: Random, writers: list[Any]) -> None:
    """Two threads, of which one has an atomic where the cycle goes through it, or through what it stored."""
    other, writer = writers
    kinds = [random.choice(_MEETINGS) for _ in writers]
    lead, seen = random.choice([0, 0, 0, 1, 2]), len(writer.loaded)
    if lead == 0 and random.randint(0, 3):  # what the atomic reads is the other's, and what it missed shows at the end
        kinds = [("W", "R"), ("R", "W")]
    other.plain = writer.plain = True
    _access(other, kinds[1][1], LOCATIONS[1], None)
    other.strong()
    _access(other, kinds[0][0], LOCATIONS[0], None)
    if lead == 0:
        writer.atomics += 1
        writer.atomic(LOCATIONS[0], None)
        if not writer.loaded or random.randint(0, 3) == 0:
            writer.say("DMB LD")
        elif random.randint(0, 1):
            writer.read(LOCATIONS[0])
    elif lead == 1:
        writer.say(f"STLR W{writer.number_in(4)},{writer.address(LOCATIONS[0], None)}")
    else:
        _access(writer, kinds[0][1], LOCATIONS[0], None)
    source = writer.loaded[-1] if len(writer.loaded) > seen else None
    if source is not None and random.randint(0, 4) == 0:
        source = writer.between(source)
    if lead != 0 or random.randint(0, 4) == 0:
        writer.atomics += 1
        writer.atomic(LOCATIONS[1], source)
    else:
        _access(writer, kinds[1][0], LOCATIONS[1], source)


def _unstructured(random: Random, writers: list[Any]) -> None:
    left = 7 - len(writers)
    for writer in writers:
        more = random.randint(0, min(3, left))
        left -= more
        for at in range(1 + more):
            source = writer.between(random.choice(writer.loaded)) if at and writer.loaded else None
            _access(writer, random.choice("RW"), random.choice(LOCATIONS[:3]), source)


def _access(writer: Any, kind: str, location: str, source: str | None) -> None:
    (writer.read if kind == "R" else writer.write)(location, source)


def _filled(seed: str, make: type, *, cycle: bool, **more: bool) -> tuple[Random, list]:  # type: ignore[type-arg]
    random = Random(seed)
    count = random.choice([2, 2, 2, 3, 3, 4]) if not more.get("wide") else random.choice([2, 2, 3])
    writers = [make(random, number, **more) for number in range(count)]
    for writer in random.sample(writers, k=count):  # at most two atomics a test
        writer.atomics = sum(each.atomics for each in writers) > count - 2 and writer.atomics
    (_cycle if cycle else _unstructured)(random, writers)
    return random, writers


def aarch64_atomics(seed: int) -> str:
    random = Random(f"atomics {seed}")
    writers = [AArch64(random, number) for number in range(2)]
    _atomic_cycle(random, writers)
    return _aarch64(writers, "")


def aarch64(seed: int, *, cycle: bool, wide: bool = False) -> str:
    _, writers = _filled(f"aarch64 {seed} {cycle} {wide}", AArch64, cycle=cycle, wide=wide)
    return _aarch64(writers, "".join(f"uint64_t {name}; " for name in LOCATIONS) if wide else "")


def _aarch64(writers: list[Any], types: str) -> str:
    bases = " ".join(f"{w.number}:X{20 + at}={name};" for w in writers for at, name in enumerate(LOCATIONS))
    extra = " ".join(f"{entry};" for w in writers for entry in w.initial)
    seen = [f"{w.number}:X{name}" for w in writers for name in w.loaded]
    return f"AArch64 random\n{{ {types}{bases} {extra} }}\n{_rows(writers)}{_locations(seen)}"


def x86(seed: int, *, cycle: bool) -> str:
    _, writers = _filled(f"x86 {seed} {cycle}", X86, cycle=cycle)
    seen = [f"{w.number}:{name}" for w in writers for name in w.loaded]
    return f"X86 random\n{{ {' '.join(f'{name}=0;' for name in LOCATIONS)} }}\n{_rows(writers)}{_locations(seen)}"


def c(seed: int, *, cycle: bool) -> str:
    _, writers = _filled(f"c {seed} {cycle}", C, cycle=cycle)
    parameters = ", ".join(f"int *{name}" for name in LOCATIONS)
    threads = "".join(
        f"P{w.number}({parameters})\n{{\n" + "".join(f"\t{line}\n" for line in w.lines) + "}\n" for w in writers
    )
    seen = [f"{w.number}:{name}" for w in writers for name in w.loaded]
    return f"C random\n{{ }}\n{threads}{_locations(seen)}"


def _rows(writers: list) -> str:  # type: ignore[type-arg]
    height = max(len(w.lines) for w in writers)
    rows = [[f"P{w.number}" for w in writers]]
    rows += [[w.lines[at] if at < len(w.lines) else "" for w in writers] for at in range(height)]
    return "".join(" | ".join(row) + " ;\n" for row in rows)


def _locations(seen: list[str]) -> str:
    return f"locations [{' '.join(f'{what};' for what in dict.fromkeys([*seen, *LOCATIONS]))}]\n"
