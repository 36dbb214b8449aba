//! Records in a [redb](https://www.redb.org) file: for each entity type a table of contents and an index of owners.

mod check;
mod tables;

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use martech_core::event::Timestamp;
use redb::{Database, ReadableDatabase, backends::FileBackend};

pub(crate) use self::check::check;
use self::tables::{Failure, Tables, find, first_version, list_all, list_of};
use super::{
    RecordsError, Result,
    record::{Change, Found, Kind, Record},
};

/// The records in a data folder.
#[derive(Debug, Clone)]
pub(crate) struct RedbRecords {
    file: Arc<File>,
}

#[derive(Debug)]
struct File {
    /// `None` after the file is closed.
    database: RwLock<Option<Database>>,
    path: PathBuf,
}

impl RedbRecords {
    /// Opens the file, or creates it with mode 0600. A new file gets its name only when it is complete, so an empty
    /// file has lost its content.
    ///
    /// # Errors
    ///
    /// Returns [`RecordsError::Empty`] for an empty file, and [`RecordsError::File`] if it cannot be opened or created.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let open = |path: &Path| -> std::result::Result<Database, redb::Error> {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
            Ok(Database::builder().create_with_backend(FileBackend::new(file.map_err(redb::Error::Io)?)?)?)
        };
        match fs::metadata(path) {
            Ok(found) if found.len() == 0 => return Err(RecordsError::Empty { path: path.to_owned() }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let new = path.with_extension("redb.new");
                drop(open(&new).map_err(at(&new))?);
                fs::rename(&new, path).map_err(|error| at(path)(redb::Error::Io(error)))?;
            }
            Err(error) => return Err(at(path)(redb::Error::Io(error))),
        }
        let database = open(path).map_err(at(path))?;
        let file = Arc::new(File { database: RwLock::new(Some(database)), path: path.to_owned() });
        Ok(Self { file })
    }

    pub(super) async fn find(&self, kind: Kind, key: &str) -> Result<Option<Found>> {
        let key = key.to_owned();
        self.blocking(move |database| find(&database.begin_read()?, kind, &key)).await
    }

    pub(super) async fn page(
        &self,
        kind: Kind,
        owner: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Found>> {
        // No key is empty, so the empty key sorts before all.
        let (owner, after) = (owner.map(str::to_owned), after.unwrap_or_default().to_owned());
        self.blocking(move |database| {
            let transaction = database.begin_read()?;
            match owner {
                Some(owner) => list_of(&transaction, kind, &owner, &after, limit),
                None => list_all(&transaction, kind, &after, limit),
            }
        })
        .await
    }

    pub(super) async fn swap(&self, version: i64, record: Record) -> Result<bool> {
        self.blocking(move |database| {
            let swapped = change(database, record.kind, |tables| {
                let current = tables.find(&record.key)?;
                let Some(current) = current.filter(|current| current.version == version) else { return Ok(0) };
                tables.put(&record, version + 1, Some(&current))?;
                Ok(1)
            });
            Ok(swapped? > 0)
        })
        .await
    }

    pub(super) async fn expire(&self, kind: Kind, now: Timestamp) -> Result<u64> {
        self.blocking(move |database| change(database, kind, |tables| tables.expire(now))).await
    }

    /// Applies all writes in one redb transaction.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.blocking(move |database| {
            let transaction = database.begin_write()?;
            for change in &changes {
                match change {
                    Change::Put(record) => {
                        let mut tables = Tables::open(&transaction, record.kind)?;
                        let current = tables.find(&record.key)?;
                        let version = current.as_ref().map_or_else(first_version, |current| current.version + 1);
                        tables.put(record, version, current.as_ref())?;
                    }
                    Change::Remove { kind, key } => {
                        let mut tables = Tables::open(&transaction, *kind)?;
                        tables.find(key)?.map_or(Ok(()), |current| tables.drop(&current))?;
                    }
                }
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    /// Waits for running operations, and closes the file.
    pub(super) async fn close(&self) {
        let file = self.file.clone();
        let closing = tokio::task::spawn_blocking(move || {
            file.database.write().unwrap_or_else(PoisonError::into_inner).take();
        });
        closing.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    }

    /// Runs an operation on a blocking thread, because writes wait for fsync.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> std::result::Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let file = self.file.clone();
        let done = tokio::task::spawn_blocking(move || {
            let database = file.database.read().unwrap_or_else(PoisonError::into_inner);
            work(database.as_ref().ok_or(RecordsError::Closed)?).map_err(|failure| match failure {
                Failure::File(source) => at(&file.path)(source),
                Failure::Record(error) => error,
            })
        });
        done.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

fn at(path: &Path) -> impl FnOnce(redb::Error) -> RecordsError + use<'_> {
    move |source| RecordsError::File { path: path.to_owned(), source: Box::new(source) }
}

/// Runs a redb transaction that returns the number of changes, and commits it unless the number is zero.
fn change(
    database: &Database,
    kind: Kind,
    work: impl FnOnce(&mut Tables<'_>) -> std::result::Result<u64, Failure>,
) -> std::result::Result<u64, Failure> {
    let transaction = database.begin_write()?;
    let changed = work(&mut Tables::open(&transaction, kind)?)?;
    if changed > 0 {
        transaction.commit()?;
    }
    Ok(changed)
}
