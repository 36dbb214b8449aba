//! The tables of an entity type: the records as JSON, by key, and an index of owners.

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    TableHandle, WriteTransaction,
};
use serde::{Deserialize, Serialize};

use crate::records::{Entity, RecordsError, Stored};

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

pub(super) fn read<E: Entity>(key: &str, bytes: &[u8]) -> Result<Stored<E>, Failure> {
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

pub(super) fn find<E: Entity>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<Stored<E>>, Failure> {
    let found = table.get(key)?;
    found.map(|bytes| read(key, bytes.value())).transpose()
}

/// Opens the table of an entity type for reading; `None` if nothing was ever written to it.
pub(super) fn table<E: Entity>(
    transaction: &ReadTransaction,
) -> Result<Option<ReadOnlyTable<&'static str, &'static [u8]>>, Failure> {
    match transaction.open_table(content::<E>()) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

/// Returns up to `limit` records of an owner whose keys are greater than `after`, in the order of the keys.
pub(super) fn list_of<E: Entity>(
    transaction: &ReadTransaction,
    owner: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<Stored<E>>, Failure> {
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

/// Returns up to `limit` records whose keys are greater than `after`, in the order of the keys.
pub(super) fn list_all<E: Entity>(
    transaction: &ReadTransaction,
    after: &str,
    limit: usize,
) -> Result<Vec<Stored<E>>, Failure> {
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

/// Decodes all records, and returns how many there are.
pub(super) fn count(database: &Database) -> Result<u64, Failure> {
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

fn owners_of<E: Entity>() -> String {
    format!("{}{OWNERS}", E::TABLE)
}

/// The tables of an entity type, opened for writing.
pub(super) struct Tables<'t> {
    pub(super) content: redb::Table<'t, &'static str, &'static [u8]>,
    owners: redb::Table<'t, (&'static str, &'static str), ()>,
}

impl<'t> Tables<'t> {
    pub(super) fn open<E: Entity>(transaction: &'t WriteTransaction) -> Result<Self, Failure> {
        let owners = owners_of::<E>();
        Ok(Self {
            content: transaction.open_table(content::<E>())?,
            owners: transaction.open_table(Owners::new(&owners))?,
        })
    }

    /// Writes a record. The caller drops a previous record with the same key first.
    pub(super) fn put<E: Entity>(&mut self, entity: &E, version: i64) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(&Versioned { version, entity }).map_err(|error| {
            let (table, key) = (E::TABLE.into(), entity.key().to_owned());
            Failure::Record(RecordsError::Damaged { table, key, reason: error.to_string() })
        })?;
        self.content.insert(entity.key(), bytes.as_slice())?;
        self.owners.insert((entity.owner(), entity.key()), ())?;
        Ok(())
    }

    pub(super) fn drop<E: Entity>(&mut self, entity: &E) -> Result<(), Failure> {
        self.content.remove(entity.key())?;
        self.owners.remove((entity.owner(), entity.key()))?;
        Ok(())
    }
}

/// Returns a random version for a new record. A record that had the same key before has another version, so a stale
/// [`Stored`] does not match.
pub(super) fn first_version() -> i64 {
    getrandom::u64().map_or(1, |random| i64::from_ne_bytes((random >> 2).to_ne_bytes()))
}
