//! The plan of a text: encoding, format, dialect, columns and their notations, from its beginning.

use bytes::{Bytes, BytesMut};
use runtime::Failure;

use crate::{
    clues::{Clues, Findings},
    column::ColumnType,
    definition::spec::{ColumnSpec, ImportSpec},
    options::{Compression, Delimiter, FileOptions, Format},
    read::{
        delimited::DelimitedReader,
        dialect::Dialect,
        json_fields::UnknownKeys,
        json_lines::JsonLinesReader,
        json_shape::JsonShape,
        row::{MAX_ROW_BYTES, RowReader},
        sniff,
        source::Chunks,
        text::{TextEncoding, TextReader},
        unpack,
        values::ValueCount,
    },
    schema::{
        inference::TypeInference,
        limits::Limits,
        mapping::{ColumnLimit, ColumnMapping},
    },
};

/// Notes of a file that are kept.
const MAX_NOTES: usize = 50;

/// A text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextLayout {
    pub(crate) compression: Compression,
    pub(crate) encoding: TextEncoding,
    pub(crate) format: TextFormat,
}

/// The format of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TextFormat {
    Delimited(Dialect),
    JsonLines(JsonShape),
}

/// The reader of a text's rows.
pub(crate) enum TextRows {
    Delimited(Box<DelimitedReader>),
    Json(Box<JsonLinesReader>),
}

impl TextLayout {
    /// The reader of its rows.
    pub(crate) fn open(
        self,
        file: Box<dyn Chunks>,
        mapping: &ColumnMapping,
        spec: &ImportSpec,
        limits: Limits,
    ) -> TextRows {
        let text = TextReader::new(unpack::unpack(file, self.compression, limits.unpack), self.encoding);
        match self.format {
            TextFormat::Delimited(dialect) => TextRows::Delimited(Box::new(DelimitedReader::new(text, dialect, false))),
            TextFormat::JsonLines(shape) => {
                let names = mapping.fields.iter().map(|column| column.field.clone()).collect();
                let unknown_keys = unknown_keys(spec, limits.columns);
                TextRows::Json(Box::new(JsonLinesReader::new(text, shape, names, unknown_keys, false)))
            }
        }
    }
}

/// What the beginning of a text tells.
#[derive(Debug)]
pub(crate) struct TextPlan {
    pub(crate) encoding: TextEncoding,
    pub(crate) format: TextFormat,
    pub(crate) mapping: ColumnMapping,
    /// What was found out and is not what most files have.
    pub(crate) notes: Vec<String>,
}

/// The first mebibyte of a file.
pub(super) struct Sample {
    bytes: Bytes,
    /// Set if there is more.
    truncated: bool,
}

impl Sample {
    pub(super) fn read(mut chunks: impl Chunks) -> Result<Self, Failure> {
        let mut sample = BytesMut::new();
        while sample.len() < MAX_ROW_BYTES {
            match chunks.next()? {
                Some(chunk) => sample.extend_from_slice(&chunk),
                None if sample.is_empty() => return Err(Failure::input("the file is empty")),
                None => return Ok(Self { bytes: sample.freeze(), truncated: false }),
            }
        }
        Ok(Self { bytes: sample.freeze(), truncated: true })
    }

    /// Its encoding, and its text as UTF-8.
    fn decode(&self, options: &FileOptions) -> Result<(TextEncoding, Bytes), Failure> {
        let encoding = options.encoding.map_or(TextEncoding::Ascii, |encoding| TextEncoding::given(encoding.0));
        let mut text = TextReader::new(Box::new(Some(self.bytes.clone())), encoding);
        let mut decoded = Vec::new();
        while text.fill(&mut decoded)? {}
        Ok((text.encoding(), decoded.into()))
    }

    /// Plans a text; the format is found out if nobody gave it.
    pub(super) fn plan(&self, spec: &ImportSpec, limits: Limits, file_bytes: u64) -> Result<TextPlan, Failure> {
        let (encoding, text) = self.decode(&spec.options)?;
        let format = spec.options.format.map_or_else(|| sniff::text_format(&text), Ok)?;
        let values = || ValueCount::new(limits.values, file_bytes);
        let sample = DecodedSample { text, truncated: self.truncated };
        let (format, mapping, notes) = match format {
            Format::Jsonl => sample.plan_json(spec, limits, values)?,
            _ => sample.plan_delimited(format, spec, limits, values)?,
        };
        Ok(TextPlan { encoding, format, mapping, notes })
    }
}

/// The same as UTF-8.
struct DecodedSample {
    text: Bytes,
    truncated: bool,
}

type Planned = (TextFormat, ColumnMapping, Vec<String>);

impl DecodedSample {
    fn plan_delimited(
        &self,
        format: Format,
        spec: &ImportSpec,
        limits: Limits,
        values: impl Fn() -> ValueCount,
    ) -> Result<Planned, Failure> {
        let mut options = spec.options.clone();
        if format == Format::Tsv {
            options.delimiter = options.delimiter.or(Some(Delimiter(b'\t')));
        }
        let dialect = Dialect::find(&self.text, self.truncated, &options, spec.names_columns());
        let reader = || DelimitedReader::new(TextReader::of_utf_8(self.text.clone()), dialect, self.truncated);
        let mut rows = reader();
        if !rows.read_header(|fields| limits.columns.check(fields))? {
            return Err(match self.truncated {
                true => rows.too_long(),
                false => Failure::input("the file has no header, only empty lines"),
            });
        }
        let mut mapping = ColumnMapping::new(&rows.names, spec)?;
        // Read twice: how a column's values are written is known only at the end.
        let mut clues = vec![Clues::default(); mapping.fields.len()];
        let mut counted = values();
        while let Some(row) = rows.next_row()? {
            counted.add(&row)?;
            if row.error().is_none() && !row.has_value_beyond(clues.len()) {
                clues.iter_mut().zip(row.fields()).for_each(|(clues, field)| clues.observe(field));
            }
        }
        let mut notes = dialect.notes(&spec.options);
        let findings = Findings::of(&clues);
        for (column, clues) in mapping.fields.iter_mut().zip(&clues).filter(|(column, _)| column.used) {
            let has_type = matches!(column.inference, TypeInference::Fixed(_));
            let (notation, told) = findings.notation(clues, &spec.options, has_type);
            column.notation = notation;
            // A column of text has no notation.
            let is_text = column.inference == TypeInference::Fixed(ColumnType::Text);
            notes.extend(told.iter().filter(|_| !is_text).map(|note| format!("column {}: {note}", column.name)));
        }
        notes.truncate(MAX_NOTES);
        let mut rows = reader();
        rows.read_header(|_| Ok(()))?;
        mapping.learn_types(&mut rows, usize::MAX, values())?;
        Ok((TextFormat::Delimited(dialect), mapping, notes))
    }

