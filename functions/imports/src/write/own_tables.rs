//! Our own tables in the database: which tasks are done, and which tables an import created.

use runtime::database::Tables;

pub(crate) const OWN_TABLES: Tables = Tables {
    names: &["bellwire_imports", "bellwire_imported_tables"],
    sqlite: "
        CREATE TABLE IF NOT EXISTS bellwire_imports (
            task TEXT PRIMARY KEY,
            table_name TEXT NOT NULL,
            result TEXT NOT NULL,
            finished TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
        );
        CREATE TABLE IF NOT EXISTS bellwire_imported_tables (
            table_name TEXT PRIMARY KEY COLLATE NOCASE,
            columns TEXT NOT NULL
        );",
    postgres: "
        CREATE TABLE IF NOT EXISTS bellwire_imports (
            task text PRIMARY KEY,
            table_name text NOT NULL,
            result json NOT NULL,
            finished timestamptz NOT NULL DEFAULT now()
        );
        CREATE TABLE IF NOT EXISTS bellwire_imported_tables (
            table_name text PRIMARY KEY,
            columns json NOT NULL
        );",
};
