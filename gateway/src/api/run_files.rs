//! `/api/tasks/{id}/files`: all files of a workflow's run, listed or as one archive.

use std::collections::{HashSet, VecDeque};

use axum::{Json, extract::State, response::Response};
use bytes::Bytes;
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use model::TaskId;
use serde::{Deserialize, Serialize};
use storage::{FileKey, OwnerFiles, StorageError};
use utoipa::ToSchema;

use super::{download, problem::Problem, request::PathParameters};
use crate::{counted_caller::CountedCaller, pod::Pod, zip::Archive};

/// The list that a run leaves behind, among its owner's files.
const LIST: &str = "files.json";
/// The most bytes of it: more than 10,000 files have.
const MAX_LIST: u64 = 8 << 20;
/// What the archive says of files that are gone.
const MISSING: &str = "MISSING.txt";

/// The files of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunFiles {
    /// In the order of its steps.
    files: Vec<RunFile>,
    /// The address of all of them as one ZIP archive.
    zip: String,
}

/// A file of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunFile {
    /// Its name in the archive, which no other has.
    name: String,
    /// The title of its step.
    step: String,
    /// The address of its download.
    href: String,
}

#[derive(Deserialize)]
struct Listed {
    files: Vec<ListedFile>,
}

#[derive(Deserialize)]
struct ListedFile {
    step: String,
    key: FileKey,
}

/// List the files that the steps of one's own run have made.
#[utoipa::path(
    get, path = "/api/tasks/{id}/files", tag = "tasks", operation_id = "run_files", params(("id" = String, Path)),
    responses((status = 200, body = RunFiles), (status = 401, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)),
)]
pub async fn list(
    State(pod): State<Pod>,
    caller: CountedCaller,
    PathParameters(id): PathParameters<String>,
) -> Result<Json<RunFiles>, Problem> {
    let (task, files) = read(&caller.files(&pod), &id).await?;
    let files = files.into_iter().map(|(name, file)| RunFile { name, href: file.key.href(), step: file.step });
    Ok(Json(RunFiles { files: files.collect(), zip: format!("/api/tasks/{task}/files.zip") }))
}

/// Get the files of one's own run as one ZIP archive; what is gone by now is named in `MISSING.txt`.
#[utoipa::path(
    get, path = "/api/tasks/{id}/files.zip", tag = "tasks", operation_id = "run_archive", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 401, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)),
)]
pub async fn archive(
    State(pod): State<Pod>,
    caller: CountedCaller,
    PathParameters(id): PathParameters<String>,
) -> Result<Response, Problem> {
    let own = caller.files(&pod);
    let (task, listed) = read(&own, &id).await?;
    let content = archive_of(own, listed.into_iter().map(|(name, file)| (name, file.key)).collect());
    download::send(&format!("files-{task}.zip"), None, content, caller)
}

/// The run's files, each with a name that no other has.
async fn read(own: &OwnerFiles, id: &str) -> Result<(TaskId, Vec<(String, ListedFile)>), Problem> {
    let not_found = || Problem::not_found("there is no such run of yours, or it has made no file");
    let task: TaskId = id.parse().map_err(|_| not_found())?;
    let name = LIST.parse().map_err(|_| not_found())?;
    let key = FileKey::new(&task.to_string(), name).map_err(|_| not_found())?;
    let list = match own.get(&key).await {
        Ok(list) if list.bytes <= MAX_LIST => list,
        Ok(_) | Err(StorageError::NotFound(_)) => return Err(not_found()),
        Err(error) => return Err(error.into()),
    };
    let json = list.content.map_ok(|piece| piece.to_vec()).try_concat().await?;
    let Listed { files } = serde_json::from_slice(&json).map_err(|_| not_found())?;
    let mut names = HashSet::from([MISSING.to_lowercase()]);
    Ok((task, files.into_iter().map(|file| (unique(file.key.name(), &mut names), file)).collect()))
}

/// A name that none of these is, also where capitals are the same: `sales.csv`, `sales (2).csv`.
fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let (stem, ending) = match name.rfind('.').filter(|at| *at > 0) {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    let numbered = |number: usize| format!("{stem} ({number}){ending}");
    let mut names = std::iter::once(name.to_owned()).chain((2..).map(numbered));
    names.find(|name| taken.insert(name.to_lowercase())).unwrap_or_default()
}

/// An archive that is being sent.
struct Sending {
    own: OwnerFiles,
    archive: Archive,
    left: VecDeque<(String, FileKey)>,
    /// The content of the file that was begun.
    content: Option<BoxStream<'static, Result<Bytes, StorageError>>>,
    missing: String,
    is_finished: bool,
}

fn archive_of(own: OwnerFiles, files: Vec<(String, FileKey)>) -> impl Stream<Item = Result<Bytes, StorageError>> {
    let sending = Sending {
        own,
        archive: Archive::default(),
        left: files.into(),
        content: None,
        missing: String::new(),
        is_finished: false,
    };
    stream::try_unfold(sending, |mut sending| async move {
        // An error cuts the archive off, so that nobody takes it for whole.
        Ok(sending.next().await?.map(|piece| (piece, sending)))
    })
}

impl Sending {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        if let Some(content) = &mut self.content {
            return Ok(Some(match content.try_next().await? {
                Some(piece) => self.archive.piece(piece),
                None => {
                    self.content = None;
                    self.archive.end()
                }
            }));
        }
        while let Some((name, key)) = self.left.pop_front() {
            match self.own.get(&key).await {
                Ok(file) => {
                    self.content = Some(file.content);
                    return Ok(Some(self.archive.begin(name, file.bytes)));
                }
                Err(StorageError::NotFound(_)) => self.missing.extend([&name, "\n"]),
                Err(error) => return Err(error),
            }
        }
        if !self.missing.is_empty() {
            let text = Bytes::from(std::mem::take(&mut self.missing));
            let bytes = text.len() as u64;
            self.content = Some(stream::iter([Ok(text)]).boxed());
            return Ok(Some(self.archive.begin(MISSING.to_owned(), bytes)));
        }
        let is_first = !std::mem::replace(&mut self.is_finished, true);
        Ok(is_first.then(|| self.archive.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_files_of_an_archive_have_one_name() {
        let mut taken = HashSet::new();
        let names = ["a.csv", "a.csv", "A.CSV", "a (2).csv", "b", "b", ".x", ".x", "c.tar.gz", "c.tar.gz"];
        let unique: Vec<_> = names.iter().map(|name| unique(name, &mut taken)).collect();
        let expected = [
            "a.csv",
            "a (2).csv",
            "A (3).CSV",
            "a (2) (2).csv",
            "b",
            "b (2)",
            ".x",
            ".x (2)",
            "c.tar.gz",
            "c.tar (2).gz",
        ];
        assert_eq!(unique, expected);
    }
}
