"""Prints what openpyxl reads of workbooks: a line of JSON for each sheet that has values, its rows in order.

A cell is null, or a list of a letter for its kind (n number, b boolean, d day or time, e error, s text) and its text.
"""

import datetime
import json
import sys
import warnings

import openpyxl

DAY = datetime.timedelta(days=1)


def clock(milliseconds):
    seconds, rest = divmod(milliseconds, 1000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{rest:03}" if rest else text


def shown(cell):
    value = cell.value
    if value is None or value == "":
        return None
    if cell.data_type == "e":
        return ["e", value]
    if isinstance(value, bool):
        return ["b", str(value).lower()]
    if isinstance(value, (int, float)):
        return ["n", repr(value)]
    if isinstance(value, datetime.datetime):
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
        text = value.isoformat(" ", "milliseconds" if value.microsecond else "seconds")
        return ["d", text]
    if isinstance(value, datetime.date):
        return ["d", value.isoformat()]
    if isinstance(value, datetime.time):
        return ["d", value.isoformat("milliseconds" if value.microsecond else "seconds")]
    if isinstance(value, datetime.timedelta):
        milliseconds = value // datetime.timedelta(milliseconds=1)
        return ["d", ("-" if milliseconds < 0 else "") + clock(abs(milliseconds))]
    return ["s", str(value)]


def rows_of(sheet):
    """Its rows that have a value. Only cells that are there: a format far away makes a sheet very large."""
    rows = {}
    for (row, column), cell in sorted(sheet._cells.items()):
        value = shown(cell)
        if value is not None:
            fields = rows.setdefault(row, [])
            fields.extend([None] * (column - 1 - len(fields)))
            fields.append(value)
    return list(rows.values())


def main():
    warnings.simplefilter("ignore")
    for path in sys.argv[1:]:
        try:
            book = openpyxl.load_workbook(path, data_only=True)
        except Exception as error:
            print(json.dumps({"file": path, "error": f"{type(error).__name__}: {error}"}))
            continue
        for sheet in book.worksheets:
            rows = rows_of(sheet)
            if rows:
                print(json.dumps({"file": path, "sheet": sheet.title, "rows": rows}))


main()
