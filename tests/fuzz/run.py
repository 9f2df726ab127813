"""Run a fuzz target under the coverage-guided fuzzer, or make an input that was found smaller.

    python tests/fuzz/run.py TARGET --seconds 600 [--corpus DIR] [--seed N]
    python tests/fuzz/run.py TARGET --minimize FILE

Needs `pip install -e '.[fuzz]'` (atheris, which is libFuzzer for Python). The corpus grows in DIR, build/fuzz/TARGET by
default; what was found lies in DIR-found, named crash-*, timeout-* or oom-*. The run stops at the first, with a status
other than 0. To keep one: minimize it, put it into tests/fuzz/seeds/TARGET under a name that says what it is.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

HERE = Path(__file__).parent
INPUT_BYTES = 2048
STEPS_S = 10  # one input takes a millisecond: one that takes this long hangs


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", help="a file fuzz_TARGET.py beside this one")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minimize", type=Path, metavar="FILE")
    options = parser.parse_args()
    if not (HERE / "seeds" / options.target).is_dir():
        parser.error(f"no target {options.target}")
    return options


def fuzz(target: str, seconds: int, corpus: Path, seed: int) -> None:
    """Does not return: libFuzzer ends the process."""
    import atheris  # type: ignore[import-untyped]  # noqa: PLC0415  (minimizing does not need it)

    found = corpus.with_name(f"{corpus.name}-found")
    seeds = HERE / "seeds" / target
    for directory in (corpus, found):
        directory.mkdir(parents=True, exist_ok=True)
    own = [path.stem for path in HERE.glob("fuzz_*.py")]  # which step was taken guides, too: the core is C, and mute
    with atheris.instrument_imports(include=["amp", "hostside", "remoteside", "elftools", *own]):
        from fuzz_targets import TARGETS  # noqa: PLC0415  (instrumented as it is imported)
    limits = [f"-max_total_time={seconds}", f"-timeout={STEPS_S}", "-rss_limit_mb=2048"]
    lengths = [f"-max_len={INPUT_BYTES}", "-len_control=20"]  # longer ones soon: an input is a list of steps
    options = [*limits, *lengths, f"-seed={seed}", f"-artifact_prefix={found}/", "-print_final_stats=1"]
    print(f"{target}: seed {seed}, {seconds} s, corpus {corpus}, found inputs to {found}", flush=True)
    atheris.Setup([sys.argv[0], *options, str(corpus), str(seeds)], TARGETS[target])
    atheris.Fuzz()


def failure(target: str, data: bytes) -> tuple[type[BaseException], str, int] | None:
    """What the input raises and where; None if nothing."""
    from fuzz_targets import TARGETS  # noqa: PLC0415

    try:
        TARGETS[target](data)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return type(error), last.filename, last.lineno or 0
    return None


def minimized(target: str, data: bytes) -> bytes:
    """The input without what it does not need to fail in the same place."""
    wanted = failure(target, data)
    if wanted is None:
        raise SystemExit(f"{target}: this input fails no more")
    size = len(data)
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if failure(target, shorter) == wanted:
                data = shorter
            else:
                at += size
        size //= 2
    for at in range(len(data)):
        simpler = data[:at] + b"\0" + data[at + 1 :]
        if failure(target, simpler) == wanted:
            data = simpler
    return data


def main() -> None:
    sys.path[:0] = [str(HERE), str(HERE.parents[1])]
    options = arguments()
    if options.minimize is None:
        corpus = options.corpus or HERE.parents[1] / "build" / "fuzz" / options.target
        fuzz(options.target, options.seconds, corpus, options.seed)
    data = minimized(options.target, options.minimize.read_bytes())
    options.minimize.with_suffix(".min").write_bytes(data)
    print(f"{len(data)} bytes: {data.hex(' ')}\n{failure(options.target, data)}")


if __name__ == "__main__":
    main()
