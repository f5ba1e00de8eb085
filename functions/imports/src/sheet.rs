//! From the cells of a sheet to rows. Of a formula the value is taken that the workbook keeps beside it; nothing is
//! ever worked out here.

use std::{fs::File, io::BufReader, io::Write, mem, sync::Arc};

use calamine::{Cell, DataRef, ExcelDateTime, XlsxCellReader};
use runtime::Failure;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    row::{LONGEST_ROW, Record, Rows, Soundness},
    source,
    workbook::guarded,
};

/// Columns that a sheet has.
const MOST_COLUMNS: usize = 16_384;

/// Rows between two looks at whether to go on.
const LOOK: u64 = 256;

/// The rows of a sheet, one after the other; those without a value are none.
pub(crate) struct Sheet<'a> {
    cells: XlsxCellReader<'a, BufReader<Arc<File>>>,
    watch: Watch,
    /// How many rows it says that it has.
    total: u64,
    /// The first cell of the next row, as the reader gave it.
    ahead: Option<Cell<DataRef<'a>>>,
    /// The reader may not be asked again after its last cell: what follows is no cell.
    ended: bool,
    names: Vec<String>,
    /// The row at hand: its fields, where each ends, and which are text.
    line: u64,
    fields: Vec<u8>,
    ends: Vec<usize>,
    texts: Vec<bool>,
    /// The same as a row of a CSV.
    raw: Vec<u8>,
    fault: Option<String>,
}

/// Who is told how far it is, and who says when to stop.
pub(crate) struct Watch {
    pub(crate) stop: CancellationToken,
    pub(crate) progress: Option<watch::Sender<f64>>,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(cells: XlsxCellReader<'a, BufReader<Arc<File>>>, watch: Watch) -> Self {
        let total = u64::from(cells.dimensions().end.0) + 1;
        Self {
            cells,
            watch,
            total,
            ahead: None,
            ended: false,
            names: Vec::new(),
            line: 0,
            fields: Vec::new(),
            ends: Vec::new(),
            texts: Vec::new(),
            raw: Vec::new(),
            fault: None,
        }
    }

    /// Reads the first row that has a value, which names the fields; `false` if there is none. More than `most`
    /// fields are a failure.
    pub(crate) fn read_header(&mut self, most: impl FnOnce(usize) -> Result<(), Failure>) -> Result<bool, Failure> {
        if !self.gather()? {
            return Ok(false);
        }
        if let Some(fault) = &self.fault {
            return Err(Failure::input(format!("the header, row {}: {fault}", self.line)));
        }
        most(self.ends.len())?;
        let mut from = 0;
        for end in &self.ends {
            self.names.push(String::from_utf8_lossy(&self.fields[from..*end]).into_owned());
            from = *end;
        }
        Ok(true)
    }

    /// Puts the next row's cells together; `false` at the end.
    fn gather(&mut self) -> Result<bool, Failure> {
        loop {
            let Some(first) = self.next_cell()? else {
                return Ok(false);
            };
            let row = first.get_position().0;
            self.begin(row)?;
            let mut cell = first;
            let mut has_value = false;
            loop {
                has_value |= *cell.get_value() != DataRef::Empty;
                self.put(&cell)?;
                match self.next_cell()? {
                    Some(next) if next.get_position().0 == row => cell = next,
                    next => {
                        self.ahead = next;
                        break;
                    }
                }
            }
            if has_value {
                return Ok(true);
            }
        }
    }

    fn next_cell(&mut self) -> Result<Option<Cell<DataRef<'a>>>, Failure> {
        if self.ahead.is_some() || self.ended {
            return Ok(self.ahead.take());
        }
        let cell = guarded(|| self.cells.next_cell())?;
        self.ended = cell.is_none();
        Ok(cell)
    }

    fn begin(&mut self, row: u32) -> Result<(), Failure> {
        let line = u64::from(row) + 1;
        if line <= self.line {
            return Err(Failure::input(format!("the workbook is broken: row {line} comes after row {}", self.line)));
        }
        self.line = line;
        if self.line / LOOK != (self.line - 1) / LOOK || self.line == 1 {
            if self.watch.stop.is_cancelled() {
                return Err(Failure::Stopped);
            }
            if let Some(progress) = &self.watch.progress {
                source::say_progress(progress, self.line as f64 / self.total.max(self.line) as f64);
            }
        }
        self.fields.clear();
        self.ends.clear();
        self.texts.clear();
        self.fault = None;
        Ok(())
    }

    fn put(&mut self, cell: &Cell<DataRef<'a>>) -> Result<(), Failure> {
        let column = cell.get_position().1 as usize;
        let value = cell.get_value();
        if column < self.ends.len() {
            self.fault.get_or_insert_with(|| format!("its cells are not in order, at column {}", letters(column)));
            return Ok(());
        }
        if *value == DataRef::Empty {
            return Ok(());
        }
        if column >= MOST_COLUMNS {
            return Err(Failure::input(format!(
                "the workbook is broken: row {} has a cell beyond column XFD",
                self.line
            )));
        }
        // Beyond the header nobody knows what it is.
        if !self.names.is_empty() && column >= self.names.len() {
            let has = self.names.len();
            self.fault.get_or_insert_with(|| {
                format!("it has a value in column {}, and the header ends at {}", letters(column), letters(has - 1))
            });
            return Ok(());
        }
        while self.ends.len() < column {
            self.ends.push(self.fields.len());
            self.texts.push(false);
        }
        match written(value, &mut self.fields) {
            Ok(is_text) => self.texts.push(is_text),
            Err(reason) => {
                self.texts.push(true);
                self.fault.get_or_insert_with(|| format!("its column {} {reason}", letters(column)));
            }
        }
        self.ends.push(self.fields.len());
        if self.fields.len() > LONGEST_ROW {
            return Err(Failure::input(format!("row {} is longer than 1 MiB, more than a row may have", self.line)));
        }
        Ok(())
    }

    /// As many fields as the header has, and the row as a CSV has it.
    fn finish(&mut self) {
        while self.ends.len() < self.names.len() {
            self.ends.push(self.fields.len());
            self.texts.push(false);
        }
        if memchr::memchr(0, &self.fields).is_some() {
            self.fault.get_or_insert_with(|| "it has a NUL character".to_owned());
        }
        self.raw.clear();
        self.write_raw();
    }

    fn write_raw(&mut self) {
        let mut from = 0;
        for (at, end) in self.ends.iter().enumerate() {
            let field = &self.fields[mem::replace(&mut from, *end)..*end];
            if at > 0 {
                self.raw.push(b',');
            }
            if field.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
                let text = String::from_utf8_lossy(field).replace('"', "\"\"");
                self.raw.extend_from_slice(format!("\"{text}\"").as_bytes());
            } else {
                self.raw.extend_from_slice(field);
            }
        }
    }
}

