"""The necessity matrix as one page that needs nothing else, not even a script: a broken cell opens its counterexample.

A Jinja template that escapes everything, and its style. The page forbids itself every connection and every script
(Content Security Policy level 3).
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from amp import __version__
from amp.ordering.barriers import BarrierClass
from amp.report.counts import count_of
from amp.report.matrix import Matrix, MatrixCell, Row, Verdict
from amp.report.matrix_text import (
    built_lines,
    cell_text,
    coded_text,
    legend,
    together_text,
    together_title,
    totals_text,
    who_text,
)
from amp.report.page import asset, source_hash, template


def render_matrix_html(matrix: Matrix) -> str:
    """The page."""
    style = asset("sites.css")
    rows = [_row(row) for row in matrix.rows]
    return template("sites.html").render(
        version=__version__,
        matrix=matrix,
        coded=coded_text(matrix),
        coded_verdict=matrix.coded.verdict.value,
        legend=legend(matrix),
        together_title=together_title(matrix),
        together=together_text(matrix),
        classes=[barrier_class.value for barrier_class in BarrierClass],
        built=built_lines(matrix),
        rows=rows,
        totals=totals_text(matrix),
        counterexamples=[cell for row in rows for cell in row["cells"] if cell["found"] is not None],
        style=Markup(style),  # ours, not data
        style_hash=source_hash(style),
    )


def _row(row: Row) -> dict[str, Any]:
    return {
        "site": row.site.name,
        "needs": row.needs,
        "who": who_text(row.site),
        "orders": row.site.orders,
        "coded": row.coded,
        "note": row.note,
        "cells": [_cell(row, cell) for cell in row.cells],
    }


def _cell(row: Row, cell: MatrixCell) -> dict[str, Any]:
    explored = cell.explored
    return {
        "id": f"{row.site.name}-{cell.barrier_class.value}",
        "name": f"{row.site.name}={cell.barrier_class.value}",
        "text": cell_text(cell),
        "barrier": cell.barrier,
        "verdict": explored.verdict.value,
        "weakest": row.judged and cell is row.weakest,
        "shared": cell.same_as is not None,
        "title": f"{cell.barrier}: {explored.verdict.value}, {count_of(explored.runs, 'run')}, "
        f"{count_of(explored.states, 'state')}"
        + (f", stopped after {explored.bound}" if explored.verdict is Verdict.UNKNOWN else ""),
        "found": cell.counterexample,
    }
