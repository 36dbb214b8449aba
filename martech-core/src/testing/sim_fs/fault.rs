//! The plan of what fails, and when.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

pub(super) const EIO: i32 = 5;

/// What a file system is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Making a file.
    Create,
    /// Opening a file.
    Open,
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// Syncing a file.
    Sync,
    /// Cutting a file.
    Truncate,
    /// Renaming a file; the path is the old one.
    Rename,
    /// Removing a file.
    Remove,
    /// Making a directory.
    CreateDir,
    /// Removing a directory.
    RemoveDir,
    /// Listing a directory.
    List,
    /// Syncing a directory.
    SyncDir,
}

/// What a fault does to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It fails with an error of the operating system, by number, and changes nothing.
    Os(i32),
    /// It fails with an error of this kind, and changes nothing.
    Fail(io::ErrorKind),
    /// It reads or writes at most so many bytes, and succeeds.
    Short(usize),
}

/// Lets chosen operations fail. By default: the next one, once, whatever the path.
#[derive(Debug, Clone)]
pub struct Fault {
    operation: Operation,
    effect: Effect,
    skip: u64,
    times: u64,
    path: Option<PathBuf>,
}

impl Fault {
    /// Any effect on any operation.
    pub fn new(operation: Operation, effect: Effect) -> Self {
        Self { operation, effect, skip: 0, times: 1, path: None }
    }

    /// The operation fails with EIO.
    pub fn eio(operation: Operation) -> Self {
        Self::new(operation, Effect::Os(EIO))
    }

    /// A write takes only so many bytes.
    pub fn short_write(bytes: usize) -> Self {
        Self::new(Operation::Write, Effect::Short(bytes))
    }

    /// Lets so many matching operations pass first.
    #[must_use]
    pub fn skip(mut self, operations: u64) -> Self {
        self.skip = operations;
        self
    }

    /// Applies so many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Applies until [`SimFs::heal`](super::SimFs::heal).
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(u64::MAX)
    }

    /// Applies only to this path and what lies below it.
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
    /// Whether it changes what is on the disk, or what of it is durable.
    pub(super) fn changes(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::List)
    }
}

/// The faults still to come, and what was called so far.
#[derive(Debug, Default)]
pub(super) struct Plan {
    faults: Vec<Fault>,
    counts: BTreeMap<Operation, u64>,
    /// So many changes are still made; the next one finds the power gone.
    changes_left: Option<u64>,
    /// Of all changes and their order.
    fingerprint: u64,
}

/// Whether an operation takes place at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    On,
    /// It goes with this operation, before that has changed anything.
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

    /// Counts the changes that are left before the power goes.
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

    /// Counts an operation. The first fault whose turn it is applies; all that match count it.
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
