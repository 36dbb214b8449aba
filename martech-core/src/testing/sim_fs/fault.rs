//! Fault injection: which operations fail, and when.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

pub(super) const EIO: i32 = 5;

/// Operations of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// Creating a file.
    Create,
    /// Opening a file.
    Open,
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// Syncing a file.
    Sync,
    /// Truncating a file.
    Truncate,
    /// Renaming a file. The path is the old one.
    Rename,
    /// Removing a file.
    Remove,
    /// Creating a directory.
    CreateDir,
    /// Removing a directory.
    RemoveDir,
    /// Listing a directory.
    List,
    /// Syncing a directory.
    SyncDir,
}

/// Effect of a fault on an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Fails with this OS error number and changes nothing. A failed sync still leaves pages clean, as described in
    /// [`SimFs`](super::SimFs).
    Os(i32),
    /// Fails with an error of this kind and changes nothing, with the same exception for a sync.
    Fail(io::ErrorKind),
    /// Reads or writes at most this many bytes and succeeds.
    Short(usize),
}

/// A fault that makes selected operations fail. By default it applies once, to the next operation on any path.
#[derive(Debug, Clone)]
pub struct Fault {
    operation: Operation,
    effect: Effect,
    skip: u64,
    times: u64,
    path: Option<PathBuf>,
}

impl Fault {
    /// Creates a fault with any effect on any operation.
    pub fn new(operation: Operation, effect: Effect) -> Self {
        Self { operation, effect, skip: 0, times: 1, path: None }
    }

    /// Creates a fault that makes the operation fail with EIO.
    pub fn eio(operation: Operation) -> Self {
        Self::new(operation, Effect::Os(EIO))
    }

    /// Creates a fault that limits a write to this many bytes.
    pub fn short_write(bytes: usize) -> Self {
        Self::new(Operation::Write, Effect::Short(bytes))
    }

    /// Lets this many matching operations succeed first.
    #[must_use]
    pub fn skip(mut self, operations: u64) -> Self {
        self.skip = operations;
        self
    }

    /// Applies the fault this many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Applies the fault until [`SimFs::heal`](super::SimFs::heal).
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(u64::MAX)
    }

    /// Limits the fault to this path and everything below it.
    #[must_use]
    pub fn below(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    fn matches(&self, operation: Operation, path: &Path) -> bool {
        self.operation == operation && self.path.as_ref().is_none_or(|below| path.starts_with(below))
    }
}

impl Operation {
    /// Whether the operation changes the contents of the disk, or which of them are durable.
    pub(super) fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::List)
    }
}

/// Pending faults and operation counts.
#[derive(Debug, Default)]
pub(super) struct Plan {
    faults: Vec<Fault>,
    counts: BTreeMap<Operation, u64>,
    /// Number of changes until the power loss.
    changes_left: Option<u64>,
    /// Hash of all changes in order.
    fingerprint: u64,
}

/// Power state for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    On,
    /// Power is lost at this operation, before it changes anything.
    Goes,
    Gone,
}

impl Plan {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(super) fn count(&self, operation: Operation) -> u64 {
        self.counts.get(&operation).copied().unwrap_or_default()
    }

    pub(super) fn lose_power_after(&mut self, changes: u64) {
        self.changes_left = Some(changes);
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Counts down the changes until the power loss.
    pub(super) fn power(&mut self, operation: Operation, gone: bool) -> Power {
        if gone {
            return Power::Gone;
        }
        let Some(left) = self.changes_left.as_mut().filter(|_| operation.changes()) else { return Power::On };
        match left.checked_sub(1) {
            Some(less) => {
                *left = less;
                Power::On
            }
            None => Power::Goes,
        }
    }

    /// Counts an operation. The first fault that is due applies, and every matching fault counts the operation.
    pub(super) fn enter(&mut self, operation: Operation, path: &Path) -> io::Result<Option<usize>> {
        *self.counts.entry(operation).or_default() += 1;
        if operation.changes() {
            let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(self.fingerprint);
            hasher.update(&[operation as u8]);
            hasher.update(path.as_os_str().as_encoded_bytes());
            self.fingerprint = hasher.digest();
        }
        let mut effect = None;
        for fault in self.faults.iter_mut().filter(|fault| fault.matches(operation, path)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if effect.is_none() {
                fault.times = fault.times.saturating_sub(1);
                effect = Some(fault.effect);
            }
        }
        self.faults.retain(|fault| fault.times > 0);
        match effect {
            None => Ok(None),
            Some(Effect::Short(bytes)) => Ok(Some(bytes)),
            Some(Effect::Os(number)) => Err(io::Error::from_raw_os_error(number)),
            Some(Effect::Fail(kind)) => Err(kind.into()),
        }
    }
}
