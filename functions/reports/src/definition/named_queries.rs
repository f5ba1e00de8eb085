//! A text of several queries, each after a line `-- name: NAME`.

use runtime::definitions::line_of;

use super::sql_template::{SqlError, SqlTemplate};

/// Cuts a text into its queries, each with its name. A text without names is one query, whose name is empty.
pub(super) fn parse(text: &str) -> Result<Vec<(String, SqlTemplate)>, Vec<SqlError>> {
    let marks: Vec<_> =
        SqlTemplate::line_comments(text).into_iter().filter_map(|at| Some((at, marked_name(text, at)?))).collect();
    let mut errors = Vec::new();
    if let Some((first, name)) = marks.first() {
        // What stands before the first name is no part of a query, so it may only be comments.
        if SqlTemplate::parse(&format!("{}SELECT 1", &text[..*first]), 0).is_err() {
            let message = format!("the statement before \"-- name: {name}\" has no name");
            errors.push(SqlError { line: 1, message });
        }
    }
    let ends = marks.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let mut parts: Vec<_> = marks.iter().zip(ends).map(|((from, name), to)| (*name, *from, to)).collect();
    if parts.is_empty() {
        parts.push(("", 0, text.len()));
    }
    let mut queries: Vec<(String, SqlTemplate)> = Vec::new();
    for (name, from, to) in parts {
        let line = line_of(text, from);
        match SqlTemplate::parse(&text[from..to], line - 1) {
            Ok(_) if queries.iter().any(|(known, _)| known == name) => {
                errors.push(SqlError { line, message: format!("the query {name:?} is there twice") });
            }
            Ok(query) => queries.push((name.to_owned(), query)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(queries) } else { Err(errors) }
}

/// The name that a comment gives to the query after it, if it stands alone on its line.
fn marked_name(text: &str, at: usize) -> Option<&str> {
    let line = text[at..].lines().next()?;
    let begins_line = text[..at].rsplit('\n').next()?.trim().is_empty();
    line.strip_prefix("--")?.trim_start().strip_prefix("name:").map(str::trim).filter(|_| begins_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_comment_on_a_line_of_its_own() {
        let text = "-- Two queries.\n-- name: one\nSELECT ':a\n-- name: text\n', 1; -- name: beside\n\n  --name: two \nSELECT :b;\n";
        let queries = parse(text).unwrap();
        let names: Vec<_> = queries.iter().map(|(name, query)| (name.as_str(), query.lines_before)).collect();
        assert_eq!(names, [("one", 1), ("two", 6)]);
        assert_eq!(queries[1].1.parameters, [("b".to_owned(), 8)]);
        assert_eq!(parse("SELECT 1").unwrap()[0].0, "");
    }

    #[test]
    fn every_query_has_a_name_of_its_own_and_is_one() {
        let lines = |text: &str| {
            let errors = parse(text).unwrap_err();
            errors.into_iter().map(|error| (error.line, error.message)).collect::<Vec<_>>()
        };
        let twice = lines("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2");
        assert_eq!(twice, [(3, "the query \"a\" is there twice".to_owned())]);
        let nameless = lines("SELECT 0;\n-- name: a\nSELECT 1");
        assert_eq!(nameless, [(1, "the statement before \"-- name: a\" has no name".to_owned())]);
        let writing = lines("-- name: a\nSELECT 1;\n-- name: b\nDELETE FROM t\n-- name: c\nSELECT 1; SELECT 2");
        assert_eq!(writing.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4, 6]);
    }
}
