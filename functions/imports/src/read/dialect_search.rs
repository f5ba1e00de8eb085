//! Finds out the dialect of a text with delimiters from its beginning, where it is not given.

use bytes::Bytes;

use crate::{
    options::{Delimiter, FileOptions},
    read::{dialect::Dialect, trial::Trial},
};

/// Delimiters that are tried; of equals, the first wins.
const DELIMITERS: [u8; 4] = *b",;\t|";

impl Dialect {
    /// What of it was found out and is not what most files have.
    pub(crate) fn notes(&self, options: &FileOptions) -> Vec<String> {
        let shown = |byte: u8| char::from(byte);
        let mut notes = Vec::new();
        match self.skip {
            0 => {}
            _ if options.skip.is_some() => {}
            1 => notes.push("the first line is no part of the table".to_owned()),
            lines => notes.push(format!("the first {lines} lines are no part of the table")),
        }
        if !self.header && options.header.is_none() {
            notes.push("the first row is one of values and no header".to_owned());
        }
        if let Some(quote) = self.quote.filter(|quote| *quote != b'"' && options.quote.is_none()) {
            notes.push(format!("fields are quoted by {}", shown(quote)));
        }
        if let Some(escape) = self.escape.filter(|_| options.escape.is_none()) {
            notes.push(format!("quotes are escaped by {}", shown(escape)));
        }
        notes
    }

    /// The dialect of a text by its beginning, where the options leave it open; `names_known` if the columns' names are
    /// given, for which there must be a header.
    pub(crate) fn find(sample: &Bytes, truncated: bool, options: &FileOptions, names_known: bool) -> Self {
        let separator = separator_line(sample).filter(|_| options.skip.is_none());
        let base = Self {
            delimiter: b',',
            quote: options.quote.map_or(Some(b'"'), |quote| quote.0),
            escape: options.escape.map(|escape| escape.0),
            comment: options.comment.map(|comment| comment.0),
            skip: options.skip.unwrap_or(u32::from(separator.is_some())),
            header: options.header.unwrap_or(true),
        };
        let delimiters = match options.delimiter.or(separator) {
            Some(given) => vec![given.0],
            None => DELIMITERS.to_vec(),
        };
        let try_on = |dialect| Trial::run(sample, truncated, dialect);
        let try_all =
            |like: Self| Trial::best(delimiters.iter().map(|delimiter| try_on(Self { delimiter: *delimiter, ..like })));
        let mut best = try_all(base);
        let is_open = options.quote.is_none() && options.escape.is_none();
        if is_open && !best.is_clean && memchr::memmem::find(sample, b"\\\"").is_some() {
            let escaped = try_all(Self { escape: Some(b'\\'), ..base });
            if escaped.is_clean && escaped.score() >= best.score() {
                best = escaped;
            }
        }
        if is_open && memchr::memchr(b'\'', sample).is_some() {
            let single = try_all(Self { quote: Some(b'\''), ..base });
            if single.is_clean && single.quoted_rows >= 2 && best.quoted_rows == 0 && single.score() > best.score() {
                best = single;
            }
        }
        if options.skip.is_none() && separator.is_none() && options.header.is_none() && best.score().0 < 500 {
            let trials = delimiters.iter().map(|delimiter| try_on(Self { delimiter: *delimiter, ..best.dialect }));
            if let Some((dialect, lines)) =
                trials.filter_map(|trial| Some((trial.dialect, trial.lines_before_header()?))).next()
            {
                best = try_on(Self { skip: dialect.skip + lines, ..dialect });
            }
        }
        let header = options.header.unwrap_or_else(|| names_known || !best.begins_with_values());
        Self { header, ..best.dialect }
    }
}

