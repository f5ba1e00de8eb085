//! A table of any number of orders, 12 columns, always the same; the query that reports it; the memory of a process.

use std::path::Path;

/// The report: all of it.
pub(crate) const QUERY: &str =
    "SELECT id, customer, zip, city, amount, discount, tax, paid, day, shipped, at, note FROM orders";

/// As SQL that makes and fills the table; `rows` is where numbers from 1 on come from, as `n(id)`.
fn statements(rows: &str, day: &str, at: &str) -> String {
    format!(
        "CREATE TABLE orders (id bigint, customer text, zip text, city text, amount double precision, \
         discount double precision, tax double precision, paid boolean, day {day}, shipped {day}, at {at}, note text);
         INSERT INTO orders {rows} SELECT id, 'customer-' || (id * 7919 % 50000), CAST(10000 + id * 31 % 89999 AS text),
           CASE id % 4 WHEN 0 THEN 'New York' WHEN 1 THEN 'São Paulo' WHEN 2 THEN 'Köln' ELSE 'Saint-Étienne' END,
           (id * 37 % 100000) / 100.0, CASE id % 4 WHEN 0 THEN NULL ELSE (id % 100) / 100.0 END, (id * 13 % 1900) / 100.0,
           id % 2 = 0, CAST('2026-0' || (1 + id % 9) || '-1' || (id % 10) AS {day}),
           CAST('2026-0' || (1 + id % 9) || '-2' || (id % 9) AS {day}),
           CAST('2026-0' || (1 + id % 9) || '-1' || (id % 10) || ' 1' || (id % 10) || ':15:00' AS {at}),
           CASE id % 5 WHEN 0 THEN NULL WHEN 1 THEN 'a note, with a \"quoted\" word' ELSE 'a note about order ' || id END
         FROM n;"
    )
}

/// For a new SQLite file.
pub(crate) fn sqlite(path: &Path, rows: u64) {
    let numbers = format!("WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {rows})");
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(&statements(&numbers, "text", "text")).unwrap();
}

/// For PostgreSQL.
pub(crate) fn postgres(rows: u64) -> String {
    statements(&format!("WITH n(id) AS (SELECT generate_series(1::bigint, {rows}))"), "date", "timestamp")
}

/// Resets the peak of this process to its current memory.
pub(crate) fn reset_peak_memory() {
    // Where it may not, the figure is the whole process's.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process has held, in MiB.
pub(crate) fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.trim().parse().ok());
    kibibytes.unwrap_or(0_u64) / 1024
}
