"""Reads a report's file by other programs than ours and prints what it holds as JSON: read.py FORMAT FILE"""

import csv
import datetime
import html.parser
import json
import sys
import zipfile

import openpyxl


def cell(cell):
    """The type of a cell, its value as text, and how it is shown."""
    value = cell.value
    if isinstance(value, bool):
        return ["boolean", str(value).lower()]
    if isinstance(value, (int, float)):
        return ["number", repr(value if abs(value) < 1e16 else float(value)), cell.number_format]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return ["time", value.isoformat(), cell.number_format]
    if value is None:
        return ["empty"]
    return ["formula" if cell.data_type == "f" else "text", value]


def titles(chart):
    """What the parts of a chart are called: a reference to a cell with its copy, or a text."""
    found = []
    for part in [chart.x_axis, chart.y_axis]:
        text = part.title.tx if part.title else None
        if text and text.strRef:
            found.append([text.strRef.f, [point.v for point in text.strRef.strCache.pt]])
        elif text and text.rich:
            found.append(["".join(run.t for line in text.rich.p for run in line.r or [])])
    for series in chart.series:
        found.append([series.tx.strRef.f] if series.tx.strRef else [series.tx.v])
    return found


def xlsx(path):
    with open(path, "rb") as file:
        book = openpyxl.load_workbook(file)
    properties = book.properties
    return {
        "sheets": [sheet.title for sheet in book],
        "rows": {sheet.title: [[cell(each) for each in row] for row in sheet.iter_rows()] for sheet in book},
        "charts": {sheet.title: [titles(chart) for chart in sheet._charts] for sheet in book if sheet._charts},
        "properties": [properties.title, properties.subject, properties.creator, properties.description],
        "custom": {each.name: each.value for each in book.custom_doc_props},
    }


def rows(text):
    return list(csv.reader(text.splitlines(keepends=True), strict=True))


class Page(html.parser.HTMLParser):
    """The texts of a page by what they stand in."""

    def __init__(self):
        super().__init__()
        self.open, self.found = [], {name: [] for name in ["h1", "h2", "dt", "dd", "th", "td", "p", "figcaption"]}

    def handle_starttag(self, tag, attributes):
        if tag in self.found:
            self.open.append(tag)
            self.found[tag].append("")

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if self.open:
            self.found[self.open[-1]][-1] += data


def page(path):
    parser = Page()
    with open(path, encoding="utf-8", newline="") as file:
        parser.feed(file.read())
    return parser.found


def archive(path):
    with zipfile.ZipFile(path) as parts:
        assert parts.testzip() is None
        return {name: parts.read(name).decode("utf-8-sig") for name in parts.namelist()}


def read(kind, path):
    match kind:
        case "xlsx":
            return xlsx(path)
        case "html":
            return page(path)
        case "zip":
            return archive(path)
        case "csv":
            with open(path, encoding="utf-8-sig", newline="") as file:
                return rows(file.read())


json.dump(read(*sys.argv[1:]), sys.stdout)
