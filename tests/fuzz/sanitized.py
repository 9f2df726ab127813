"""Run fuzz targets over a C core that was built elsewhere, with sanitizers say: the seeds, and inputs made from them.

    python tests/fuzz/sanitized.py BRIDGE.so INPUTS TARGET...

INPUTS random ones for each target. A sanitizer's library must be loaded before Python (LD_PRELOAD).
"""

from __future__ import annotations

import random
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

HERE = Path(__file__).parent
SEED = 1
INPUT_BYTES = (20, 60, 200, 600)


def load_core(path: str) -> None:
    """From here on `amp._core._bridge` is that file."""
    import amp._core  # noqa: PLC0415

    name = "amp._core._bridge"
    assert name not in sys.modules, "the core is there already"
    spec = spec_from_file_location(name, path, loader=ExtensionFileLoader(name, path))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = amp._core._bridge = module
    spec.loader.exec_module(module)


def main() -> None:
    sys.path[:0] = [str(HERE), str(HERE.parents[1])]
    core, inputs, *targets = sys.argv[1:]
    load_core(core)
    from fuzz_targets import TARGETS, seeds  # noqa: PLC0415

    for target in targets:
        source = random.Random(SEED)
        made = [source.randbytes(source.choice(INPUT_BYTES)) for _ in range(int(inputs))]
        every = [path.read_bytes() for path in seeds(target)] + made
        for data in every:
            TARGETS[target](data)
        print(f"{target}: {len(every)} inputs")


if __name__ == "__main__":
    main()
