"""What pyproject.toml cannot say: how core and libamp.a are built (abi3, one wheel for CPython 3.11 and later)."""

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = Path("amp/_core")
LIBRARY = "libamp.a"
# Warnings are errors where the project is developed (make, CI); a user's newer compiler may know more warnings.
STRICT = ["-Werror"] if os.environ.get("AMP_WERROR") else []


class BuildWithLibrary(build_ext):
    """The extension, and beside it the objects of the engine, which know no Python, as a library for C programs."""

    def build_extension(self, ext: Extension) -> None:
        super().build_extension(ext)
        sources = [path for path in ext.sources if not Path(path).name.startswith("py_")]
        objects = self.compiler.object_filenames(sources, output_dir=self.build_temp)
        directory = Path(self.get_ext_fullpath(ext.name)).parent
        (directory / LIBRARY).unlink(missing_ok=True)
        self.compiler.create_static_lib(objects, "amp", output_dir=str(directory))

    def copy_extensions_to_source(self) -> None:
        super().copy_extensions_to_source()
        self.copy_file(str(Path(self.build_lib, CORE, LIBRARY)), str(CORE / LIBRARY))


setup(
    cmdclass={"build_ext": BuildWithLibrary},
    ext_modules=[
        Extension(
            "amp._core._bridge",
            sources=sorted(str(path) for path in CORE.rglob("*.c")),
            depends=sorted(str(path) for path in CORE.rglob("*.h")),
            include_dirs=[str(CORE)],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden", *STRICT],
            undef_macros=["NDEBUG"],  # our own invariants stay asserted
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
