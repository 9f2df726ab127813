"""The tables of amp.toml as records: every key that there is, and its type. docs/check.md says what they mean."""

from __future__ import annotations

from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Texts = Text | list[Text]
Count = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Defaults(_Record, frozen=True):
    """[defaults]."""

    platforms: Texts | None = None
    barriers: Texts | None = None
    max_seconds: Seconds | None = None
    max_executions: Count | None = None


class CheckTable(_Record, frozen=True):
    """[checks.NAME]."""

    program: Text | None = None
    elf: Text | None = None
    host: Texts | None = None
    remote: Texts | None = None
    shared: Texts | None = None
    mailbox: Texts | None = None
    status: Texts | None = None
    ack: Texts | None = None
    drain: Texts | None = None
    max_loop: Count | None = None
    litmus: Texts | None = None
    platforms: Texts | None = None
    barriers: Texts | None = None
    weaken: Texts | dict[str, Text] | None = None
    messages: Count | None = None
    ring_size: Count | None = None
    sizes: dict[str, int] | None = None
    observers: Text | None = None
    max_seconds: Seconds | None = None
    max_executions: Count | None = None
    expect: Text | None = None
    site: Text | None = None
