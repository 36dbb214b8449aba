//! Records in a [redb](https://www.redb.org) file: for each entity type a table of contents and an index of owners.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use martech_core::event::Timestamp;
use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableError, TableHandle, WriteTransaction,
    backends::{FileBackend, InMemoryBackend},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{Entity, Records, RecordsError, Result, Stored};

/// The records in a data folder.
#[derive(Debug, Clone)]
pub(crate) struct RedbRecords {
    file: Arc<File>,
    turns: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct File {
    /// `None` after the file is closed.
    database: RwLock<Option<Database>>,
    path: PathBuf,
}

/// Key to content, as JSON.
type Content = TableDefinition<'static, &'static str, &'static [u8]>;

fn content<E: Entity>() -> Content {
    TableDefinition::new(E::TABLE)
}

/// The suffix of the name of an owner index.
const OWNERS: &str = ".owners";

/// Owner and key. Both tables of an entity type change in the same transaction.
type Owners<'a> = TableDefinition<'a, (&'static str, &'static str), ()>;

#[derive(Serialize, Deserialize)]
struct Versioned<E> {
    version: i64,
    entity: E,
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
        Ok(Self { file, turns: Arc::default() })
    }

    /// Returns the lock on transactions.
    pub(super) fn turns(&self) -> &Arc<Mutex<()>> {
        &self.turns
    }

    /// Applies all writes in order, in one redb transaction.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.blocking(move |database| {
            let transaction = database.begin_write()?;
            changes.into_iter().try_for_each(|Change(make)| make(&transaction))?;
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

/// Checks the integrity of a file by reading it from end to end, and returns the number of records. The file is only
/// read: recovery after a crash runs on a copy in memory.
pub(crate) fn check(path: &Path) -> std::result::Result<u64, String> {
    let looked = std::panic::catch_unwind(|| {
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        if bytes.is_empty() {
            return Err("it is empty".to_owned());
        }
        let memory = InMemoryBackend::new();
        let copied = memory.set_len(bytes.len() as u64).and_then(|()| memory.write(0, &bytes));
        copied.map_err(|error| format!("{error:?}"))?;
        let mut database = Database::builder().create_with_backend(memory).map_err(|error| error.to_string())?;
        match database.check_integrity() {
            Ok(true) => count(&database).map_err(|failure| match failure {
                Failure::File(error) => error.to_string(),
                Failure::Record(error) => error.to_string(),
            }),
            Ok(false) => Err("its pages contradict each other".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    });
    looked.unwrap_or_else(|_| Err("it cannot be read".to_owned()))
}

/// Decodes all records, and returns how many there are.
fn count(database: &Database) -> std::result::Result<u64, Failure> {
    let transaction = database.begin_read()?;
    let names: Vec<String> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
    let mut records = 0;
    for name in names.iter().filter(|name| !name.ends_with(OWNERS)) {
        let table: TableDefinition<'_, &'static str, &'static [u8]> = TableDefinition::new(name);
        for entry in transaction.open_table(table)?.iter()? {
            let (key, bytes) = entry?;
            let found: serde_json::Result<Versioned<serde_json::Value>> = serde_json::from_slice(bytes.value());
            found.map_err(|error| {
                let (table, key) = (name.clone().into(), key.value().to_owned());
                Failure::Record(RecordsError::Damaged { table, key, reason: error.to_string() })
            })?;
            records += 1;
        }
    }
    Ok(records)
}

/// An error within a redb transaction.
enum Failure {
    File(redb::Error),
    Record(RecordsError),
}

macro_rules! failures_of_the_file {
    ($($error:ident)*) => {$(
        impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::File(error.into())
            }
        }
    )*};
}

failures_of_the_file!(CommitError StorageError TableError TransactionError);

fn at(path: &Path) -> impl FnOnce(redb::Error) -> RecordsError + use<'_> {
    move |source| RecordsError::File { path: path.to_owned(), source: Box::new(source) }
}

fn read<E: Entity>(key: &str, bytes: &[u8]) -> std::result::Result<Stored<E>, Failure> {
    let found: serde_json::Result<Versioned<E>> = serde_json::from_slice(bytes);
    let Versioned { version, entity } = found.map_err(|error| {
        Failure::Record(RecordsError::Damaged {
            table: E::TABLE.into(),
            key: key.to_owned(),
            reason: error.to_string(),
        })
    })?;
    Ok(Stored { entity, version })
}

fn find<E: Entity>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> std::result::Result<Option<Stored<E>>, Failure> {
    let found = table.get(key)?;
    found.map(|bytes| read(key, bytes.value())).transpose()
}

/// Opens the table of an entity type for reading; `None` if nothing was ever written to it.
fn table<E: Entity>(
    transaction: &ReadTransaction,
) -> std::result::Result<Option<ReadOnlyTable<&'static str, &'static [u8]>>, Failure> {
    match transaction.open_table(content::<E>()) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

fn list_of<E: Entity>(
    transaction: &ReadTransaction,
    owner: &str,
    after: &str,
    limit: usize,
) -> std::result::Result<Vec<Stored<E>>, Failure> {
    let Some(table) = table::<E>(transaction)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in transaction.open_table(Owners::new(&owners_of::<E>()))?.range((owner, after)..)? {
        let (index_key, _) = entry?;
        let (of, key) = index_key.value();
        if of != owner || found.len() == limit {
            break;
        }
        if key != after {
            found.extend(find(&table, key)?);
        }
    }
    Ok(found)
}

fn list_all<E: Entity>(
    transaction: &ReadTransaction,
    after: &str,
    limit: usize,
) -> std::result::Result<Vec<Stored<E>>, Failure> {
    let Some(table) = table::<E>(transaction)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in table.range(after..)? {
        let (key, bytes) = entry?;
        if found.len() == limit {
            break;
        }
        if key.value() != after {
            found.push(read(key.value(), bytes.value())?);
        }
    }
    Ok(found)
}

fn owners_of<E: Entity>() -> String {
    format!("{}{OWNERS}", E::TABLE)
}

/// The tables of an entity type, opened for writing.
struct Tables<'t> {
    content: redb::Table<'t, &'static str, &'static [u8]>,
    owners: redb::Table<'t, (&'static str, &'static str), ()>,
}

