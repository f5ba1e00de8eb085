//! What PostgreSQL has under a table's name. An import works in one schema, the current one, and names it everywhere: the
//! search path may hold others, and temporary tables come before them all.

use model::TaskId;
use runtime::Failure;
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::types::Oid};

use crate::{
    column::{Column, ColumnType},
    schema::existing::{Accepts, ExistingColumn, ExistingTable, ImportedTable, TableOwner},
    write::sql::{INDEX_PREFIX, index_name, key_is_not_unique, key_list, no_unique_index, quoted, record_error},
};

/// What would be lost with the table if it were dropped, of objects that no import made; `$1` is its oid.
const ATTACHED: &str = "
    SELECT DISTINCT words FROM (
        SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS words FROM pg_depend d
            LEFT JOIN pg_class i ON d.classid = 'pg_class'::regclass AND i.oid = d.objid AND i.relkind IN ('i', 'I')
            LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.objid <> $1 AND d.deptype IN ('n', 'a')
                AND NOT coalesce(starts_with(i.relname::text, $2), false) AND NOT coalesce(t.tgisinternal, false)
        UNION ALL SELECT 'a comment' FROM pg_description
            WHERE classoid = 'pg_class'::regclass AND objoid = $1
        UNION ALL SELECT 'a privilege on column ' || attname FROM pg_attribute
            WHERE attrelid = $1 AND attacl IS NOT NULL
        UNION ALL SELECT 'a constraint NOT NULL on column ' || attname FROM pg_attribute
            WHERE attrelid = $1 AND attnum > 0 AND attnotnull AND NOT attisdropped
        UNION ALL SELECT 'the parent ' || inhparent::regclass FROM pg_inherits WHERE inhrelid = $1
        UNION ALL SELECT 'row security' FROM pg_class WHERE oid = $1 AND relrowsecurity
        UNION ALL SELECT 'storage parameters' FROM pg_class WHERE oid = $1 AND reloptions IS NOT NULL
        UNION ALL SELECT 'a tablespace' FROM pg_class WHERE oid = $1 AND reltablespace <> 0
        UNION ALL SELECT 'being unlogged' FROM pg_class WHERE oid = $1 AND relpersistence <> 'p'
        UNION ALL SELECT 'a replica identity' FROM pg_class WHERE oid = $1 AND relreplident <> 'd'
        UNION ALL SELECT 'a security label' FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = $1
        UNION ALL SELECT 'settings of column ' || attname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
                AND (attoptions IS NOT NULL OR coalesce(attstattarget, -1) >= 0 OR attstorage <> typstorage
                    OR attcompression <> '' OR attcollation <> typcollation)
        UNION ALL SELECT 'another owner, ' || pg_get_userbyid(relowner) FROM pg_class
            WHERE oid = $1 AND pg_get_userbyid(relowner) <> current_user
        UNION ALL SELECT 'privileges' FROM pg_class c WHERE oid = $1 AND relacl IS NOT NULL AND (
            -- Other than a new table would get.
            SELECT array_agg(DISTINCT (grantee, privilege_type, is_grantable)::text) FROM aclexplode(c.relacl)
        ) IS DISTINCT FROM (
            SELECT array_agg(DISTINCT (given.grantee, given.privilege_type, given.is_grantable)::text) FROM (
                SELECT coalesce(
                    (SELECT defaclacl FROM pg_default_acl
                     WHERE defaclrole = c.relowner AND defaclnamespace = 0 AND defaclobjtype = 'r'),
                    acldefault('r', c.relowner))
                UNION ALL SELECT defaclacl FROM pg_default_acl
                    WHERE defaclrole = c.relowner AND defaclnamespace = c.relnamespace AND defaclobjtype = 'r'
            ) acls(acl), aclexplode(acls.acl) given
        )
    ) attached ORDER BY words LIMIT 3";

/// Foreign keys of other tables that would delete or change rows there along with the table's; `$1` is its oid.
const CASCADING: &str = "
    SELECT 'the foreign key ' || conname || ' of ' || conrelid::regclass FROM pg_constraint
    WHERE contype = 'f' AND confrelid = $1 AND conrelid <> $1 AND confdeltype IN ('c', 'n', 'd') LIMIT 1";

/// What rests on some columns of a table, of objects that no import made; `$1` is its oid, `$3` the columns' names.
const RESTING: &str = "
    SELECT DISTINCT words FROM (
        SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS words FROM pg_depend d
            JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attname = ANY($3)
            LEFT JOIN pg_class i ON d.classid = 'pg_class'::regclass AND i.oid = d.objid AND i.relkind IN ('i', 'I')
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.objid <> $1 AND d.deptype IN ('n', 'a')
                AND NOT coalesce(starts_with(i.relname::text, $2), false)
        UNION ALL SELECT 'a comment on column ' || attname FROM pg_attribute a
            JOIN pg_description ON classoid = 'pg_class'::regclass AND objoid = attrelid AND objsubid = attnum
            WHERE attrelid = $1 AND attname = ANY($3)
        UNION ALL SELECT 'a privilege on column ' || attname FROM pg_attribute
            WHERE attrelid = $1 AND attacl IS NOT NULL AND attname = ANY($3)
    ) resting ORDER BY words LIMIT 3";

