"""The pytest plugin: a protocol explored as a test, an item for each platform and class of barriers.

    @amp.explore(platforms=["omap4-2011", "arm64-domains"], barriers=["smp", "mandatory"])
    @pytest.mark.amp_broken(barriers=["smp"], site="publish")
    def test_handover():
        return Handover  # a Program, or what the command line takes: a name, a file, "ring.elf?host=send&..."

Installed with amp (entry point `pytest11`). Of amp nothing but this module and amp.lists is loaded before one runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isfunction, signature
from itertools import product
from pathlib import Path
from traceback import walk_tb
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

import pytest

from amp.lists import ALL, chosen, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amp.lab.booted import BootedBoard
    from amp.lab.gate import Result
    from amp.lab.pairs import RpmsgPair, VringPair
    from amp.ordering.platforms import Platform
    from amp.programs.program import Program

Test = TypeVar("Test", bound=Callable[..., Any])
_EXPLORED: Final = "amp_explored"
_BROKEN: Final = "amp_broken"
_PAIR: Final = "amp_pair"
_BOARD: Final = "amp_board"
_CELL: Final = "amp_cell"  # the fixture by which an item knows its platform and class


@dataclass(frozen=True, slots=True)
class Asked:
    """What a test asks for; the fields are the arguments of `explore`."""

    program: str | Program | None
    platforms: tuple[str | Platform, ...]
    barriers: tuple[str, ...]
    weaken: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def explore(
    program: str | Program | None = None,
    *,
    platforms: str | Platform | Sequence[str | Platform] = (),
    barriers: str | Sequence[str] = (),
    weaken: Sequence[str] | Mapping[str, str] = (),
    messages: int | None = None,
    ring_size: int | None = None,
    sizes: Mapping[str, int] = MappingProxyType({}),
    max_executions: int = 1_000_000,
    max_seconds: float = 600.0,
    runs: int = 0,
) -> Callable[[Test], Test]:
    """Make a test of a protocol: one item for each platform and each class of barriers, explored to its end.

    The test returns the program: an amp.Program, or a name, a file or an ELF reference; or `program` names it, and the
    test only sets up what it needs. It may use fixtures. An item fails for a violation, told with its timeline, and for
    a bound that is reached; a test marked `amp_broken` fails if there is no violation. `platforms` and `barriers` are
    as in amp.verify, lists or "all"; without them omap4-2011, and the program's own barriers. `max_executions` and
    `max_seconds` bound an item; with `runs` it makes so many runs by chance instead, which prove nothing.

    A program at the top of a module is shown in processes of its own and explained; of one that is made inside a
    function other processes know nothing, so only the explorer's execution is told. Raises UsageError where the
    brackets are forgotten, `@amp.explore`.
    """
    if isfunction(program):
        from amp.errors import UsageError  # noqa: PLC0415

        raise UsageError("amp.explore is called without its brackets: write @amp.explore(), or say what is explored")
    asked = Asked(
        program,
        listed(platforms),
        listed(barriers),
        tuple(f"{site}={to}" for site, to in weaken.items()) if isinstance(weaken, Mapping) else tuple(weaken),
        MappingProxyType(
            {
                "messages": messages,
                "ring_size": ring_size,
                "sizes": sizes,
                "max_executions": max_executions,
                "max_seconds": max_seconds,
                "runs": runs,
            }
        ),
    )

    def decorate(test: Test) -> Test:
        cells: Callable[[Test], Test] = pytest.mark.usefixtures(_CELL)
        explored: Callable[[Test], Test] = getattr(pytest.mark, _EXPLORED)(asked)
        return explored(cells(test))

    return decorate


# --- what pytest calls ------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("amp", "memory ordering (amp)")
    group.addoption("--amp-platform", metavar="LIST", help="explore these platforms, whatever the tests name; or all")
    group.addoption("--amp-budget", metavar="SECONDS", type=float, help="at most so long for each item")
    group.addoption(
        "--amp-seed",
        metavar="N",
        type=int,
        default=1,
        help="of tests that explore by chance, and of pairs and boards on a platform",
    )
    group.addoption(
        "--amp-replay", metavar="SCHEDULE", help="only the execution of this schedule, or of a witness file"
    )


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        f"{_EXPLORED}(asked): made by amp.explore: the test returns a program, which is explored",
        f"{_BROKEN}(platforms=..., barriers=..., site=...): there a violation must be found, blamed on that site",
        f"{_PAIR}(num=..., event_idx=..., platform=...): what vring_pair and rpmsg_pair are made with",
        f"{_BOARD}(firmware, platform=..., barriers=..., weaken=...): what runs on amp_board",
    ):
        config.addinivalue_line("markers", line)


@pytest.fixture
def amp_cell(request: pytest.FixtureRequest) -> tuple[Any, str | None]:
    """The platform and the class of barriers of an item; None: the program's own."""
    found: tuple[Any, str | None] = request.param
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker(_EXPLORED)
    if marker is None:
        return
    asked: Asked = marker.args[0]
    instead = metafunc.config.getoption("--amp-platform")
    platforms = chosen(instead or asked.platforms or "omap4-2011", _every_platform)
    cells = list(product(platforms, chosen(asked.barriers, _every_class) or (None,)))
    names = [[getattr(on, "name", on), *([barriers] if barriers else [])] for on, barriers in cells]
    metafunc.parametrize(_CELL, cells, ids=["-".join(map(str, each)) for each in names], indirect=True)