impl<'t> Tables<'t> {
    fn open<E: Entity>(transaction: &'t WriteTransaction) -> std::result::Result<Self, Failure> {
        let owners = owners_of::<E>();
        Ok(Self {
            content: transaction.open_table(content::<E>())?,
            owners: transaction.open_table(Owners::new(&owners))?,
        })
    }

    fn put<E: Entity>(&mut self, entity: &E, version: i64) -> std::result::Result<(), Failure> {
        let bytes = serde_json::to_vec(&Versioned { version, entity }).map_err(|error| {
            let (table, key) = (E::TABLE.into(), entity.key().to_owned());
            Failure::Record(RecordsError::Damaged { table, key, reason: error.to_string() })
        })?;
        self.content.insert(entity.key(), bytes.as_slice())?;
        self.owners.insert((entity.owner(), entity.key()), ())?;
        Ok(())
    }

    fn drop<E: Entity>(&mut self, entity: &E) -> std::result::Result<(), Failure> {
        self.content.remove(entity.key())?;
        self.owners.remove((entity.owner(), entity.key()))?;
        Ok(())
    }
}

/// Returns a random version for a new record. A record that had the same key before has another version, so a stale
/// [`Stored`] does not match.
fn first_version() -> i64 {
    getrandom::u64().map_or(1, |random| i64::from_ne_bytes((random >> 2).to_ne_bytes()))
}

/// A write of one record.
pub(super) struct Change(Box<Make>);

type Make = dyn FnOnce(&WriteTransaction) -> std::result::Result<(), Failure> + Send + Sync;

impl Change {
    pub(super) fn put<E: Entity>(entity: &E) -> Self {
        let entity = entity.clone();
        Self(Box::new(move |transaction| {
            let mut tables = Tables::open::<E>(transaction)?;
            let current = find::<E>(&tables.content, entity.key())?;
            if let Some(current) = &current {
                tables.drop(&current.entity)?;
            }
            tables.put(&entity, current.map_or_else(first_version, |current| current.version + 1))
        }))
    }

    pub(super) fn remove<E: Entity>(key: &str) -> Self {
        let key = key.to_owned();
        Self(Box::new(move |transaction| {
            let mut tables = Tables::open::<E>(transaction)?;
            let current = find::<E>(&tables.content, &key)?;
            current.map_or(Ok(()), |current| tables.drop(&current.entity))
        }))
    }
}

/// Runs a redb transaction that returns the number of changes, and commits it unless the number is zero.
fn change<E: Entity>(
    database: &Database,
    work: impl FnOnce(&mut Tables<'_>) -> std::result::Result<u64, Failure>,
) -> std::result::Result<u64, Failure> {
    let transaction = database.begin_write()?;
    let changed = work(&mut Tables::open::<E>(&transaction)?)?;
    if changed > 0 {
        transaction.commit()?;
    }
    Ok(changed)
}

impl Records for RedbRecords {
    async fn get<E: Entity>(&self, key: &str) -> Result<Option<Stored<E>>> {
        let key = key.to_owned();
        let look_up = move |database: &Database| match table::<E>(&database.begin_read()?)? {
            Some(table) => find(&table, &key),
            None => Ok(None),
        };
        self.blocking(look_up).await
    }

    async fn append<E: Entity>(&self, entity: &E) -> Result<()> {
        self.commit(vec![Change::put(entity)]).await
    }

    async fn replace<E: Entity>(&self, read: &Stored<E>, entity: &E) -> Result<bool> {
        let (entity, version) = (entity.clone(), read.version);
        let replace = move |tables: &mut Tables<'_>| {
            let current = find::<E>(&tables.content, entity.key())?;
            let Some(current) = current.filter(|current| current.version == version) else { return Ok(0) };
            tables.drop(&current.entity)?;
            tables.put(&entity, version + 1)?;
            Ok(1)
        };
        Ok(self.blocking(|database| change::<E>(database, replace)).await? > 0)
    }

    async fn list<E: Entity>(&self, owner: Option<&str>, after: Option<&str>, limit: usize) -> Result<Vec<Stored<E>>> {
        // No key is empty, so the empty key sorts before all.
        let (owner, after) = (owner.map(str::to_owned), after.unwrap_or_default().to_owned());
        self.blocking(move |database| {
            let transaction = database.begin_read()?;
            match owner {
                Some(owner) => list_of(&transaction, &owner, &after, limit),
                None => list_all(&transaction, &after, limit),
            }
        })
        .await
    }

    async fn sweep<E: Entity>(&self, now: Timestamp) -> Result<u64> {
        let sweep = move |tables: &mut Tables<'_>| {
            let mut expired = Vec::new();
            for entry in tables.content.iter()? {
                let (key, bytes) = entry?;
                let stored: Stored<E> = read(key.value(), bytes.value())?;
                if stored.expires_at().is_some_and(|at| at <= now) {
                    expired.push(stored.entity);
                }
            }
            for entity in &expired {
                tables.drop(entity)?;
            }
            Ok(expired.len() as u64)
        };
        self.blocking(move |database| change::<E>(database, sweep)).await
    }
}
