"""Verdicts kept by content: a cell whose program, platform, options, amp and Python are the same is not explored again.

An entry is a JSON file of its own, called after its key: the digest of the cell, the platform's rows, amp's own files,
Python, and the module path. Behind it stand the verdict and all that it was seen to depend on (amp.check.recorded); the
verdict counts only if each file still has the digest that it had, each folder in which modules were looked for still
has the same candidates, and each variable that was read is the same. To compare them imports nothing. A file that is
not such an entry, whatever it is, is as if it were not there.

Kept are "verified", violations, and what litmus tests end in; nothing that a bound or an error has ended.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from amp.check.recorded import entries_of, sha256_of, sha256_of_variable
from amp.check.records import Answer, Asked, CellOutcome
from amp.files import read_whole, write_whole
from amp.lab import itself
from amp.machine.children import environment
from amp.ordering import SUFFIX
from amp.ordering import platform as find_platform

FORMAT: Final = "amp check 1"
FILE_LIMIT_BYTES: Final = 1 << 24
UNUSED_LIMIT_S: Final = 30 * 86_400.0
KEPT: Final = frozenset({"verified", "violation", "never", "sometimes", "always"})


class _Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    key: str
    answer: Answer


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: `sha256` is of the bytes of `body`, so that one which is damaged is none."""

    format: str
    sha256: str
    body: msgspec.Raw


class Cache:
    """The entries in `folder`, of the configuration in `base`. `used` is False for one that is only written to."""

    def __init__(self, folder: Path, base: str, *, used: bool = True) -> None:
        self.folder, self.base, self.used = folder, base, used
        common = [
            FORMAT,
            itself.digest(),
            itself.folders(),
            sys.version,
            sys.prefix,
            _module_path(),
            _variables(),
            base,
        ]
        self._common = hashlib.sha256(msgspec.json.encode(common)).hexdigest()
        self._asked: set[str] = set()  # keys
        self._files: dict[str, str] = {}  # digests of this run: many cells depend on the same files
        self._entries: dict[tuple[str, frozenset[str]], tuple[str, ...]] = {}

    def key(self, asked: Asked) -> str:
        """The digest of all that is known before anything is loaded. Raises UsageError for no platform."""
        rows = ""
        if asked.platform:
            name = asked.platform
            rows = repr(find_platform(os.path.join(self.base, name) if name.endswith(SUFFIX) else name))
        key = hashlib.sha256(msgspec.json.encode([self._common, rows, asked])).hexdigest()
        self._asked.add(key)
        return key

    def get(self, asked: Asked) -> CellOutcome | None:
        """The verdict, if all that it depends on is as it was."""
        if not self.used:
            return None
        key = self.key(asked)
        try:
            entry = msgspec.json.decode(read_whole(self._path(key), FILE_LIMIT_BYTES), type=_Entry)
            if entry.format != FORMAT or hashlib.sha256(entry.body).hexdigest() != entry.sha256:
                return None
            body = msgspec.json.decode(entry.body, type=_Body)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        told = body.answer.told
        if body.key != key or told.status not in KEPT or body.answer.record.doubt or not self._is_same(body.answer):
            return None
        return told

    def put(self, asked: Asked, answer: Answer) -> None:
        """Keep it, if it may be kept. A folder that cannot be written to keeps nothing, and is no error."""
        if answer.told.status not in KEPT or answer.record.doubt:
            return
        key = self.key(asked)
        body = msgspec.json.encode(_Body(key=key, answer=answer))
        entry = _Entry(format=FORMAT, sha256=hashlib.sha256(body).hexdigest(), body=msgspec.Raw(body))
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._path(key), msgspec.json.encode(entry))

    def prune(self) -> None:
        """Remove old entries that nobody has asked for: of another amp, or of a cell that is no more."""
        with suppress(OSError):
            for path in self.folder.glob("*.json"):
                if path.stem not in self._asked and time.time() - path.stat().st_mtime > UNUSED_LIMIT_S:
                    path.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def _is_same(self, answer: Answer) -> bool:
        record, found = answer.record, answer.told.found
        return (
            all(self._digest(path) == then for path, then in record.files.items())
            and all(
                self._candidates(folder, frozenset(search.names)) == then
                for search in record.searches
                for folder, then in zip(search.folders, search.entries, strict=False)
            )
            and all(len(search.folders) == len(search.entries) for search in record.searches)
            and all(sha256_of_variable(name) == then for name, then in record.environment.items())
            and (found is None or not found.witness or Path(self.base, found.witness).is_file())
        )

    def _digest(self, path: str) -> str:
        if path not in self._files:
            self._files[path] = sha256_of(path)
        return self._files[path]

    def _candidates(self, folder: str, names: frozenset[str]) -> tuple[str, ...]:
        if (folder, names) not in self._entries:
            self._entries[folder, names] = entries_of(folder, names)
        return self._entries[folder, names]


def _module_path() -> list[str]:
    """Where modules are looked for, as a worker will have it: without the folder of the script, or where one stands."""
    return sys.path if sys.flags.safe_path else sys.path[1:]


def _variables() -> dict[str, str]:
    """What tells Python how to run: PYTHONPATH, PYTHONOPTIMIZE, and the like."""
    return {name: value for name, value in sorted(environment().items()) if name.startswith("PYTHON")}
