"""The C types that litmus tests use: how wide an access is, and how its value prints. LP64, as every 64-bit Linux."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class CType:
    """`stars` levels of pointer to an integer of `base_bytes`; 0 bytes is void."""

    base_bytes: int
    signed: bool
    stars: int = 0

    @property
    def is_pointer(self) -> bool:
        return self.stars > 0

    @property
    def width_bytes(self) -> int:
        return 8 if self.stars else self.base_bytes

    @property
    def is_signed(self) -> bool:
        """Whether a value of this type is sign-extended to 64 bits."""
        return self.signed and not self.stars

    @property
    def target(self) -> CType:
        """What a pointer points to."""
        assert self.stars
        return replace(self, stars=self.stars - 1)

    @property
    def pointer(self) -> CType:
        return replace(self, stars=self.stars + 1)

    def canonical(self, value: int) -> int:
        """`value` as this type holds it: wrapped to its width, negative if it is signed and the top bit is set."""
        bits = 8 * self.width_bytes
        value &= (1 << bits) - 1
        return value - (1 << bits) if self.is_signed and value >> (bits - 1) else value


INT: Final = CType(4, signed=True)
UINT: Final = CType(4, signed=False)
LONG: Final = CType(8, signed=True)
ULONG: Final = CType(8, signed=False)
VOID: Final = CType(0, signed=False)

_QUALIFIERS: Final = frozenset({"const", "volatile"})
_TYPES: Final = MappingProxyType(
    {
        **dict.fromkeys(("int", "signed int", "signed", "s32", "int32_t", "atomic_t"), INT),
        **dict.fromkeys(("unsigned", "unsigned int", "u32", "uint32_t"), UINT),
        **dict.fromkeys(("long", "long int", "long long", "s64", "int64_t", "intptr_t", "ssize_t"), LONG),
        **dict.fromkeys(("atomic64_t", "atomic_long_t"), LONG),
        **dict.fromkeys(("unsigned long", "unsigned long long", "u64", "uint64_t", "uintptr_t", "size_t"), ULONG),
        "void": VOID,
    }
)


def c_type(words: tuple[str, ...]) -> CType | None:
    """The type that `words` name, stars included; None if it is none that we know."""
    base = " ".join(word for word in words if word != "*" and word not in _QUALIFIERS)
    known = _TYPES.get(base)
    return None if known is None else replace(known, stars=words.count("*"))
