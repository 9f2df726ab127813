"""The tests of compiled code: they need cross compilers, and are judged by litmus tests.

Where a compiler is missing they are skipped and say which; in CI (AMP_COMPILERS=required) they fail.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILERS = ("aarch64-linux-gnu-gcc", "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "clang", "ld.lld")
MISSING = [each for each in COMPILERS if shutil.which(each) is None]

sys.path += [str(HERE.parent / each) for each in ("litmus", "report")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not MISSING or os.environ.get("AMP_COMPILERS") == "required":
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(MISSING)} (see README)"))