def _every_platform() -> Iterable[str]:
    from amp.ordering.platforms import PLATFORMS  # noqa: PLC0415  (collecting loads nothing that it does not need)

    return PLATFORMS


def _every_class() -> Iterable[str]:
    from amp.ordering.barriers import BarrierClass  # noqa: PLC0415

    return (each.value for each in BarrierClass)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    marker = pyfuncitem.get_closest_marker(_EXPLORED)
    if marker is None:
        return None
    names = pyfuncitem._fixtureinfo.argnames
    returned = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    _judge(pyfuncitem, marker.args[0], returned)
    return True


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for all explored items, of every worker."""
    said = Counter(
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for key, value in report.user_properties
        if key == "amp"
    )
    if said:
        terminalreporter.write_line("amp: " + ", ".join(f"{number} {what}" for what, number in sorted(said.items())))


# --- both ends of a ring, of an rpmsg link ----------------------------------------------------------------------------


@pytest.fixture
def vring_pair(request: pytest.FixtureRequest) -> Iterator[VringPair]:
    """A split ring in shared memory, both its ends in this process (amp.lab.pairs.VringPair).

    `@pytest.mark.amp_pair(num=..., event_idx=..., platform=...)` chooses; without a platform the ports are direct.
    """
    from amp.lab.pairs import VringPair  # noqa: PLC0415

    with VringPair(**_pair_options(request)) as pair:
        yield pair


@pytest.fixture
def rpmsg_pair(request: pytest.FixtureRequest) -> Iterator[RpmsgPair]:
    """An rpmsg link, both its buses in this process (amp.lab.pairs.RpmsgPair); `amp_pair` chooses, as of vring_pair."""
    from amp.lab.pairs import RpmsgPair  # noqa: PLC0415

    with RpmsgPair(**_pair_options(request)) as pair:
        yield pair


def _pair_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    marker = request.node.get_closest_marker(_PAIR)
    return {"seed": request.config.getoption("--amp-seed"), **({} if marker is None else marker.kwargs)}


# --- a board ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def amp_board(request: pytest.FixtureRequest) -> Iterator[BootedBoard]:
    """A board whose core, a process, runs firmware; the host's side is in the test (amp.lab.booted.BootedBoard).

    `@pytest.mark.amp_board(firmware, platform=..., barriers=..., weaken=...)` chooses: an image's file, or a Python
    module's, beside the test or by name. The test fails if the core crashes, unless it has waited for that.
    """
    from amp.errors import AmpError  # noqa: PLC0415
    from amp.lab.booted import BootedBoard  # noqa: PLC0415

    marker = request.node.get_closest_marker(_BOARD)
    if marker is None or len(marker.args) != 1:
        _fail("amp_board: which firmware? @pytest.mark.amp_board(FILE), or a module's name")
    options = {"folder": str(request.path.parent), "seed": request.config.getoption("--amp-seed"), **marker.kwargs}
    try:
        signature(BootedBoard).bind(*marker.args, **options)
    except TypeError as error:
        _fail(f"amp_board: the mark {error}")
    try:
        with BootedBoard(*marker.args, **options) as board:
            yield board
    except AmpError as error:
        _fail(f"amp_board: {error}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A core that crashed fails the test, which may not have noticed; one that failed is told what the core said."""
    outcome: Any = yield
    board = getattr(item, "funcargs", {}).get(_BOARD)
    if board is None:
        return
    from amp.errors import AmpError, LinkDown, PeerDied  # noqa: PLC0415
    from amp.lab.booted import BootedBoard  # noqa: PLC0415

    if not isinstance(board, BootedBoard):  # somebody's own fixture of that name
        return
    error = None if outcome.excinfo is None else outcome.excinfo[1]
    is_gone = isinstance(error, LinkDown | PeerDied)
    try:
        if is_gone:
            board.look(settle=True)
        crashed = board.unexpected()
    except AmpError as wrong:  # what is told of the board must not hide what is told of the test
        crashed = f"what became of the core cannot be told: {wrong}"
    if crashed and (error is None or is_gone):
        where = "" if error is None else f"\nseen at {_line_of(item, error)}"
        outcome.force_exception(pytest.fail.Exception(f"{_BOARD}: {crashed}{where}", pytrace=False))
    elif error is not None:
        item.add_report_section("call", _BOARD, crashed or "\n".join(board.told()))