    fn plan_json(
        &self,
        spec: &ImportSpec,
        limits: Limits,
        values: impl Fn() -> ValueCount,
    ) -> Result<Planned, Failure> {
        let shape = JsonShape::find(&self.text, spec.options.header);
        let reader = |names: Vec<String>| {
            let (text, unknown_keys) = (TextReader::of_utf_8(self.text.clone()), unknown_keys(spec, limits.columns));
            JsonLinesReader::new(text, shape, names, unknown_keys, self.truncated)
        };
        // Read twice: the columns are known only at the end.
        let mut rows = reader(Vec::new());
        let (mut objects, mut error) = (0, None);
        let mut counted = values();
        while let Some(row) = rows.next_row()? {
            counted.add(&row)?;
            match row.error() {
                None => objects += 1,
                Some(reason) => drop(error.get_or_insert_with(|| format!("line {}: {reason}", row.line))),
            }
        }
        if objects == 0 && !(shape.header && error.is_none() && !rows.names().is_empty()) {
            let reason = error.unwrap_or_else(|| "its first line is longer than 1 MiB, or there is none".to_owned());
            let row = if shape.arrays { "an array" } else { "an object" };
            return Err(Failure::input(format!("the file is not JSON Lines, {row} on each line; {reason}")));
        }
        limits.columns.check(rows.names().len())?;
        let mut mapping = ColumnMapping::new(rows.names(), spec)?;
        mapping.learn_types(&mut reader(rows.names().to_vec()), usize::MAX, values())?;
        let notes = match (shape.arrays, shape.header) {
            (true, true) => vec!["the first array names the columns".to_owned()],
            (true, false) => vec!["no array names the columns".to_owned()],
            (false, _) => Vec::new(),
        };
        Ok((TextFormat::JsonLines(shape), mapping, notes))
    }
}

/// The treatment of keys of JSON Lines that the plan does not have.
fn unknown_keys(spec: &ImportSpec, limit: ColumnLimit) -> UnknownKeys {
    match &spec.columns {
        ColumnSpec::Declared(declared) => UnknownKeys::AddDeclared(declared.clone()),
        ColumnSpec::Types(_) => UnknownKeys::Add(limit.max),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::read::{unpack::UnpackLimit, values::ValueLimit};

    fn plan(text: &[u8], truncated: bool) -> Result<TextPlan, String> {
        let spec = crate::definition::spec::tests::spec(
            json!({"file": "a/b", "table": "t", "format": "csv", "columns": {"id": "text"}}),
        );
        let limits = Limits {
            unpack: UnpackLimit { max_bytes: 1 << 30 },
            columns: ColumnLimit { max: 2000, database: "a test" },
            values: ValueLimit { max_bytes: 1 << 30 },
        };
        let sample = Sample { bytes: Bytes::copy_from_slice(text), truncated };
        sample.plan(&spec, limits, text.len() as u64).map_err(|error| error.to_string())
    }

    fn columns(plan: &TextPlan) -> String {
        let name_and_type = |column: &crate::column::Column| format!("{} {}", column.name, column.column_type.as_str());
        plan.mapping.table_columns().iter().map(name_and_type).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_sample_tells_delimiter_names_and_types() {
        let found = plan(b"id;A B;b\n1;2;x\n2;;y\nragged\n", false).unwrap();
        assert_eq!(found.encoding, TextEncoding::Ascii);
        assert!(matches!(found.format, TextFormat::Delimited(dialect) if dialect == Dialect::of(b';')));
        assert_eq!(columns(&found), "id text, A_B integer, b text");
    }

    #[test]
    fn a_row_that_is_cut_at_the_end_of_the_sample_tells_nothing() {
        assert_eq!(columns(&plan(b"id,n\n1,2\n1,2.", true).unwrap()), "id text, n integer");
        assert_eq!(columns(&plan(b"id,n\n1,2\n1,2.", false).unwrap()), "id text, n number");
    }

    #[test]
    fn what_has_no_header_or_no_column_of_a_given_name_is_told() {
        let told = |text: &[u8], cut| plan(text, cut).err().unwrap();
        assert!(told(b"\n\r\n", false).contains("no header"));
        assert_eq!(told(b"a,b\n", false), "columns: the file has no column \"id\"; it has: a, b");
        assert!(told(b"id\0,b\n", false).contains("line 1, is not text"));
        assert!(told(&vec![b'x'; MAX_ROW_BYTES], true).contains("line 1 is longer than 1 MiB"));
        assert!(told(b"id,\"x\n1,2\n", true).contains("the quote that opens in line 1"));
        let wide = vec![b','; 500_000];
        assert_eq!(told(&wide, false), "the file has 500001 columns; a table of a test has 2000 at most");
    }
}