impl Rows for Sheet<'_> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Failure> {
        if !self.gather()? {
            return Ok(None);
        }
        self.finish();
        let soundness = self.fault.as_deref().map_or(Soundness::Sound, Soundness::Fault);
        let Self { line, raw, fields, ends, texts, .. } = self;
        Ok(Some(Record { line: *line, raw, soundness, fields, ends, gap: 0, texts, names: &[] }))
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    fn encoding(&self) -> String {
        "utf-8".to_owned()
    }
}

/// Writes a value as a field has it; whether it is text, or why it is no value.
fn written(value: &DataRef<'_>, to: &mut Vec<u8>) -> Result<bool, String> {
    // Writing to memory does not fail.
    let mut put = |text: std::fmt::Arguments<'_>| drop(to.write_fmt(text));
    match value {
        DataRef::Empty => Ok(false),
        DataRef::Int(number) => {
            put(format_args!("{number}"));
            Ok(false)
        }
        DataRef::Float(number) if !number.is_finite() => Err(format!("holds {number}")),
        // Sixteen digits and more are written with an exponent, as a number and not as a whole one.
        DataRef::Float(number) if number.abs() >= 1e16 || (*number != 0.0 && number.abs() < 1e-5) => {
            put(format_args!("{number:e}"));
            Ok(false)
        }
        DataRef::Float(number) => {
            // There is no -0 in a sheet.
            put(format_args!("{}", if *number == 0.0 { 0.0 } else { *number }));
            Ok(false)
        }
        DataRef::Bool(truth) => {
            put(format_args!("{truth}"));
            Ok(false)
        }
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            put(format_args!("{text}"));
            Ok(true)
        }
        DataRef::SharedString(text) => {
            put(format_args!("{text}"));
            Ok(true)
        }
        DataRef::DateTime(at) => {
            put(format_args!("{}", moment(at)));
            Ok(true)
        }
        DataRef::Error(error) => Err(format!("holds the error {error}")),
    }
}

/// A date, a date and a time, or a time alone.
fn moment(at: &ExcelDateTime) -> String {
    if at.is_duration() {
        let seconds = (at.as_f64() * 86_400.0).round();
        let (sign, seconds) = (if seconds < 0.0 { "-" } else { "" }, seconds.abs() as u64);
        return format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, millisecond) = at.to_ymd_hms_milli();
    let mut clock = format!("{hour:02}:{minute:02}:{second:02}");
    if millisecond > 0 {
        clock = format!("{clock}.{millisecond:03}");
    }
    match (at.as_f64(), clock.as_str()) {
        (0.0..1.0, _) => clock,
        (_, "00:00:00") => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {clock}"),
    }
}

/// A column as people call it: A, B, … Z, AA.
fn letters(mut column: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.insert(0, char::from(b'A' + (column % 26) as u8));
        if column < 26 {
            return letters.into_iter().collect();
        }
        column = column / 26 - 1;
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn columns_are_called_as_people_call_them() {
        for (column, name) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")] {
            assert_eq!(letters(column), name);
        }
    }

    #[test]
    fn values_are_written_as_a_field_has_them() {
        let shown = |value: DataRef<'_>| {
            let mut field = Vec::new();
            written(&value, &mut field).map(|is_text| (String::from_utf8(field).unwrap(), is_text))
        };
        for (number, text) in [
            (1.0, "1"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (1234.5, "1234.5"),
            (1e20, "1e20"),
            (1.5e-9, "1.5e-9"),
            (123_456_789_012_345.0, "123456789012345"),
        ] {
            assert_eq!(shown(DataRef::Float(number)).unwrap(), (text.to_owned(), false));
        }
        assert_eq!(shown(DataRef::SharedString("=1+1")).unwrap(), ("=1+1".to_owned(), true));
        assert!(shown(DataRef::Float(f64::INFINITY)).is_err());
    }

    #[test]
    fn serial_numbers_are_dates_and_times() {
        let at = |value, kind| moment(&ExcelDateTime::new(value, kind, false));
        assert_eq!(at(46_348.0, ExcelDateTimeType::DateTime), "2026-11-22");
        assert_eq!(at(46_348.25, ExcelDateTimeType::DateTime), "2026-11-22 06:00:00");
        assert_eq!(at(0.75, ExcelDateTimeType::DateTime), "18:00:00");
        assert_eq!(at(1.5, ExcelDateTimeType::TimeDelta), "36:00:00");
    }
}
