"""Where in the program the accesses of an execution stand: its run once more, by ports that keep lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from amp.errors import AmpError
from amp.explore.explorer import ExploredPort, Explorer, Finding
from amp.machine.config import Lines
from amp.port.lines import Keeping, keeping

TRIES: Final = 8  # an explorer learns which cells there are, and begins anew


class LinedExploredPort(Keeping, ExploredPort):
    """An ExploredPort that knows its caller's lines; those of a look in vain are forgotten."""

    def __init__(self, *given: Any) -> None:
        Keeping.__init__(self, given[2], given[4])
        ExploredPort.__init__(self, *given)
        self._before = (0, 0, 0)

    def look_begin(self) -> None:
        self._before = len(self._loads), len(self._stores), len(self._barriers)
        super().look_begin()

    def look_end(self, found: bool, /) -> bool:
        stands = super().look_end(found)
        if not stands:
            self.forget(*self._before)
        return stands

    def look_undone(self) -> bool:
        self.forget(*self._before)
        return super().look_undone()


for _name, _method in keeping(ExploredPort):
    setattr(LinedExploredPort, _name, _method)


def lines_along(explorer: Explorer, finding: Finding) -> Sequence[Lines]:
    """Of each part, along the choices of a finding; nothing where they do not lead to it again."""
    again = replace(explorer, door=LinedExploredPort)
    for _ in range(TRIES):
        ports = [port for port in again._ports if isinstance(port, LinedExploredPort)]
        for port in ports:
            port.forget(0, 0, 0)
        try:
            found = again.replay(finding.choices)
        except AmpError:
            return ()
        if found is not None and str(found.error) == str(finding.error):
            return tuple(port.lines for port in ports)
    return ()
