"""Shapes of two to four processors, and where their processors stand. Not a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

# What each processor does, in the words of small_programs; {b} is a barrier.
SHAPES = {
    "SB": ("x=1 {b} r0=y", "y=1 {b} r0=x"),
    "MP": ("x=1 {b} y=1", "r0=y {b} r1=x"),
    "LB": ("r0=x {b} y=1", "r0=y {b} x=1"),
    "MP by interrupt": ("x=1 {b} kick1", "r0=wait r1=x"),
    "WRC": ("x=1", "r0=x {b} y=1", "r0=y {b} r1=x"),
    "WRC by data": ("x=1", "r0=x y=r0^", "r0=y {b} r1=x"),
    "WRC by release": ("x=1", "r0=x rel:y=1", "r0=acq:y r1=x"),
    "ISA2 by interrupt": ("x=1 {b} kick1", "r0=wait {b} y=1", "r0=y {b} r1=x"),
    "ISA2": ("x=1 {b} y=1", "r0=y {b} z=1", "r0=z {b} r1=x"),
    "RWC": ("x=1", "r0=x {b} r1=y", "y=1 {b} r0=x"),
    "WRC behind a late load": ("r0=x z=1 {b} y=1", "r0=z x=r0", "r0=y {b} r1=x"),
    "MP and another's store": ("r0=x r1=y@r0", "y=1 {b} x=1", "x=2"),
    "CO": ("x=1", "x=2", "r0=x {b} r1=x"),
    "CO twice": ("x=1 {b} x=2", "r0=x {b} r1=x", "r0=x {b} r1=x"),
    # Of two, where a third gives the machine its two distances.
    "MP by release, one looks on": ("x=1 rel:y=1 y=2", "r0=y {b} r1=x", "none"),
    "R, one looks on": ("x=1 {b} y=1", "y=2 {b} r0=x", "none"),
    "MP by interrupt, one looks on": ("x=1 {b} kick1", "r0=wait r1=x", "none"),
    "forwarded to oneself": ("x=1 {b} y=1", "r0=y z=r0 r1=z r2=x@r1"),
    "forwarded": ("x=1 {b} y=1", "r0=y z=r0 r1=z r2=x@r1", "none"),
    "IRIW": ("x=1", "y=1", "r0=x {b} r1=y", "r0=y {b} r1=x"),
    "CO4": ("x=1", "x=2", "r0=x {b} r1=x", "r0=x {b} r1=x"),
}
PLACES: Mapping[int, tuple[tuple[str, ...], ...]] = {
    2: (("host", "host2"), ("host", "remote"), ("remote", "host"), ("remote", "remote2")),
    3: (
        *(("host", "host2", "host3"), ("host", "host2", "remote"), ("host", "remote", "host2")),
        *(("remote", "host", "host2"), ("host", "remote", "remote2"), ("remote", "host", "remote2")),
    ),
    4: (
        ("host", "host2", "host3", "host4"),
        ("host", "host2", "host3", "remote"),
        ("host", "remote", "host2", "host3"),
        ("host", "host2", "remote", "remote2"),
        ("host", "remote", "host2", "remote2"),
        ("host", "remote", "remote2", "host2"),
    ),
}
BARRIERS = ("", "smp_mb", "dma_mb", "mb")


def placed(shape: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The shape with each barrier in each placement: the processors' names, and what they do."""
    for names in PLACES[len(SHAPES[shape])]:
        for barrier in BARRIERS if "{b}" in "".join(SHAPES[shape]) else BARRIERS[:1]:
            yield names, tuple(" ".join(text.format(b=barrier).split()) for text in SHAPES[shape])
