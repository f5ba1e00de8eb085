"""Compares tables that were imported with what pandas reads of the same files, cell by cell, and prints each difference.

Reads a list of files from standard input, as JSON; the argument is the database.
"""

import collections
import json
import sqlite3
import sys

import pandas

database = sqlite3.connect(sys.argv[1])


def read(file, **more):
    options = {"sep": "\t" if file["delimiter"] == "tab" else file["delimiter"], "encoding": file["encoding"]}
    options |= file["pandas"] | more
    return pandas.read_csv(file["path"], **options)


def is_same(ours, raw, kind):
    """Whether a value of ours is what stands in the file."""
    if kind == "text":
        return ours == raw
    if kind == "integer":
        return str(ours) == raw.strip()
    if kind == "number":
        return float(raw) == ours
    if kind == "boolean":
        return raw.strip().lower() == ("true" if ours else "false")
    moment = pandas.Timestamp(raw.strip())
    if kind == "timestamptz":
        moment = moment.tz_convert("UTC")
    return pandas.Timestamp(ours) == moment and pandas.Timestamp(ours).tz == moment.tz


def differences(file):
    # Once as it stands, once as pandas understands it.
    try:
        raw = read(file, dtype=str, keep_default_na=False)
        typed = read(file, low_memory=False)
    except pandas.errors.ParserError as error:
        yield f"pandas: {str(error).strip()}"
        return
    if not isinstance(raw.index, pandas.RangeIndex):
        yield "pandas takes the first column for names of the rows"
        return
    columns = [column["name"] for column in file["columns"]]
    names = ", ".join(f'"{name}"' for name in columns)
    ours = database.execute(f'SELECT {names} FROM "{file["table"]}" ORDER BY rowid').fetchall()
    if (len(raw), len(raw.columns)) != (len(ours), len(columns)):
        yield f"{len(ours)} rows of {len(columns)} columns, not {len(raw)} of {len(raw.columns)}"
        return
    for at, column in enumerate(file["columns"]):
        kinds, example = collections.Counter(), {}
        is_number = pandas.api.types.is_numeric_dtype(typed.iloc[:, at].dtype)
        cells = zip(raw.iloc[:, at].tolist(), typed.iloc[:, at].isna().tolist(), ours)
        for text, is_missing, row in cells:
            value = row[at]
            if value is None:
                kind = None if is_missing or text.strip() == "" else "no value"
            elif not is_same(value, text, column["type"]):
                kind = "another value"
            elif is_missing:
                kind = "a value, not none"
            else:
                kind = "text, not a number" if column["type"] == "text" and is_number else None
            if kind:
                kinds[kind] += 1
                example.setdefault(kind, text)
        for kind, count in sorted(kinds.items()):
            yield f"column {column['name']}: {kind}, {count} times, first {example[kind]!r}"


for each in json.load(sys.stdin):
    for difference in differences(each):
        print(f"{each['name']}: {difference}")
