//! A disk in memory that knows what is durable, and fails on command.

mod fault;
mod inode;
mod namespace;

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

pub use self::fault::{Effect, Fault, Operation};
use self::{
    fault::Plan,
    inode::Inode,
    namespace::{Namespace, no_space},
};
use crate::fs::{DirEntry, File, FileSystem};

/// A simulated disk. Clones share one state.
///
/// Content is durable once its file is synced; creations, renames and removals once their directory is synced. A failed
/// sync leaves the pages clean but not on disk, as Linux does: they can be read, a later sync succeeds, and a power loss
/// turns them to zeros all the same.
///
/// ```
/// use std::{io::Write, path::Path};
/// use martech_core::{fs::{Appender, FileSystem}, testing::{Crash, Fault, Operation, SimFs}};
///
/// let disk = SimFs::new();
/// disk.create_dir_all(Path::new("data"))?;
/// let file = disk.create(Path::new("data/log"))?;
/// file.sync()?;
/// disk.sync_dir(Path::new("data"))?;
/// Appender(file.clone()).write_all(b"unsynced")?;
/// assert_eq!(disk.crash(Crash::LoseUnsynced).read("data/log"), Some(vec![]));
///
/// disk.inject(Fault::eio(Operation::Sync));
/// assert!(file.sync().is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct SimFs {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    names: Mutex<Namespace>,
    plan: Mutex<Plan>,
    space: Arc<Space>,
}

/// How much is used, and how much there is.
#[derive(Debug)]
struct Space {
    used: AtomicU64,
    capacity: AtomicU64,
}

impl Default for Space {
    fn default() -> Self {
        Self { used: AtomicU64::new(0), capacity: AtomicU64::new(u64::MAX) }
    }
}

impl Space {
    /// Takes as much of `wanted` as there is.
    fn take(&self, wanted: u64) -> u64 {
        let mut taken = 0;
        let take = |used: u64| {
            taken = wanted.min(self.capacity.load(Ordering::Acquire).saturating_sub(used));
            Some(used + taken)
        };
        // The closure never declines, so this cannot fail.
        let _ = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken
    }

    fn add(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::AcqRel);
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// What a power loss leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Nothing that was not synced.
    LoseUnsynced,
    /// Of each file a random part of what was not synced, torn at any byte, with sectors lost within it; of the
    /// directories a random number of the oldest changes. The same seed gives the same disk.
    KeepSome {
        /// Of the random choices.
        seed: u64,
    },
}

impl SimFs {
    /// An empty disk without limits or faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk after a power loss, without faults and limits. This one stays as it is, so a writer that still runs on
    /// it does no harm to the other.
    #[must_use]
    pub fn crash(&self, crash: Crash) -> Self {
        let mut random = match crash {
            Crash::LoseUnsynced => None,
            Crash::KeepSome { seed } => Some(fastrand::Rng::with_seed(seed)),
        };
        let disk = Self::new();
        let names = lock(&self.state.names).after_crash(random.as_mut(), &mut |inode, random| {
            Arc::new(Inode::new(inode.after_crash(random), disk.state.space.clone()))
        });
        *lock(&disk.state.names) = names;
        disk
    }

    /// The disk after the process was killed: everything written is there, and durable. This one stays as it is.
    #[must_use]
    pub fn copy(&self) -> Self {
        let disk = Self::new();
        let names =
            lock(&self.state.names).copy(&mut |inode| Arc::new(Inode::new(inode.content(), disk.state.space.clone())));
        *lock(&disk.state.names) = names;
        disk
    }

    /// Lets operations fail from now on, besides the faults that are there.
    pub fn inject(&self, fault: Fault) {
        lock(&self.state.plan).add(fault);
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        lock(&self.state.plan).clear();
    }

    /// How often an operation was called.
    pub fn count(&self, operation: Operation) -> u64 {
        lock(&self.state.plan).count(operation)
    }

    /// How many bytes all files together may have; beyond it writes are cut short, then fail with ENOSPC.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.space.capacity.store(bytes, Ordering::Release);
    }

    /// How many bytes the files have. A removed file counts no more, even if it is still open.
    pub fn used(&self) -> u64 {
        self.state.space.used.load(Ordering::Acquire)
    }

    /// All files, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        lock(&self.state.names).files()
    }

    /// What a file holds; `None` when there is none.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        lock(&self.state.names).file(path.as_ref()).ok().map(|inode| inode.content())
    }

    /// Puts a durable file in place, whatever was there. Its directory must exist.
    pub fn write(&self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) -> io::Result<()> {
        let inode = Arc::new(Inode::new(content.into(), self.state.space.clone()));
        lock(&self.state.names).put(path.as_ref(), inode)
    }

    /// Flips bits of one byte, as a failing medium does: `mask` says which. Fails when there is no such byte.
    pub fn flip(&self, path: impl AsRef<Path>, offset: u64, mask: u8) -> io::Result<()> {
        lock(&self.state.names).file(path.as_ref())?.flip(offset, mask)
    }

    /// Counts an operation and applies the plan: an error, or a limit of bytes for a write.
    fn enter(&self, operation: Operation, path: &Path) -> io::Result<Option<usize>> {
        lock(&self.state.plan).enter(operation, path)
    }

    fn handle(&self, path: &Path, inode: Arc<Inode>) -> Arc<dyn File> {
        Arc::new(SimFile { fs: self.clone(), path: path.to_owned(), inode })
    }
}

impl FileSystem for SimFs {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.enter(Operation::Create, path)?;
        let inode = Arc::new(Inode::new(Vec::new(), self.state.space.clone()));
        lock(&self.state.names).create(path, inode.clone())?;
        Ok(self.handle(path, inode))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.enter(Operation::Open, path)?;
        let inode = lock(&self.state.names).file(path)?;
        Ok(self.handle(path, inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter(Operation::Rename, from)?;
        lock(&self.state.names).rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.enter(Operation::Remove, path)?;
        lock(&self.state.names).remove(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.enter(Operation::CreateDir, path)?;
        lock(&self.state.names).create_dir_all(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.enter(Operation::RemoveDir, path)?;
        lock(&self.state.names).remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.enter(Operation::List, dir)?;
        lock(&self.state.names).list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.enter(Operation::SyncDir, dir)?;
        lock(&self.state.names).sync_dir(dir)
    }
}

/// An open file; its path is the one it was opened by.
#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    path: PathBuf,
    inode: Arc<Inode>,
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let limit = self.fs.enter(Operation::Read, &self.path)?.unwrap_or(usize::MAX).min(buffer.len());
        Ok(self.inode.read_at(&mut buffer[..limit], offset))
    }

    fn append(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let limit = self.fs.enter(Operation::Write, &self.path)?.unwrap_or(usize::MAX);
        match self.inode.append(buffers, limit) {
            0 if limit > 0 && buffers.iter().any(|buffer| !buffer.is_empty()) => Err(no_space()),
            written => Ok(written),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let outcome = self.fs.enter(Operation::Sync, &self.path);
        self.inode.sync(outcome.is_ok());
        outcome.map(drop)
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.fs.enter(Operation::Truncate, &self.path)?;
        self.inode.truncate(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.len())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Entries by path.
type Tree = BTreeMap<PathBuf, namespace::Entry>;
