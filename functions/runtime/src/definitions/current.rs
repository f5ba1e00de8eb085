//! What was read of a folder, and is read again when its files have changed.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What was read of a folder last without a fault.
pub struct Current<T> {
    folder: PathBuf,
    /// Of the files that are read; others may change as they like.
    extensions: &'static [&'static str],
    state: Mutex<State<T>>,
}

struct State<T> {
    now: Arc<T>,
    /// The files as they were when they were read last, with or without a fault.
    seen: Files,
}

/// The files of a folder: name, inode, length, and when each was changed. Links are followed, since a volume of
/// Kubernetes is changed by a link.
type Files = Vec<(OsString, Option<(u64, u64, i64, i64)>)>;

impl<T> Current<T> {
    /// Reads for the first time.
    pub fn open<E>(
        folder: &Path,
        extensions: &'static [&'static str],
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<Self, E> {
        let seen = files(folder, extensions);
        let state = Mutex::new(State { now: Arc::new(read()?), seen });
        Ok(Self { folder: folder.to_owned(), extensions, state })
    }

    /// What was read; whoever has it goes on with it.
    pub fn get(&self) -> Arc<T> {
        self.state().now.clone()
    }

    /// Reads again if the files have changed. An error leaves what was read before, and is told once.
    pub fn reread<E>(&self, read: impl FnOnce() -> Result<T, E>) -> Option<Result<(), E>> {
        let before = files(&self.folder, self.extensions);
        if self.state().seen == before {
            return None;
        }
        let read = read();
        if files(&self.folder, self.extensions) != before {
            return None; // They are being written; the next look finds them whole.
        }
        let mut state = self.state();
        state.seen = before;
        Some(read.map(|new| state.now = Arc::new(new)))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn files(folder: &Path, extensions: &[&str]) -> Files {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_read = |path: &Path| path.extension().is_some_and(|ending| extensions.iter().any(|ours| ending == *ours));
    let mut files: Files = entries
        .filter(|entry| is_read(&entry.path()))
        .map(|entry| {
            let about = fs::metadata(entry.path()).ok();
            (entry.file_name(), about.map(|about| (about.ino(), about.len(), about.mtime(), about.mtime_nsec())))
        })
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_again_when_files_change_and_what_is_wrong_leaves_it_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        let read = || match fs::read_to_string(&file).unwrap_or_default() {
            text if text.contains("wrong") => Err("it is wrong"),
            text => Ok(text),
        };
        fs::write(&file, "one").unwrap();
        let current = Current::open(folder.path(), &["toml"], read).unwrap();
        fs::write(folder.path().join("readme.md"), "of another sort").unwrap();
        assert_eq!(current.reread(read), None, "nothing of it has changed");
        let first = current.get();
        fs::write(&file, "the second").unwrap();
        assert_eq!(current.reread(read), Some(Ok(())));
        assert_eq!((first.as_str(), current.get().as_str()), ("one", "the second"));
        fs::write(&file, "wrong by a word").unwrap();
        assert_eq!(current.reread(read), Some(Err("it is wrong")));
        assert_eq!(current.reread(read), None, "it is told once");
        assert_eq!(current.get().as_str(), "the second");
        fs::remove_file(&file).unwrap();
        assert_eq!(current.reread(read), Some(Ok(())));
        assert_eq!(current.get().as_str(), "");
    }

    #[test]
    fn a_volume_that_is_changed_by_a_link_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let link = |to: &str| {
            let new = folder.path().join("..new");
            std::os::unix::fs::symlink(to, &new).unwrap();
            fs::rename(&new, folder.path().join("..data")).unwrap();
        };
        for (name, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("a.toml"), text).unwrap();
        }
        link("..1");
        let file = folder.path().join("a.toml");
        std::os::unix::fs::symlink("..data/a.toml", &file).unwrap();
        let read = || fs::read_to_string(&file);
        let current = Current::open(folder.path(), &["toml"], read).unwrap();
        link("..2");
        assert!(current.reread(read).is_some_and(|read| read.is_ok()));
        assert_eq!(current.get().as_str(), "two");
    }

    #[test]
    fn what_is_written_while_it_is_read_is_read_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(folder.path().join(name), name).unwrap();
        let count = || Ok::<_, ()>(fs::read_dir(folder.path()).unwrap().count());
        let current = Current::open(folder.path(), &["toml"], count).unwrap();
        write("a.toml");
        let halfway = || {
            let counted = count();
            write("b.toml");
            counted
        };
        assert_eq!(current.reread(halfway), None);
        assert_eq!(current.reread(count), Some(Ok(())));
        assert_eq!(*current.get(), 2);
    }
}
