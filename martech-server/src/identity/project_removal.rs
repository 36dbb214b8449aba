//! The stored order to delete the events of a project that is not in the records.

use std::time::Duration;

use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ProjectId, later};
use crate::records::Entity;

/// Lease of a removal.
const LEASE: Duration = Duration::from_secs(120);
/// How long the other servers have to delete what they keep of the project themselves.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The order to delete the events of a project. It is stored in the transaction that removes the project, and before a
/// project is created together with its events. The transaction that creates a project removes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectRemoval {
    pub(crate) id: ProjectId,
    /// The time from which any server may carry it out. Until then, one server works on it.
    pub(crate) due: Timestamp,
    /// Whether the shared database has no events left. Servers may still have files.
    pub(crate) is_done: bool,
}

impl Entity for ProjectRemoval {
    const TABLE: &'static str = "removals";

    fn key(&self) -> &str {
        self.id.as_str()
    }

    fn owner(&self) -> &str {
        ""
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.is_done.then(|| later(self.due, KEPT))
    }
}

impl ProjectRemoval {
    /// Returns the order for a server that begins to carry it out, or that may have to.
    pub(crate) fn begun(id: ProjectId, now: Timestamp) -> Self {
        Self { id, due: later(now, LEASE), is_done: false }
    }

    /// Returns whether another server may be working on it.
    pub(crate) fn is_leased(&self, now: Timestamp) -> bool {
        !self.is_done && now < self.due
    }
}
