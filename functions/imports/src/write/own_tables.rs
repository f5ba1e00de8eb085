//! Our own tables in the database: which tasks are done, and which tables an import created, for whom,
//! and what each person's imports wrote to them.

use runtime::database::Tables;

/// Owners and bytes have tables of their own, so that workers from before it go on beside newer ones.
pub(crate) const OWN_TABLES: Tables = Tables {
    names: &["bellwire_imports", "bellwire_imported_tables", "bellwire_imported_owners", "bellwire_imported_bytes"],
    indexes: &[],
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
        );
        CREATE TABLE IF NOT EXISTS bellwire_imported_owners (
            table_name TEXT PRIMARY KEY COLLATE NOCASE,
            owner TEXT,
            definition TEXT
        );
        CREATE TABLE IF NOT EXISTS bellwire_imported_bytes (
            table_name TEXT NOT NULL COLLATE NOCASE,
            owner TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            PRIMARY KEY (table_name, owner)
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
        );
        CREATE TABLE IF NOT EXISTS bellwire_imported_owners (
            table_name text PRIMARY KEY,
            owner text,
            definition text
        );
        CREATE TABLE IF NOT EXISTS bellwire_imported_bytes (
            table_name text NOT NULL,
            owner text NOT NULL,
            bytes bigint NOT NULL,
            PRIMARY KEY (table_name, owner)
        );",
};
