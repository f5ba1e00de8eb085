//! Whose a table is: its definition's, or its maker's.

use imports::ImportsConfig;
use serde_json::json;

use crate::world::over_both;

const ORDERS: &str = "title = \"Orders\"\ntable = \"orders\"\nmode = \"append\"\n\
    [[column]]\nname = \"id\"\ntype = \"integer\"\n";

over_both! {
    async fn a_table_that_a_definition_names_is_filled_by_that_alone(world) {
        let defined = world.defining(&[("orders", ORDERS)]);
        defined.import_by("orders", "id\n1\n", json!({})).await.unwrap();
        for (owner, table) in [("ada", "orders"), ("mallory", "orders"), ("mallory", "ORDERS"), ("mallory", "Orders")] {
            for fields in [json!({}), json!({"mode": "append"}), json!({"mode": "upsert", "key": ["id"]})] {
                let words = defined.import_as(owner, table, "id\n9\n", fields).await.unwrap_err();
                assert_eq!(words, format!("the table {table} belongs to the definition orders; name that instead of the table"));
            }
        }
        for table in ["\"orders\"", "main.orders", "public.orders", "orders ", "ＯRDERS", "order\u{17f}"] {
            assert!(defined.import_as("mallory", table, "id\n9\n", json!({})).await.is_err(), "{table}");
        }
        assert_eq!(world.rows("SELECT id FROM orders").await, ["1"]);
        // Also when the definition is gone.
        let words = world.import_as("mallory", "orders", "id\n9\n", json!({})).await.unwrap_err();
        assert_eq!(words, "the table orders was made by a definition, so it was left alone; choose another name");
    }

    async fn a_definition_takes_over_a_table_that_a_person_made(world) {
        world.import_as("mallory", "orders", "id\n1\n", json!({})).await.unwrap();
        let defined = world.defining(&[("orders", ORDERS)]);
        assert!(defined.import_as("mallory", "orders", "id\n9\n", json!({})).await.is_err());
        defined.import_by("orders", "id\n2\n", json!({})).await.unwrap();
        assert_eq!(world.rows("SELECT id FROM orders ORDER BY id").await, ["1", "2"]);
        assert!(world.import_as("mallory", "orders", "id\n9\n", json!({})).await.is_err());
    }

    async fn a_table_that_one_person_made_is_closed_to_others(world) {
        let made = world.import_as("ada", "sales", "id\n1\n", json!({})).await;
        assert!(made.is_ok());
        for fields in [json!({}), json!({"mode": "append"}), json!({"mode": "upsert", "key": ["id"]})] {
            let words = world.import_as("mallory", "sales", "id\n9\n", fields).await.unwrap_err();
            assert_eq!(words, "the table sales was made by an import of somebody else, so it was left alone; choose another name");
        }
        assert_eq!(world.rows("SELECT id FROM sales").await, ["1"]);
        world.import_as("ada", "sales", "id,n\n2,3\n", json!({})).await.unwrap();
        assert!(world.import_as("mallory", "sales", "id,n\n9,9\n", json!({})).await.is_err(), "nor when it was replaced");
        assert_eq!(world.rows("SELECT id, n FROM sales").await, ["2|3"]);
        world.database.execute("DROP TABLE sales").await;
        world.import_as("mallory", "sales", "id\n9\n", json!({})).await.unwrap();
        assert!(world.import_as("ada", "sales", "id\n1\n", json!({})).await.is_err(), "a name that is free is anybody's");
    }

    async fn settings_let_all_share_a_table(world) {
        let shared_tables = ["team_*"].map(|pattern| pattern.to_owned().try_into().unwrap()).into();
        let world = world.with(ImportsConfig { shared_tables, ..ImportsConfig::default() });
        world.import_as("ada", "team_sales", "id\n1\n", json!({})).await.unwrap();
        world.import_as("bob", "team_sales", "id\n2\n", json!({"mode": "append"})).await.unwrap();
        world.import_as("bob", "team_sales", "id\n3\n", json!({})).await.unwrap();
        assert_eq!(world.rows("SELECT id FROM team_sales").await, ["3"]);
        world.import_as("ada", "sales", "id\n1\n", json!({})).await.unwrap();
        assert!(world.import_as("bob", "sales", "id\n2\n", json!({})).await.is_err());
    }

    async fn a_table_from_before_owners_were_recorded_stays_open(world) {
        world.import_as("ada", "sales", "id\n1\n", json!({})).await.unwrap();
        world.database.execute("DROP TABLE bellwire_imported_owners").await;
        world.import_as("bob", "sales", "id\n2\n", json!({})).await.unwrap();
        world.import_as("ada", "sales", "id\n3\n", json!({"mode": "append"})).await.unwrap();
        assert_eq!(world.rows("SELECT id FROM sales ORDER BY id").await, ["2", "3"]);
    }
}
