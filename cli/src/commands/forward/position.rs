//! The position of a forwarding, in a file that is replaced as a whole.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use edge::keep::time_index::IndexEntry;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use webhook::claim::EventKey;

use super::target::Target;
use crate::context::Context;
use crate::terminal::error::Error;
use crate::terminal::time::{Instant, instant};
use crate::work::journal::locked;
use crate::work::selection::SourceArgs;
use stack::following::Following;

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PositionDocument {
    /// The events table that is read from.
    table: String,
    /// Its destination.
    target: String,
    /// Everything received before is through.
    from: String,
    /// The events received since that are through: time of receipt and id.
    through: Vec<(String, String)>,
}

/// A position's file, held against other runs.
#[derive(Debug)]
pub struct PositionFile {
    path: PathBuf,
    table: String,
    target: String,
    _held: File,
}

impl PositionFile {
    /// A file that need not be there yet.
    pub fn open(path: &Path, table: &str, target: &str) -> Result<Self, Error> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| cannot("be made", path, &error))?;
        }
        // The file itself is replaced, so what is locked is another one beside it.
        let beside = beside(path, ".lock");
        let lock = OpenOptions::new().create(true).append(true).open(&beside);
        let lock = lock.map_err(|error| cannot("be made", &beside, &error))?;
        let held = locked(lock, path, "Wait until that one has ended, or name another with --position.")?;
        Ok(PositionFile { path: path.to_owned(), table: table.to_owned(), target: target.to_owned(), _held: held })
    }

    /// Returns the position at the end of the last run; `None` if there was none.
    pub fn read(&self, overlap_ms: i64) -> Result<Option<Following>, Error> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot("be read", &self.path, &error)),
        };
        let bad = |why: &str| {
            Error::usage(format!("{} cannot be resumed from: {why}", self.path.display()))
                .next("Say where to begin with --after, --from or --since, or name another file with --position.")
        };
        let document: PositionDocument = serde_json::from_slice(&bytes).map_err(|error| bad(&error.to_string()))?;
        if document.table != self.table {
            return Err(bad("it is of another stack"));
        }
        if document.target != self.target {
            return Err(bad(&format!("it is that of {}", document.target)));
        }
        let from: Instant = document.from.parse().map_err(|_| bad("invalid time"))?;
        let mut position = Following::new(from.0, overlap_ms);
        for (received_at, id) in document.through {
            let key = EventKey::from_id(&id).ok_or_else(|| bad("an invalid event id"))?;
            position.skip(IndexEntry { received_at, key });
        }
        Ok(Some(position))
    }

    /// Replaces the file: whoever reads it sees the old one or the new one, whole.
    pub fn write(&self, position: &Following) -> Result<(), Error> {
        let document = PositionDocument {
            table: self.table.clone(),
            target: self.target.clone(),
            from: instant(position.from_ms()),
            through: position.through().map(|entry| (entry.received_at.clone(), entry.key.id())).collect(),
        };
        let bytes = serde_json::to_vec(&document)
            .map_err(|error| Error::service(format!("the position cannot be written: {error}")))?;
        let fresh = beside(&self.path, ".new");
        let written = File::create(&fresh).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_data()
        });
        written
            .and_then(|()| std::fs::rename(&fresh, &self.path))
            .map_err(|error| cannot("be written", &self.path, &error))
    }
}

/// The file of this stack, target and selection of sources in the user's state folder: what one source's run has
/// forwarded says nothing of another's.
pub async fn default_path(context: &Context, target: &Target, sources: &SourceArgs) -> Result<PathBuf, Error> {
    let deployment = context.deployment().await?;
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_STATE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local").join("state")))
        .or_else(|| set("LOCALAPPDATA"))
        .ok_or_else(|| {
            Error::usage("there is no folder for the position: neither XDG_STATE_HOME nor HOME is set")
                .next("Name a file with --position.")
        })?;
    let digest = Sha256::new()
        .chain_update(deployment.events_table()?.as_bytes())
        .chain_update(b"\0")
        .chain_update(target.name().as_bytes())
        .chain_update(selected(sources).as_bytes())
        .finalize();
    let mark = hex::encode(digest.get(..6).unwrap_or_default());
    Ok(folder.join("hookmill").join("forward").join(format!("{}-{mark}.json", deployment.stack())))
}

/// The selected sources in words; empty for all, whichever they are by then.
fn selected(sources: &SourceArgs) -> String {
    let source = sources.source.as_ref().map(|source| format!("\0{source}"));
    source.or_else(|| sources.provider.map(|provider| format!("\0{}", provider.0.name))).unwrap_or_default()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::usage(format!("the position file {} cannot {what}: {error}", path.display()))
        .next("Name another with --position; without one nothing is forwarded.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(second: i64, name: &str) -> IndexEntry {
        let key = EventKey { pk: "scalev/main/1".to_owned(), sk: format!("order.created/{name}") };
        IndexEntry { received_at: instant(second * 1_000), key }
    }

    #[test]
    fn a_selection_of_sources_has_a_position_of_its_own() {
        let source = SourceArgs { source: Some("scalev/main".parse().unwrap()), provider: None };
        let provider = SourceArgs { source: None, provider: Some("scalev".parse().unwrap()) };
        assert_eq!(selected(&source), "\0scalev/main");
        assert_eq!(selected(&provider), "\0scalev");
        assert_eq!(selected(&SourceArgs::default()), "");
    }

    #[test]
    fn a_file_brings_a_position_back() {
        let path = std::env::temp_dir().join(format!("hookmill-position-{}.json", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let file = PositionFile::open(&path, "t", "http://a").unwrap();
        assert!(file.read(0).unwrap().is_none());
        let mut position = Following::new(0, 10_000);
        let all = [entry(100, "a"), entry(105, "b")];
        position.expect(&all);
        position.done(&all[1]);
        file.write(&position).unwrap();
        let read = file.read(10_000).unwrap().unwrap();
        assert_eq!(read.from_ms(), 90_000);
        assert!(read.has(&all[1]) && !read.has(&all[0]));
        assert!(PositionFile::open(&path, "t", "http://a").unwrap_err().message.contains("in use"));
        drop(file);
        for (table, target, why) in [("u", "http://a", "another stack"), ("t", "http://b", "that of http://a")] {
            let other = PositionFile::open(&path, table, target).unwrap();
            assert!(other.read(0).unwrap_err().message.contains(why));
        }
        std::fs::write(&path, "{").unwrap();
        let torn = PositionFile::open(&path, "t", "http://a").unwrap().read(0).unwrap_err();
        assert_eq!((torn.kind, torn.next.is_some()), (crate::Exit::Usage, true));
        std::fs::remove_file(&path).unwrap();
    }
}