/// The delimiter in Excel's own first line, `sep=;`.
fn separator_line(sample: &[u8]) -> Option<Delimiter> {
    let line = sample.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [name @ .., delimiter] if name.eq_ignore_ascii_case(b"sep=") => {
            Delimiter::try_from(char::from(*delimiter).to_string()).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found_with(text: &str, options: serde_json::Value) -> Dialect {
        let options = serde_json::from_value(options).unwrap();
        Dialect::find(&Bytes::copy_from_slice(text.as_bytes()), false, &options, false)
    }

    fn found(text: &str) -> Dialect {
        found_with(text, json!({}))
    }

    #[test]
    fn the_delimiter_is_the_one_that_splits_all_rows_alike() {
        for (text, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n", b';'),
            ("a\tb, c\n1\t2\n3\t4, 5, 6\n", b'\t'),
            ("a|b|c\n1|2|x,y\n", b'|'),
            ("\"a;b\",c\n1,2\n", b','),
            ("a\n1\n2\n", b','),
            ("name\nx;y\n", b','),
            ("a,b", b','),
        ] {
            assert_eq!(found(text), Dialect::of(delimiter), "{text:?}");
        }
    }

    #[test]
    fn excels_own_line_names_the_delimiter() {
        for text in ["sep=;\na,b;c\n1,2;3\n", "\"sep=;\"\r\na,b;c\r\n1,2;3\r\n", "SEP=;\na,b;c\n"] {
            assert_eq!(found(text), Dialect { skip: 1, ..Dialect::of(b';') }, "{text:?}");
        }
        assert_eq!(found("sep=\t\na,b\tc\n1,2\t3\n"), Dialect { skip: 1, ..Dialect::of(b'\t') });
        assert_eq!(found("sep=x,b\n1,2\n"), Dialect::of(b','));
    }

    #[test]
    fn other_quotes_and_escapes_are_found_where_only_they_fit() {
        let escape = Dialect { escape: Some(b'\\'), ..Dialect::of(b',') };
        assert_eq!(found("a,b\n1,\"x \\\"y\\\", z\"\n2,\"w\"\n"), escape);
        let single = Dialect { quote: Some(b'\''), ..Dialect::of(b',') };
        assert_eq!(found("a,b\n'x, y',1\n'z, w',2\n"), single);
        for text in ["a,b\nit's,1\n'90s,2\n", "a,b\n\"it's\",1\n", "a,b\n1,\"C:\\\"\n"] {
            assert_eq!(found(text), Dialect::of(b','), "{text:?}");
        }
    }

    #[test]
    fn what_stands_before_a_header_is_passed_over_where_that_is_clear() {
        for (text, skip) in [
            ("Sales of May\n\nid;name;price\n1;a;2,5\n2;b;3,5\n", 2),
            ("# made by x, on y, for z\nid,name\n1,a\n2,b\n", 1),
            ("Exported;2026-01-01\nBy;Ada\nid;name;price;n\n1;a;2,5;1\n2;b;3,5;2\n", 2),
        ] {
            assert_eq!(found(text).skip, skip, "{text:?}");
        }
        for text in [
            // R leaves out the name of the first column: its first row is none.
            "x,y\nr1,1,2\nr2,3,4\n",
            "x\nr1,1\nr2,3\n",
            "title\nid,name\na,b\nc,d\n",
            "a;b\nanna;berlin;\notto;ulm;\n",
        ] {
            assert_eq!(found(text).skip, 0, "{text:?}");
        }
        assert_eq!(found_with("t\nid;n\n1;2\n2;3\n", json!({"skip": 0})).skip, 0);
    }

    #[test]
    fn a_first_row_of_values_is_no_header() {
        for text in ["1.5,2\n3,4\n", "2026-01-01;1,5\n2026-01-02;2,5\n", "0,0,5\n1,2,3\n", "-1\n2\n"] {
            assert!(!found(text).header, "{text:?}");
        }
        for text in [
            "2019,2020\n1,2\n",
            "1.5,x\n2.5,y\n",
            "a,b\n1,2\n",
            "1.5,2\n",
            "1.5,2\na,3\n",
            ",1.5\n1,2\n",
            "2026-01-01,2026-02-01\n1,2\n",
            "0.5,1.5,2.5\n7,8,9\n",
        ] {
            assert!(found(text).header, "{text:?}");
        }
        assert!(!found_with("a,b\n1,2\n", json!({"header": false})).header);
        let sample = Bytes::from_static(b"1.5,2\n3,4\n");
        assert!(Dialect::find(&sample, false, &FileOptions::default(), true).header);
    }
}
