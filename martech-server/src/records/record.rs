//! Entities without their types. The stores handle only these, so the compiler makes the code of a store once, and not
//! again for each entity type.

use martech_core::event::Timestamp;
use serde_json::Value;

use super::{Entity, RecordsError, Result, Stored};

/// An entity type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) table: &'static str,
    index: fn(&Value) -> serde_json::Result<Index>,
}

impl Kind {
    pub(super) fn of<E: Entity>() -> Self {
        Self { table: E::TABLE, index: |entity| E::deserialize(entity).map(|entity| Index::of(&entity)) }
    }

    /// Returns the indexed values of an encoded entity.
    pub(super) fn index(&self, key: &str, entity: &Value) -> Result<Index> {
        (self.index)(entity).map_err(|error| damaged(self.table, key, &error))
    }
}

/// The indexed values of an entity, beside its key.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) owner: String,
    pub(super) expires_at: Option<Timestamp>,
}

impl Index {
    fn of<E: Entity>(entity: &E) -> Self {
        Self { owner: entity.owner().to_owned(), expires_at: entity.expires_at() }
    }
}

/// An encoded entity, to be written.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) key: String,
    pub(super) index: Index,
    pub(super) entity: Value,
}

impl Record {
    pub(super) fn of<E: Entity>(entity: &E) -> Result<Self> {
        let encoded = serde_json::to_value(entity).map_err(|error| damaged(E::TABLE, entity.key(), &error))?;
        Ok(Self { kind: Kind::of::<E>(), key: entity.key().to_owned(), index: Index::of(entity), entity: encoded })
    }
}

/// A record as read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: String,
    pub(super) version: i64,
    pub(super) entity: Value,
}

impl Found {
    pub(super) fn decode<E: Entity>(&self) -> Result<Stored<E>> {
        let entity = E::deserialize(&self.entity).map_err(|error| damaged(E::TABLE, &self.key, &error))?;
        Ok(Stored { entity, version: self.version })
    }
}

/// A write of one record.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Put(Record),
    Remove { kind: Kind, key: String },
}

impl Change {
    pub(super) fn put<E: Entity>(entity: &E) -> Result<Self> {
        Record::of(entity).map(Self::Put)
    }

    pub(super) fn remove<E: Entity>(key: &str) -> Self {
        Self::Remove { kind: Kind::of::<E>(), key: key.to_owned() }
    }

    /// Returns the table and the key of the record.
    pub(super) fn target(&self) -> (&'static str, &str) {
        match self {
            Self::Put(Record { kind, key, .. }) | Self::Remove { kind, key } => (kind.table, key),
        }
    }
}

pub(super) fn damaged(table: &str, key: &str, reason: &serde_json::Error) -> RecordsError {
    RecordsError::Damaged { table: table.to_owned(), key: key.to_owned(), reason: reason.to_string() }
}
