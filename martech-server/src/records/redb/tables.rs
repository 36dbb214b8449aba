//! The tables of an entity type: the records as JSON, by key, and an index of owners.

use martech_core::event::Timestamp;
use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    TableHandle, WriteTransaction,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::records::{
    RecordsError,
    record::{Found, Index, Kind, Record, damaged},
};

/// Key to content, as JSON.
type Content<'a> = TableDefinition<'a, &'static str, &'static [u8]>;

/// The suffix of the name of an owner index.
const OWNERS: &str = ".owners";

/// Owner and key. Both tables of an entity type change in the same transaction.
type Owners<'a> = TableDefinition<'a, (&'static str, &'static str), ()>;

#[derive(Serialize, Deserialize)]
struct Versioned<E> {
    version: i64,
    entity: E,
}

/// An error within a redb transaction.
pub(super) enum Failure {
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

impl From<RecordsError> for Failure {
    fn from(error: RecordsError) -> Self {
        Self::Record(error)
    }
}

pub(super) fn read(table: &str, key: &str, bytes: &[u8]) -> Result<Found, RecordsError> {
    let found: serde_json::Result<Versioned<Value>> = serde_json::from_slice(bytes);
    let Versioned { version, entity } = found.map_err(|error| damaged(table, key, &error))?;
    Ok(Found { key: key.to_owned(), version, entity })
}

/// Opens the table of an entity type for reading; `None` if nothing was ever written to it.
fn table(
    transaction: &ReadTransaction,
    kind: Kind,
) -> Result<Option<ReadOnlyTable<&'static str, &'static [u8]>>, Failure> {
    match transaction.open_table(Content::new(kind.table)) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

/// Returns the record with a key.
pub(super) fn find(transaction: &ReadTransaction, kind: Kind, key: &str) -> Result<Option<Found>, Failure> {
    let Some(table) = table(transaction, kind)? else { return Ok(None) };
    find_in(&table, kind, key)
}

fn find_in(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    kind: Kind,
    key: &str,
) -> Result<Option<Found>, Failure> {
    let found = table.get(key)?;
    Ok(found.map(|bytes| read(kind.table, key, bytes.value())).transpose()?)
}

/// Returns up to `limit` records of an owner whose keys are greater than `after`, in the order of the keys.
pub(super) fn list_of(
    transaction: &ReadTransaction,
    kind: Kind,
    owner: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<Found>, Failure> {
    let Some(table) = table(transaction, kind)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in transaction.open_table(Owners::new(&owners_of(kind)))?.range((owner, after)..)? {
        let (index_key, _) = entry?;
        let (of, key) = index_key.value();
        if of != owner || found.len() == limit {
            break;
        }
        if key != after {
            found.extend(find_in(&table, kind, key)?);
        }
    }
    Ok(found)
}

/// Returns up to `limit` records whose keys are greater than `after`, in the order of the keys.
pub(super) fn list_all(
    transaction: &ReadTransaction,
    kind: Kind,
    after: &str,
    limit: usize,
) -> Result<Vec<Found>, Failure> {
    let Some(table) = table(transaction, kind)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in table.range(after..)? {
        let (key, bytes) = entry?;
        if found.len() == limit {
            break;
        }
        if key.value() != after {
            found.push(read(kind.table, key.value(), bytes.value())?);
        }
    }
    Ok(found)
}

/// Decodes all records, and returns how many there are.
pub(super) fn count(database: &Database) -> Result<u64, Failure> {
    let transaction = database.begin_read()?;
    let names: Vec<String> = transaction.list_tables()?.map(|table| table.name().to_owned()).collect();
    let mut records = 0;
    for name in names.iter().filter(|name| !name.ends_with(OWNERS)) {
        for entry in transaction.open_table(Content::new(name))?.iter()? {
            let (key, bytes) = entry?;
            read(name, key.value(), bytes.value())?;
            records += 1;
        }
    }
    Ok(records)
}

fn owners_of(kind: Kind) -> String {
    format!("{}{OWNERS}", kind.table)
}

/// The tables of an entity type, opened for writing.
pub(super) struct Tables<'t> {
    kind: Kind,
    content: redb::Table<'t, &'static str, &'static [u8]>,
    owners: redb::Table<'t, (&'static str, &'static str), ()>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, kind: Kind) -> Result<Self, Failure> {
        let content = transaction.open_table(Content::new(kind.table))?;
        let owners = transaction.open_table(Owners::new(&owners_of(kind)))?;
        Ok(Self { kind, content, owners })
    }

    pub(super) fn find(&self, key: &str) -> Result<Option<Found>, Failure> {
        find_in(&self.content, self.kind, key)
    }

    /// Writes a record in place of `current`, the one with the same key.
    pub(super) fn put(&mut self, record: &Record, version: i64, current: Option<&Found>) -> Result<(), Failure> {
        if let Some(current) = current {
            self.drop(current)?;
        }
        let Record { key, index: Index { owner, .. }, entity, .. } = record;
        let bytes = serde_json::to_vec(&Versioned { version, entity });
        let bytes = bytes.map_err(|error| damaged(self.kind.table, key, &error))?;
        self.content.insert(key.as_str(), bytes.as_slice())?;
        self.owners.insert((owner.as_str(), key.as_str()), ())?;
        Ok(())
    }

    pub(super) fn drop(&mut self, Found { key, entity, .. }: &Found) -> Result<(), Failure> {
        let Index { owner, .. } = self.kind.index(key, entity)?;
        self.remove(key, &owner)
    }

    fn remove(&mut self, key: &str, owner: &str) -> Result<(), Failure> {
        self.content.remove(key)?;
        self.owners.remove((owner, key))?;
        Ok(())
    }

    /// Removes expired records, and returns how many.
    pub(super) fn expire(&mut self, now: Timestamp) -> Result<u64, Failure> {
        let mut expired = Vec::new();
        for entry in self.content.iter()? {
            let (key, bytes) = entry?;
            let found = read(self.kind.table, key.value(), bytes.value())?;
            let Index { owner, expires_at } = self.kind.index(&found.key, &found.entity)?;
            if expires_at.is_some_and(|at| at <= now) {
                expired.push((found.key, owner));
            }
        }
        expired.iter().try_for_each(|(key, owner)| self.remove(key, owner))?;
        Ok(expired.len() as u64)
    }
}

/// Returns a random version for a new record. A record that had the same key before has another version, so a stale
/// [`Stored`] does not match.
pub(super) fn first_version() -> i64 {
    getrandom::u64().map_or(1, |random| i64::from_ne_bytes((random >> 2).to_ne_bytes()))
}
