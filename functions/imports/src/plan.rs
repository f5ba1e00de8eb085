//! What is known of a file before it is loaded, from its first mebibyte.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use encoding_rs::UTF_8;
use futures_util::TryStreamExt;
use runtime::{Context, Failure};

use crate::{
    column::{Column, ColumnType},
    header,
    infer::Kind,
    input::{Delimiter, Input},
    records::{LONGEST_ROW, Records},
    sniff,
    source::{self, Source},
    text::{Known, Text},
    thread,
};

/// How a file is read.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) bytes: u64,
    pub(crate) encoding: Known,
    pub(crate) delimiter: Delimiter,
    pub(crate) columns: Vec<PlannedColumn>,
}

/// A column, with what is known of its type.
#[derive(Debug, Clone)]
pub(crate) struct PlannedColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

impl Plan {
    /// Looks at the start of the file.
    pub(crate) async fn make(context: &Context, input: &Input) -> Result<Self, Failure> {
        let mut download = source::open(context, &input.file).await?;
        let mut sample = BytesMut::new();
        while sample.len() < LONGEST_ROW {
            let piece = download.content.try_next().await;
            match piece.map_err(|error| source::failure(error, "the file could not be read"))? {
                Some(piece) => sample.extend_from_slice(&piece),
                None => break,
            }
        }
        let cut = (sample.len() as u64) < download.bytes;
        let (sample, input) = (sample.freeze(), input.clone());
        thread::run(move || Self::from_sample(sample, cut, download.bytes, &input)).await
    }

    fn from_sample(sample: Bytes, cut: bool, bytes: u64, input: &Input) -> Result<Self, Failure> {
        if sample.is_empty() {
            return Err(Failure::input("the file is empty"));
        }
        sniff::refuse_other_formats(&sample)?;
        let (encoding, text) = decode(sample, input)?;
        let delimiter = input.delimiter.unwrap_or_else(|| sniff::delimiter(&text, cut));
        let text = Text::new(Source::sample(text), Known::Said(UTF_8));
        let mut records = Records::new(text, delimiter.0, cut);
        let mut columns = match read_header(&mut records, &input.columns)? {
            Some(columns) => columns,
            None if cut => return Err(records.too_long()),
            None => return Err(Failure::input("the file has no header, only empty lines")),
        };
        while let Some(row) = records.next()? {
            if row.len() == columns.len() {
                columns.iter_mut().zip(row.fields()).for_each(|(column, field)| column.kind.learn(field));
            }
        }
        Ok(Self { bytes, encoding, delimiter, columns })
    }

    /// Takes the types of a table that is there: what does not fit them is rejected.
    pub(crate) fn fit(&mut self, table: &str, existing: &[Column]) -> Result<(), Failure> {
        for column in &mut self.columns {
            let known = existing.iter().find(|known| known.name.eq_ignore_ascii_case(&column.name));
            let known = known.ok_or_else(|| {
                let names: Vec<_> = existing.iter().map(|column| column.name.as_str()).collect();
                let (name, names) = (&column.name, names.join(", "));
                Failure::input(format!("the file has a column {name} that the table {table} has not; it has: {names}"))
            })?;
            column.name.clone_from(&known.name);
            column.kind = Kind::Given(known.kind);
        }
        Ok(())
    }

    /// The columns as they stand in the table.
    pub(crate) fn columns(&self) -> Vec<Column> {
        self.columns.iter().map(|column| Column { name: column.name.clone(), kind: column.kind.kind() }).collect()
    }
}

/// The sample as UTF-8.
fn decode(sample: Bytes, input: &Input) -> Result<(Known, Bytes), Failure> {
    let said = input.encoding.map_or(Known::Ascii, |encoding| Known::Said(encoding.0));
    let mut text = Text::new(Source::sample(sample), said);
    let mut decoded = Vec::new();
    while text.fill(&mut decoded)? {}
    Ok((text.known(), decoded.into()))
}

fn read_header(
    records: &mut Records,
    given: &BTreeMap<String, ColumnType>,
) -> Result<Option<Vec<PlannedColumn>>, Failure> {
    let Some(header) = records.next()? else {
        return Ok(None);
    };
    let mut fields = Vec::with_capacity(header.len());
    for field in header.fields() {
        let field = std::str::from_utf8(field).ok().filter(|field| !field.contains('\0'));
        fields.push(field.ok_or_else(|| Failure::input(format!("the header, line {}, is not text", header.line)))?);
    }
    let names = header::names(fields.iter().copied());
    if let Some(unknown) = given.keys().find(|key| !names.contains(key) && !fields.contains(&key.as_str())) {
        let shown = names.iter().take(50).map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(Failure::input(format!("columns: the file has no column {unknown:?}; it has: {shown}")));
    }
    let column = |(name, field): (String, &str)| {
        let kind = given.get(&name).or_else(|| given.get(field));
        PlannedColumn { name, kind: kind.map_or(Kind::Unknown, |kind| Kind::Given(*kind)) }
    };
    Ok(Some(names.into_iter().zip(fields).map(column).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(text: &[u8], cut: bool) -> Result<Plan, String> {
        let input = json!({"file": "a/b", "table": "t", "columns": {"id": "text"}});
        let input = serde_json::from_value(input).unwrap();
        Plan::from_sample(Bytes::copy_from_slice(text), cut, text.len() as u64, &input).map_err(|e| e.to_string())
    }

    fn columns(plan: &Plan) -> String {
        let shown = |column: Column| format!("{} {}", column.name, column.kind.as_str());
        plan.columns().into_iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_sample_tells_delimiter_names_and_types() {
        let found = plan(b"id;A B;b\n1;2;x\n2;;y\nragged\n", false).unwrap();
        assert_eq!((found.delimiter.0, found.encoding), (b';', Known::Ascii));
        assert_eq!(columns(&found), "id text, A_B integer, b text");
    }

    #[test]
    fn a_row_that_is_cut_at_the_end_of_the_sample_tells_nothing() {
        assert_eq!(columns(&plan(b"id,n\n1,2\n1,2.", true).unwrap()), "id text, n integer");
        assert_eq!(columns(&plan(b"id,n\n1,2\n1,2.", false).unwrap()), "id text, n number");
    }

    #[test]
    fn what_has_no_header_or_no_column_of_a_given_name_is_told() {
        assert_eq!(plan(b"", false).unwrap_err(), "the file is empty");
        assert!(plan(b"\n\r\n", false).unwrap_err().contains("no header"));
        assert_eq!(plan(b"a,b\n", false).unwrap_err(), "columns: the file has no column \"id\"; it has: a, b");
        assert!(plan(b"id\0,b\n", false).unwrap_err().contains("line 1, is not text"));
        assert!(plan(&vec![b'x'; LONGEST_ROW], true).unwrap_err().contains("line 1 is longer than 1 MiB"));
        assert!(plan(b"id,\"x\n1,2\n", true).unwrap_err().contains("the quote (\") that opens in line 1"));
    }
}