def _line_of(item: pytest.Item, error: BaseException) -> str:
    """Where in the test's file it was when that was raised."""
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(item.path)]
    return f"{item.path.name}:{lines[-1]}" if lines else item.name


# --- an item ----------------------------------------------------------------------------------------------------------


def _judge(item: pytest.Function, asked: Asked, returned: object) -> None:
    """Explore the item's cell. Fails, or raises what is wrong with the test."""
    from amp.errors import AmpError  # noqa: PLC0415
    from amp.explore.explorer import Nondeterministic  # noqa: PLC0415

    broken: list[Mapping[str, Any]] = []
    try:
        broken = [each.kwargs for each in item.iter_markers(_BROKEN) if _concerns(each, *_cell_of(item))]
        result, wrong = _result(item, asked, returned), ""
    except Nondeterministic as error:
        result, wrong = None, f"not deterministic, so what was explored says nothing: {error}"
    except AmpError as error:
        result, wrong = None, "\n".join([str(error), *getattr(error, "frames", ())])
    if result is None:
        _fail(wrong)
    wanted = {site for each in broken if (site := each.get("site")) is not None}
    unlike = _unlike_the_mark(result, wanted) if broken else ""
    as_marked = broken and not unlike
    item.user_properties.append(("amp", f"broken, as marked ({result.status})" if as_marked else result.status))
    if broken:
        if unlike:
            _fail(unlike)
    elif result.finding is not None:
        _fail("\n".join(_told(item, result)))
    elif result.status == "inconclusive":
        _fail(f"inconclusive: stopped after {result.exploration.bound}; nothing found so far")


def _cell_of(item: pytest.Function) -> tuple[str | Platform, str | None]:
    return cast("tuple[str | Platform, str | None]", item.funcargs[_CELL])


def _result(item: pytest.Function, asked: Asked, returned: object) -> Result:
    from amp.errors import UsageError  # noqa: PLC0415
    from amp.lab.gate import Cell, Memory, explored, replayed  # noqa: PLC0415
    from amp.programs.program import Program  # noqa: PLC0415

    program = asked.program if returned is None else returned
    if not isinstance(program, str | Program):
        raise UsageError(f"{item.name} returns {program!r:.60}, expected an amp.Program, or the name of one")
    platform, barriers = _cell_of(item)
    options = dict(asked.options)
    if (budget := item.config.getoption("--amp-budget")) is not None:
        options["max_seconds"] = budget
    cell = Cell(program, platform, barriers, asked.weaken, **options, seed=item.config.getoption("--amp-seed"))
    if schedule := item.config.getoption("--amp-replay"):
        return replayed(cell, schedule)
    return explored(cell, Memory(_folder(item), item.nodeid))


def _folder(item: pytest.Item) -> Path:
    from amp.lab.folder import FOLDER  # noqa: PLC0415

    return item.config.rootpath / FOLDER


def _concerns(mark: pytest.Mark, platform: Any, barriers: str | None) -> bool:
    """Does an `amp_broken` speak of this cell? What it does not name is all."""
    from amp.errors import UsageError  # noqa: PLC0415

    if mark.args or set(mark.kwargs) - {"platforms", "barriers", "site"}:
        raise UsageError(f"{_BROKEN} takes platforms=, barriers= and site=, not {mark.args or mark.kwargs}")
    on = listed(mark.kwargs.get("platforms", ALL))
    classes = listed(mark.kwargs.get("barriers", ALL))
    is_there = ALL in on or platform in on or getattr(platform, "name", None) in on
    return is_there and (ALL in classes or barriers in classes)


def _unlike_the_mark(result: Result, wanted: Collection[str | None]) -> str:
    """What is not as `amp_broken` has it: no violation, or one that is blamed on another site; "": all is."""
    where = " and ".join(sorted(filter(None, wanted)))
    if result.finding is None:
        return f"no violation, expected one{f' at {where}' if where else ''}: {result.status}"
    if where and result.finding.site not in wanted:
        blamed = result.finding.site or "no site"
        return f"a violation blamed on {blamed}, expected {where}\n{result.finding}"
    return ""


def _told(item: pytest.Function, result: Result) -> list[str]:
    assert result.finding is not None, result
    lines = [str(result.finding)]
    if result.remembered:
        lines.append("Remembered: its schedule was tried first; nothing else was explored")
    if result.witness is not None:
        lines.append(f"Witness: {result.witness.relative_to(item.config.rootpath)} (amp explain, amp replay)")
    elif result.unsaved:
        lines.append(f"Witness: none: {result.unsaved}")
    if result.finding.schedule:
        lines.append(f"Again: pytest '{item.nodeid}' --amp-replay {result.finding.schedule}")
    return lines


def _fail(text: str) -> NoReturn:
    pytest.fail(text, pytrace=False)