const RELKIND_TABLE: i8 = b'r' as i8;
const RELKIND_PARTITIONED: i8 = b'p' as i8;

/// The schema that an import works in.
#[derive(Debug, Clone)]
pub(super) struct Schema(String);

/// A relation under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Relation {
    oid: Oid,
    /// `r` for a table, `p` for one that is partitioned.
    kind: i8,
}

impl Schema {
    /// The connection's current schema.
    pub(super) async fn current(connection: &mut PgConnection) -> Result<Self, Failure> {
        let schema: Option<String> = sqlx::query_scalar("SELECT current_schema()::text").fetch_one(connection).await?;
        schema.map(Self).ok_or_else(|| Failure::Permanent {
            reason: "database",
            message: "no schema of the database's search_path exists, so there is none to import into; \
                      name one in database.url (BELLWIRE_DATABASE__URL)"
                .to_owned(),
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// A name in this schema as SQL writes it.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.0), quoted(name))
    }

    /// What has this name; tables of other schemas and temporary ones are not looked at.
    async fn find(&self, connection: &mut PgConnection, name: &str) -> sqlx::Result<Option<Relation>> {
        let sql = "
            SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = $2";
        let found = sqlx::query_as::<_, (Oid, i8)>(sql).bind(&self.0).bind(name).fetch_optional(connection).await?;
        Ok(found.map(|(oid, kind)| Relation { oid, kind }))
    }

    /// Looks up a table and locks it, so that until the end of the transaction its name means this one.
    pub(super) async fn lock_table(
        &self,
        connection: &mut PgConnection,
        name: &str,
    ) -> Result<(ExistingTable, Option<Relation>), Failure> {
        let Some(relation) = self.find(connection, name).await? else {
            return Ok((ExistingTable::Missing, None));
        };
        if !relation.is_table() {
            return Ok((ExistingTable::NotATable, None));
        }
        let replaced = |cause| Failure::passing(format!("the table {name} was replaced by somebody else"), cause);
        let lock = format!("LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE", self.name(name));
        match run(connection, lock).await {
            Err(error) if error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42P01")) => {
                return Err(replaced(anyhow::Error::new(error)));
            }
            locked => locked?,
        }
        if self.find(connection, name).await? != Some(relation) {
            return Err(replaced(anyhow::anyhow!("its name means another relation than before the lock")));
        }
        Ok((self.existing(connection, name, relation).await?, Some(relation)))
    }

    async fn existing(
        &self,
        connection: &mut PgConnection,
        name: &str,
        relation: Relation,
    ) -> Result<ExistingTable, Failure> {
        let columns = "
            SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typname::text
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
        let columns = sqlx::query_as::<_, (String, String, String)>(columns).bind(relation.oid);
        let columns = columns.fetch_all(&mut *connection).await?.into_iter().map(|(name, type_name, internal_name)| {
            let accepts = accepts(&internal_name);
            ExistingColumn { name, type_name, accepts }
        });
        let columns: Vec<_> = columns.collect();
        let imported = self.imported(connection, name).await?;
        let mut attached = relation.attached(connection).await?;
        if let Some(imported) = &imported {
            attached.extend(other_types(imported, &columns));
        }
        let cascading = sqlx::query_scalar(CASCADING).bind(relation.oid).fetch_optional(connection).await?;
        // A table that inherits has the columns of its parents.
        let reshapes = relation.kind == RELKIND_TABLE && !attached.iter().any(|words| words.starts_with("the parent "));
        Ok(ExistingTable::Table { columns, imported, attached, cascading, reshapes })
    }

    async fn imported(&self, connection: &mut PgConnection, name: &str) -> Result<Option<ImportedTable>, Failure> {
        let sql = format!(
            "SELECT t.columns::text, o.owner, o.definition FROM {} t LEFT JOIN {} o USING (table_name)
             WHERE t.table_name = $1",
            self.name("bellwire_imported_tables"),
            self.name("bellwire_imported_owners"),
        );
        let found = sqlx::query_as::<_, (String, Option<String>, Option<String>)>(AssertSqlSafe(sql)).bind(name);
        let Some((columns, owner, definition)) = found.fetch_optional(connection).await? else { return Ok(None) };
        let columns = serde_json::from_str(&columns).map_err(record_error)?;
        Ok(Some(ImportedTable { columns, owner: TableOwner::recorded(owner, definition) }))
    }
}

impl Relation {
    fn is_table(self) -> bool {
        self.kind == RELKIND_TABLE || self.kind == RELKIND_PARTITIONED
    }

