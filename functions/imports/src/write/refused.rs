//! Rows that the database refuses: which errors are a row's own, and what is said of them.

use rusqlite::ErrorCode;
use sqlx::postgres::PgDatabaseError;

/// A row that was given to the database, and that it refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedRow {
    /// The line of the file on which it begins.
    pub(crate) line: u64,
    /// The reason in the database's own words.
    pub(crate) reason: String,
    /// Its text in the file.
    pub(crate) raw: Vec<u8>,
    /// The bytes that it was counted as.
    pub(crate) bytes: u64,
}

/// PostgreSQL's refusal of a row, or of several that were sent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    /// Where it is told, the number of the row from 1 among those that were sent.
    pub(crate) row: Option<usize>,
}

/// The reason why SQLite refused a row; `None` for an error that is not the row's own.
pub(crate) fn by_sqlite(error: &rusqlite::Error) -> Option<String> {
    let rows_own = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    );
    rows_own.then(|| words(&error.to_string()))
}

/// PostgreSQL's refusal of rows; `None` for an error that is not theirs.
///
/// | SQLSTATE | rows' own |
/// |---|---|
/// | 22 data, 23 constraint, 44 check option of a view | yes |
/// | 54000 too large for a page or an index | yes |
/// | 09, 21, P0001 … P0004: a trigger or a rule raised it | yes |
/// | all others | no |
pub(crate) fn by_postgres(error: &sqlx::Error) -> Option<Refusal> {
    let answer = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    let code = answer.code();
    let rows_own = ["09", "21", "22", "23", "44", "P0"].iter().any(|class| code.starts_with(class)) || code == "54000";
    if !rows_own {
        return None;
    }
    let (column, row) = answer.r#where().map(copy_place).unwrap_or_default();
    let column = column.map(|column| format!("column {column}: ")).unwrap_or_default();
    // The key that is taken or missing; of a check the detail is the whole row.
    let detail = answer.detail().filter(|_| matches!(code, "23503" | "23505" | "23P01"));
    let detail = detail.map(|detail| format!("; {}", detail.trim_end_matches('.'))).unwrap_or_default();
    Some(Refusal { reason: words(&format!("{column}{}{detail}", answer.message())), row })
}

fn words(message: &str) -> String {
    // A trigger may say anything.
    let message: String = message.chars().take(500).collect();
    format!("the database refused it: {message}")
}

/// The column and the row that a COPY tells of: `COPY t, line 3, column n: "x"`. A server that speaks another language tells
/// neither.
fn copy_place(context: &str) -> (Option<String>, Option<usize>) {
    let Some(place) = context.lines().rev().find_map(|line| line.strip_prefix("COPY ")) else { return (None, None) };
    let Some((_, place)) = place.split_once(", line ") else { return (None, None) };
    let digits = place.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(place.len());
    let column = place[digits..].strip_prefix(", column ").and_then(|rest| rest.split_once(": "));
    (column.map(|(name, _)| name.to_owned()), place[..digits].parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_refused_row_is_read_where_it_is_told() {
        let place = |context| {
            let (column, row) = copy_place(context);
            format!("{column:?} {row:?}")
        };
        assert_eq!(place("COPY t, line 3, column n: \"99999\""), "Some(\"n\") Some(3)");
        assert_eq!(place("COPY t, line 12: \"1\t2\""), "None Some(12)");
        assert_eq!(place("PL/pgSQL function f() line 1 at RAISE\nCOPY t, line 2: \"x\""), "None Some(2)");
        assert_eq!(place("COPY t, Zeile 3, Spalte n: »x«"), "None None");
        assert_eq!(place("SQL statement \"SELECT 1\""), "None None");
    }
}
