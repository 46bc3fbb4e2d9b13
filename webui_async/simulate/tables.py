"""CSV files of numbers under a header, read strictly: every complaint names the line and the value."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from webui_async.contract.errors import TrafficRefused, shown

#: Column -> number, of one line.
Row = dict[str, float]
#: No number may be more: three years, in seconds. Times since 1970 are far over it.
MOST = 1e8


def read_table(path: Path, columns: Sequence[str], optional: Collection[str] = ()) -> list[Row]:
    """The lines of the file, at least one.

    columns: what the header names, in any order; `optional` are those of them it may leave out.
    Raises TrafficRefused.
    """
    wanted = ",".join(columns)
    lines = _lines(path)
    _, header = next(lines, (1, []))
    names = [name.strip() for name in header]
    needed = set(columns) - set(optional)
    if not needed <= set(names) <= set(columns) or len(set(names)) < len(names):
        rule = f"it must be {wanted}"
        if optional:
            rule += f", where {' and '.join(optional)} may be left out"
        raise TrafficRefused(f"line 1 of {path} is {shown(','.join(header))}; {rule}")
    rows = [_row(path, number, names, values) for number, values in lines]
    if not rows:
        raise TrafficRefused(f"{path} holds no line below its header {wanted}")
    return rows


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and values of each line that is not empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            yield from ((reader.line_num, values) for values in reader if values)
    except OSError as error:
        raise TrafficRefused(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrafficRefused(f"{path} is no CSV file in UTF-8: {error}") from error


def _row(path: Path, number: int, names: Sequence[str], values: Sequence[str]) -> Row:
    if len(values) != len(names):
        given, wanted = shown(",".join(values)), ",".join(names)
        raise TrafficRefused(f"line {number} of {path} is {given}; it must hold one value each for {wanted}")
    return {
        name: _number(path, number, name, value.strip()) for name, value in zip(names, values, strict=True)
    }


def _number(path: Path, number: int, name: str, value: str) -> float:
    try:
        read = float(value)
    except ValueError:
        read = math.nan
    if not 0 <= read <= MOST:
        rule = f"it must be a number from 0 to {MOST:.0f}; times count from the start of the simulation"
        raise TrafficRefused(f"line {number} of {path}: {name} is {shown(value)}; {rule}")
    return read
