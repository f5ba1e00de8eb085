//! The new tables of a load in place of the old ones. Who reads an old one waits from then until the commit, so this comes
//! after the rows of all tables.

use runtime::Failure;
use sqlx::PgConnection;

use crate::{
    column::Column,
    schema::existing::TableOwner,
    write::{
        postgres_catalog::{Relation, Schema, run},
        postgres_records::{record_owner, record_table},
        sql::quoted,
    },
};

/// What is left to do for a table that has its rows.
pub(super) struct Swap {
    pub(super) table: String,
    /// The table that goes.
    pub(super) old: Option<Relation>,
    /// The name that the new table has until then, where that is another.
    pub(super) loaded_as: Option<String>,
    /// The columns to record, of a table that was made.
    pub(super) columns: Option<Vec<Column>>,
    /// The owner to record.
    pub(super) owner: Option<TableOwner>,
}

impl Swap {
    /// Puts the new table in the place of the old one, and records what it is and whose.
    pub(super) async fn make(self, connection: &mut PgConnection, schema: &Schema) -> Result<(), Failure> {
        let Self { table, old, loaded_as, columns, owner } = self;
        if let Some(old) = old {
            drop_table(connection, schema, old, &table).await?;
        }
        if let Some(loaded_as) = loaded_as {
            let rename = format!("ALTER TABLE {} RENAME TO {}", schema.name(&loaded_as), quoted(&table));
            run(connection, rename).await?;
        }
        if let Some(columns) = columns {
            record_table(connection, schema, &table, &columns).await?;
        }
        if let Some(owner) = owner {
            record_owner(connection, schema, &table, &owner).await?;
        }
        Ok(())
    }
}

/// Drops the table that was looked up, unless something was attached to it since then.
async fn drop_table(
    connection: &mut PgConnection,
    schema: &Schema,
    relation: Relation,
    table: &str,
) -> Result<(), Failure> {
    let name = schema.name(table);
    run(connection, format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")).await?;
    if let Some(words) = relation.attached(connection).await?.first() {
        let message = format!("the table {table} got {words} while it was replaced");
        return Err(Failure::passing(message, anyhow::anyhow!("to drop it would lose that")));
    }
    Ok(run(connection, format!("DROP TABLE {name}")).await?)
}
