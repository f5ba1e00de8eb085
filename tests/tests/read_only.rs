//! The reports that ship, over a role that may only read, after each import that replaces the rows.
#![allow(clippy::unwrap_used)]

use std::{path::PathBuf, process::Command};

use imports::{Imports, ImportsConfig};
use model::TaskId;
use reports::{Delivery, Reports, ReportsConfig};
use runtime::{DatabaseConfig, testing};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use storage::{FileKey, OwnerFiles, Storage, StorageConfig};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A schema, the worker of imports as its owner and that of reports as a reader.
struct Shop {
    schema: String,
    reader: String,
    owner: url::Url,
    files: OwnerFiles,
    imports: Imports,
    reports: Reports,
}

impl Shop {
    async fn new() -> Self {
        let administrator =
            std::env::var("BELLWIRE_TEST_DATABASE_URL").expect("run `make test`, which starts a PostgreSQL");
        let schema = format!("shop_{}", TaskId::new()).to_lowercase();
        let reader = format!("reader_{schema}");
        let mut owner: url::Url = administrator.parse().unwrap();
        let mut connection = PgConnection::connect(owner.as_str()).await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
        owner.query_pairs_mut().append_pair("options[search_path]", &schema);
        let mut read = owner.clone();
        read.set_username(&reader).unwrap();
        read.set_password(Some("reads")).unwrap();
        let storage = Storage::open(&StorageConfig::at("memory:")).unwrap();
        let database = DatabaseConfig { url: owner.to_string() };
        let definitions = |function: &str| PathBuf::from(format!("{ROOT}/functions/{function}/examples"));
        let config = ImportsConfig { definitions: definitions("imports"), ..ImportsConfig::default() };
        let imports = Imports::open(config, &database).unwrap();
        let config = ReportsConfig {
            definitions: definitions("reports"),
            database_url: read.to_string(),
            ..ReportsConfig::default()
        };
        let reports = Reports::open(config, &database, Delivery::default()).unwrap();
        let files = storage.files(&"test".parse().unwrap(), "ada");
        Self { schema, reader, owner, files, imports, reports }
    }

    async fn execute(&self, sql: &str) {
        let mut connection = PgConnection::connect(self.owner.as_str()).await.unwrap();
        connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    }

    /// Makes the reader, as its administrator does.
    async fn make_reader(&self) {
        let mut database = self.owner.clone();
        database.set_query(None);
        let variables = [("imports", self.owner.username()), ("schema", &self.schema), ("reports", &self.reader)];
        let made = Command::new("psql")
            .args(["--no-psqlrc", "--file", &format!("{ROOT}/infra/postgresql/reports.sql")])
            .args(variables.map(|(name, value)| format!("--set={name}={value}")))
            .arg(database.as_str())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.execute(&format!("ALTER ROLE {} PASSWORD 'reads'", self.reader)).await;
    }

    async fn import(&self, file: &str, definition: &str) -> Value {
        let folder = std::env::var("BELLWIRE_TEST_DATASETS").expect("run `make test`, which fetches real files by npm");
        let key = FileKey::generate(file.parse().unwrap());
        let mut upload = self.files.put(key).await.unwrap();
        upload.write(std::fs::read(PathBuf::from(folder).join(file)).unwrap().into()).await.unwrap();
        let key = upload.finish().await.unwrap().key;
        // The example of the zipcodes has no other mode.
        let mode = if definition == "zipcodes" { "upsert" } else { "replace" };
        let input = json!({ "file": key, "definition": definition, "mode": mode, "accept_rejected": true });
        testing::run(&self.imports, &testing::context(self.files.clone()).0, input).await.unwrap().output
    }

    /// The number of rows of each report that ships.
    async fn reports(&self) -> Vec<u64> {
        let mut rows = Vec::new();
        for (report, parameters) in [
            ("airports-by-state", json!({ "minimum": 100 })),
            ("weather-by-month", json!({ "year": "2012" })),
            ("zipcodes-and-airports", json!({})),
        ] {
            let input = json!({ "report": report, "format": "xlsx", "parameters": parameters });
            let done = testing::run(&self.reports, &testing::context(self.files.clone()).0, input).await;
            rows.push(done.unwrap_or_else(|failure| panic!("{report}: {failure:?}")).output["rows"].as_u64().unwrap());
        }
        rows
    }

    async fn import_all(&self) {
        for (file, definition) in
            [("airports.csv", "airports"), ("seattle-weather.csv", "weather"), ("zipcodes.csv", "zipcodes")]
        {
            assert!(self.import(file, definition).await["rows"].as_u64().unwrap() > 1000);
        }
    }

    async fn remove(self) {
        let Self { schema, reader, .. } = &self;
        self.execute(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}; DROP SCHEMA {schema} CASCADE")).await;
    }
}

#[tokio::test]
async fn the_reports_that_ship_are_read_by_a_role_that_only_reads_after_each_replacement() {
    for is_made_first in [true, false] {
        let shop = Shop::new().await;
        if is_made_first {
            shop.make_reader().await;
            shop.import_all().await;
        } else {
            shop.import_all().await;
            shop.make_reader().await;
            // Again: it is as before.
            shop.make_reader().await;
        }
        let rows = shop.reports().await;
        assert!(rows[0] > 3 && rows[1] == 12 && rows[2] > 45, "{rows:?}");
        assert_eq!(shop.reports.unneeded_rights().await.unwrap().len(), 0, "it may do no more than read");
        let attach = "CREATE INDEX by_state ON airports (state); COMMENT ON TABLE weather IS 'of Seattle';
            CREATE VIEW texas AS SELECT * FROM zipcodes WHERE state = 'TX'";
        for attached in ["", attach] {
            shop.execute(attached).await;
            for _ in 0..2 {
                shop.import_all().await;
                assert_eq!(shop.reports().await, rows, "{attached}");
            }
        }
        shop.remove().await;
    }
}
