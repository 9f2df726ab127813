"""The one thing pyproject.toml cannot say: how the C core is built (abi3, one wheel for CPython 3.11 and later)."""

import os
from pathlib import Path

from setuptools import Extension, setup

CORE = Path("amp/_core")
# Warnings are errors where the project is developed (make, CI); a user's newer compiler may know more warnings.
STRICT = ["-Werror"] if os.environ.get("AMP_WERROR") else []

setup(
    ext_modules=[
        Extension(
            "amp._core._bridge",
            sources=sorted(str(path) for path in CORE.glob("*.c")),
            depends=sorted(str(path) for path in CORE.rglob("*.h")),
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden", *STRICT],
            undef_macros=["NDEBUG"],  # our own invariants stay asserted
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