    /// `ONLY` where the table's rows are its own and those of tables that inherit from it are not.
    pub(super) fn only(self) -> &'static str {
        if self.kind == RELKIND_PARTITIONED { "" } else { "ONLY " }
    }

    /// What would be lost with these columns, in words; the first three.
    pub(super) async fn resting_on(
        self,
        connection: &mut PgConnection,
        columns: &[String],
    ) -> Result<Vec<String>, Failure> {
        let query = sqlx::query_scalar(RESTING).bind(self.oid).bind(INDEX_PREFIX).bind(columns);
        Ok(query.fetch_all(connection).await?)
    }

    /// What would be lost with it, in words; the first three.
    pub(super) async fn attached(self, connection: &mut PgConnection) -> Result<Vec<String>, Failure> {
        Ok(sqlx::query_scalar(ATTACHED).bind(self.oid).bind(INDEX_PREFIX).fetch_all(connection).await?)
    }
}

/// Refuses a name that is that of a type: each table brings a type of its own name, which in everybody's statements would
/// come before one of a later schema of the search path.
pub(super) async fn check_hides_no_type(connection: &mut PgConnection, table: &str) -> Result<(), Failure> {
    // The type of an array gives way, and that of another table is that table's affair.
    let sql = "
        SELECT EXISTS (SELECT 1 FROM pg_type WHERE typname = $1 AND typrelid = 0 AND typcategory <> 'A'
            AND typnamespace <> 'pg_catalog'::regnamespace AND pg_type_is_visible(oid))";
    if sqlx::query_scalar(sql).bind(table).fetch_one(connection).await? {
        let message = format!("the table {table} would hide a type of that name; choose another name");
        return Err(Failure::Permanent { reason: "table", message });
    }
    Ok(())
}

/// Runs a statement.
pub(super) async fn run(connection: &mut PgConnection, sql: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// The types that somebody gave to columns which an import created with others.
fn other_types(imported: &ImportedTable, columns: &[ExistingColumn]) -> Vec<String> {
    let changed = imported.columns.iter().zip(columns).filter(|(created, column)| {
        // As the catalogue writes them.
        let type_name = match created.column_type {
            ColumnType::Timestamp => "timestamp without time zone",
            ColumnType::Timestamptz => "timestamp with time zone",
            _ => sql_type(created),
        };
        created.name == column.name && type_name != column.type_name
    });
    changed.map(|(_, column)| format!("the type {} of column {}", column.type_name, column.name)).collect()
}

/// The database's name of a column's type.
pub(super) fn sql_type(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Boolean => "boolean",
        ColumnType::Integer => "bigint",
        ColumnType::Number => "double precision",
        ColumnType::Date => "date",
        ColumnType::Timestamp => "timestamp",
        ColumnType::Timestamptz => "timestamptz",
        ColumnType::Text => "text",
    }
}

fn accepts(type_name: &str) -> Accepts {
    Accepts::Type(match type_name {
        "bool" => ColumnType::Boolean,
        "int2" | "int4" | "int8" => ColumnType::Integer,
        "float4" | "float8" | "numeric" => ColumnType::Number,
        "date" => ColumnType::Date,
        "timestamp" => ColumnType::Timestamp,
        "timestamptz" => ColumnType::Timestamptz,
        "text" | "varchar" | "bpchar" | "name" | "citext" => ColumnType::Text,
        _ => return Accepts::Unsupported,
    })
}

/// Finds a unique index over the key, or creates one where the table `is_ours`.
pub(super) async fn ensure_unique_index(
    connection: &mut PgConnection,
    schema: &Schema,
    table: &str,
    key: &[String],
    is_ours: bool,
    task: TaskId,
) -> Result<(), Failure> {
    let indexes = "
        SELECT array_agg(a.attname::text) FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
        WHERE n.nspname = $1 AND c.relname = $2 AND i.indisunique AND i.indisvalid AND i.indimmediate
            AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = i.indnatts
        GROUP BY i.indexrelid";
    let indexes = sqlx::query(indexes).bind(schema.as_str()).bind(table).fetch_all(&mut *connection).await?;
    for index in indexes {
        let columns: Vec<String> = index.try_get(0)?;
        if columns.len() == key.len() && key.iter().all(|key| columns.contains(key)) {
            return Ok(());
        }
    }
    if !is_ours {
        return Err(no_unique_index(table, key));
    }
    // An index lies in the schema of its table.
    let name = quoted(&index_name(table, key, task));
    let create = format!("CREATE UNIQUE INDEX {name} ON {} ({})", schema.name(table), key_list(key));
    run(connection, create).await.map_err(|error| {
        match error.as_database_error().and_then(|error| error.code()).as_deref() {
            Some("23505") => key_is_not_unique(table, key),
            _ => error.into(),
        }
    })
}
