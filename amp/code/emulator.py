"""The two libraries that compiled code needs: Unicorn, which executes it, and Capstone, which knows its instructions.

Both are loaded when compiled code is used for the first time, from their wheels. Unicorn's Python binding is not: the
engine (amp/_core/code/code.h) calls the library itself, and is given the addresses of its functions.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from amp.errors import UsageError

NEEDED: Final = "compiled code needs unicorn and capstone: pip install 'amp-soc[code]'"
CAPSTONE: Final = 6  # the first whose regs_access is right for AArch64's compares
# In the order of struct code_unicorn, amp/_core/code/code_unicorn.h.
_FUNCTIONS: Final = (
    *("uc_emu_start", "uc_emu_stop", "uc_reg_read", "uc_reg_write", "uc_mem_map_ptr", "uc_hook_add"),
    *("uc_context_alloc", "uc_context_save", "uc_context_restore", "uc_context_free"),
)
_UC_CTL_CPU_MODEL: Final = 7 | 1 << 26 | 1 << 30  # UC_CTL_WRITE(UC_CTL_CPU_MODEL, 1)
_UC_CTL_TCG_BUFFER: Final = 13 | 1 << 26 | 1 << 30
_TCG_BUFFER_BYTES: Final = 32 << 20  # its default of 1 GB is address space for nothing


@cache
def unicorn() -> ctypes.CDLL:
    """Unicorn's library. Raises UsageError where it is not installed."""
    spec = find_spec("unicorn")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        for path in sorted(Path(place, "lib").glob("libunicorn.so*")):
            try:
                return ctypes.CDLL(str(path))
            except OSError as error:
                raise UsageError(f"{NEEDED} ({error})") from None
    raise UsageError(NEEDED)


@cache
def functions() -> tuple[int, ...]:
    """The addresses of what the engine calls."""
    found = (ctypes.cast(getattr(unicorn(), name), ctypes.c_void_p).value for name in _FUNCTIONS)
    return tuple(address or 0 for address in found)


@cache
def capstone() -> Any:
    """Capstone's module. Raises UsageError where it is not installed, or is too old."""
    try:
        module: Any = import_module("capstone")
    except ImportError:
        raise UsageError(NEEDED) from None
    if module.cs_version()[0] < CAPSTONE:
        raise UsageError(f"{NEEDED}, capstone {CAPSTONE} or later: {module.__version__} is wrong about what is read")
    return module


class Emulator:
    """One processor. Closed when it is collected."""

    def __init__(self, architecture: int, mode: int, model: int | None) -> None:
        self.handle = ctypes.c_void_p()
        uc = unicorn()
        self._check(uc.uc_open(architecture, mode, ctypes.byref(self.handle)), "uc_open")
        uc.uc_ctl(self.handle, _UC_CTL_TCG_BUFFER, ctypes.c_uint32(_TCG_BUFFER_BYTES))
        if model is not None:
            self._check(uc.uc_ctl(self.handle, _UC_CTL_CPU_MODEL, ctypes.c_int(model)), "uc_ctl")
        weakref.finalize(self, uc.uc_close, self.handle)

    def _check(self, error: int, what: str) -> None:
        if error:
            raise UsageError(f"the emulator refuses: {what}, error {error}")

    def set_register(self, number: int, value: int) -> None:
        room = ctypes.c_uint64(value & (1 << 64) - 1)
        self._check(unicorn().uc_reg_write(self.handle, number, ctypes.byref(room)), f"register {number}")
