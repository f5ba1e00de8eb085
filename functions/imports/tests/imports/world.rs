//! A database, a storage and the function: what every scenario begins with.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt;
use imports::{DatabaseConfig, Imports, ImportsConfig};
use model::TaskId;
use runtime::{Completion, Context, Failure, testing};
use serde_json::{Value, json};
use storage::{FileKey, OwnerFiles, Storage, StorageConfig};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::database::Database;

/// Runs a scenario over both databases.
macro_rules! over_both {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident) $scenario:block)*) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$doc])*
            async fn scenario($world: &$crate::world::World) $scenario

            #[tokio::test]
            async fn over_sqlite() {
                let world = $crate::world::World::over($crate::database::Database::sqlite());
                scenario(&world).await;
            }

            #[tokio::test]
            async fn over_postgresql() {
                let world = $crate::world::World::over($crate::database::Database::postgres().await);
                scenario(&world).await;
                world.database.end().await;
            }
        }
    )*};
}
pub(crate) use over_both;

pub(crate) struct World {
    pub(crate) database: Arc<Database>,
    pub(crate) imports: Arc<Imports>,
    pub(crate) storage: Storage,
    folder: Arc<TempDir>,
}

impl World {
    pub(crate) fn over(database: Database) -> Self {
        let folder = TempDir::new().unwrap();
        let storage = Storage::open(&StorageConfig::at(format!("file:{}", folder.path().display()))).unwrap();
        let config = DatabaseConfig { url: database.url() };
        let imports = Imports::open(lenient(), &config).unwrap();
        Self { database: Arc::new(database), imports: Arc::new(imports), storage, folder: Arc::new(folder) }
    }

    /// The same database and storage with a worker of other settings.
    pub(crate) fn with(&self, config: ImportsConfig) -> Self {
        let imports = Imports::open(config, &DatabaseConfig { url: self.database.url() }).unwrap();
        let (database, storage, folder) = (self.database.clone(), self.storage.clone(), self.folder.clone());
        Self { database, imports: Arc::new(imports), storage, folder }
    }

    /// The same storage with a worker whose database has another address.
    pub(crate) fn at(&self, url: &str) -> Self {
        let imports = Imports::open(ImportsConfig::default(), &DatabaseConfig { url: url.to_owned() }).unwrap();
        let (database, storage, folder) = (self.database.clone(), self.storage.clone(), self.folder.clone());
        Self { database, imports: Arc::new(imports), storage, folder }
    }

    /// The same, with the definitions that are there.
    pub(crate) fn with_definitions_at(&self, url: &str) -> Self {
        let config = ImportsConfig { definitions: self.definitions(), ..lenient() };
        let imports = Imports::open(config, &DatabaseConfig { url: url.to_owned() }).unwrap();
        Self { imports: Arc::new(imports), ..self.at(url) }
    }

    /// The same with a worker that has these definitions, by name.
    pub(crate) fn defining(&self, definitions: &[(&str, &str)]) -> Self {
        let folder = self.definitions();
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in definitions {
            std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
        }
        self.with(ImportsConfig { definitions: folder, ..lenient() })
    }

    /// The folder of the definitions.
    pub(crate) fn definitions(&self) -> PathBuf {
        self.folder.path().join("definitions")
    }

    /// Imports a file's content by a definition, with these fields of the input as well.
    pub(crate) async fn import_by(
        &self,
        definition: &str,
        content: impl AsRef<[u8]>,
        fields: Value,
    ) -> Result<Completion<Value>, Failure> {
        let mut input = json!({"file": self.put(content).await, "definition": definition});
        input.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.run(&self.context().0, input).await
    }

    pub(crate) fn files(&self) -> OwnerFiles {
        self.storage.files(&"test".parse().unwrap(), "ada")
    }

    /// A first attempt at a new task, and what is heard of its progress.
    pub(crate) fn context(&self) -> (Context, watch::Receiver<f64>) {
        testing::context(self.files())
    }

    /// Another attempt at a task.
    pub(crate) fn again(&self, task: TaskId) -> Context {
        let (mut context, _) = self.context();
        context.task = task;
        context
    }

    pub(crate) async fn put(&self, content: impl AsRef<[u8]>) -> FileKey {
        let key = FileKey::generate("table.csv".parse().unwrap());
        let mut upload = self.files().put(key).await.unwrap();
        upload.write(Bytes::copy_from_slice(content.as_ref())).await.unwrap();
        upload.finish().await.unwrap().key
    }

    pub(crate) async fn get(&self, href: &str) -> String {
        let key = href.strip_prefix("/api/files/").unwrap().parse().unwrap();
        let content = self.files().get(&key).await.unwrap().content;
        let content = content.map_ok(|piece| piece.to_vec()).try_concat().await.unwrap();
        String::from_utf8(content).unwrap()
    }

    pub(crate) async fn run(&self, context: &Context, input: Value) -> Result<Completion<Value>, Failure> {
        testing::run(&*self.imports, context, input).await
    }

    /// Imports a file's content into a table, with these fields of the input as well.
    pub(crate) async fn import_with(
        &self,
        table: &str,
        content: impl AsRef<[u8]>,
        fields: Value,
    ) -> Result<Completion<Value>, Failure> {
        let mut input = json!({"file": self.put(content).await, "table": table});
        input.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.run(&self.context().0, input).await
    }

    /// The same as somebody else; the words of a refusal.
    pub(crate) async fn import_as(
        &self,
        owner: &str,
        table: &str,
        content: &str,
        fields: Value,
    ) -> Result<Completion<Value>, String> {
        let mut input = json!({"file": self.put(content).await, "table": table});
        input.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (mut context, _) = self.context();
        context.owner = owner.to_owned();
        self.run(&context, input).await.map_err(|failure| match failure {
            Failure::Permanent { message, .. } => message,
            Failure::Refused(refusal) => refusal.message,
            other => panic!("not refused: {other:?}"),
        })
    }

    /// Imports a file's content into the table `t`; the task's result.
    pub(crate) async fn import(&self, content: impl AsRef<[u8]>) -> Value {
        self.import_with("t", content, json!({})).await.unwrap().output
    }

    /// Imports a file's content into the table `t`, which must fail for good; its words.
    pub(crate) async fn refused(&self, content: impl AsRef<[u8]>) -> String {
        self.refused_with(content, json!({})).await
    }

    pub(crate) async fn refused_with(&self, content: impl AsRef<[u8]>, fields: Value) -> String {
        match self.import_with("t", content, fields).await {
            Err(Failure::Permanent { message, .. }) => message,
            Err(Failure::Refused(refusal)) => refusal.message,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        self.database.rows(sql).await
    }
}

/// Settings by which small files of bad rows are imported.
fn lenient() -> ImportsConfig {
    ImportsConfig { rejected_share: 1.0, rejected_share_replacing: 1.0, ..ImportsConfig::default() }
}

/// `name type, …` of a result.
pub(crate) fn columns(output: &Value) -> String {
    let shown = |column: &Value| format!("{} {}", column["name"].as_str().unwrap(), column["type"].as_str().unwrap());
    output["columns"].as_array().unwrap().iter().map(shown).collect::<Vec<_>>().join(", ")
}
