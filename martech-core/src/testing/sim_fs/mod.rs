//! A disk in memory that knows what is durable, and fails on command.

mod fault;
mod gate;
mod inode;
mod namespace;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use self::{
    fault::{EIO, Plan, Power},
    gate::Gate,
    inode::Inode,
    namespace::{Namespace, no_space, parent},
};
pub use self::{
    fault::{Effect, Fault, Operation},
    gate::Held,
};
use crate::fs::{DirEntry, File, FileSystem};

/// A simulated disk. Clones share one state.
///
/// Content is durable once its file is synced; creations, renames and removals once their directory is synced. A failed
/// sync leaves the pages clean but not on disk, as Linux does: they can be read, a later sync succeeds, and a power loss
/// brings back what was there before (zeros, where that was nothing) all the same.
///
/// # What a power loss may do
/// It is as bad as a file system with a journal (ext4, XFS, btrfs in their usual modes) may be to a program, by the
/// loosest of them:
/// - Of what was written and not synced, any sectors (512 bytes) are there and any length; the others are what was there
///   before, or zeros.
/// - A truncation that was not synced is there or not, and what was written behind it since is there in any sectors,
///   with the old length or the new one.
/// - Each directory has lost its newest changes from some point on, independently of every other directory. A file
///   may have its name and no content, or content and no name. A directory whose own entry is lost is gone with all
///   that was synced in it.
/// - Pages that a failed sync gave up are on disk or are what was there before, whatever a later sync said.
///
/// It does not do what such file systems rule out: change a sector that was not being written, mix the old and the new
/// content of one sector (disks write a sector whole or not at all), show blocks of other files, tear a rename, or
/// reorder changes within one directory. An error of a directory's sync leaves its changes as undecided as they were: the
/// real ones go read-only then, and do not report success afterwards.
///
/// ```
/// use std::{io::Write, path::Path};
/// use martech_core::{fs::{Cursor, FileSystem}, testing::{Crash, Fault, Operation, SimFs}};
///
/// let disk = SimFs::new();
/// disk.create_dir_all(Path::new("data"))?;
/// let file = disk.create(Path::new("data/log"))?;
/// file.sync()?;
/// disk.sync_dir(Path::new("data"))?;
/// Cursor::new(file.clone(), 0).write_all(b"unsynced")?;
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
    gate: Gate,
    /// What the power will leave when it goes, and has left when it went.
    outage: Mutex<Outage>,
}

#[derive(Debug, Default)]
struct Outage {
    crash: Option<Crash>,
    left: Option<SimFs>,
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

/// What a sudden end leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Only the process was killed: what was written can be read, and what was not synced can still be lost.
    Killed,
    /// Nothing that was not synced.
    LoseUnsynced,
    /// Of each file any sectors of what was not synced, and any length; of each directory a random number of its oldest
    /// changes. The same seed gives the same disk.
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

    /// The disk after a sudden end, without faults and limits. This one stays as it is, so a writer that still runs on
    /// it does no harm to the other.
    #[must_use]
    pub fn crash(&self, crash: Crash) -> Self {
        let mut random = match crash {
            Crash::Killed => return self.copy(),
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

    /// The disk as it is, without faults and limits: what was not synced can still be lost. This one stays as it is.
    #[must_use]
    pub fn copy(&self) -> Self {
        let disk = Self::new();
        let names = lock(&self.state.names).copy(&mut |inode| Arc::new(inode.copy(disk.state.space.clone())));
        *lock(&disk.state.names) = names;
        disk
    }

    /// Lets the power fail after so many more changes (every operation but opening, reading and listing): with the
    /// next one [`after_power_loss`](Self::after_power_loss) is taken, and from then on every operation fails.
    pub fn lose_power_after(&self, changes: u64, crash: Crash) {
        lock(&self.state.plan).lose_power_after(changes);
        *lock(&self.state.outage) = Outage { crash: Some(crash), left: None };
    }

    /// What the power loss left that was [asked for](Self::lose_power_after); `None` while the power is still there.
    pub fn after_power_loss(&self) -> Option<Self> {
        lock(&self.state.outage).left.clone()
    }

    /// Holds all changes up until the answer is dropped, so that what is asked for meanwhile comes together.
    #[must_use]
    pub fn hold(&self) -> Held {
        self.state.gate.close();
        Held { disk: self.clone() }
    }

    /// A number that is the same for the same changes in the same order, failed ones included.
    pub fn fingerprint(&self) -> u64 {
        lock(&self.state.plan).fingerprint()
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
        if operation.changes() {
            self.state.gate.pass();
        }
        let mut outage = lock(&self.state.outage);
        let mut plan = lock(&self.state.plan);
        match (plan.power(operation, outage.left.is_some()), outage.crash) {
            (Power::Goes, Some(crash)) => outage.left = Some(self.crash(crash)),
            (Power::On, _) => return plan.enter(operation, path),
            _ => {}
        }
        Err(io::Error::from_raw_os_error(EIO))
    }

    /// Step by step, as the real disk does: what an earlier call left undecided is made durable as well.
    fn make_dirs(&self, path: &Path) -> io::Result<()> {
        let there = lock(&self.state.names).is_dir(path)?;
        if !there {
            self.make_dirs(parent(path))?;
            lock(&self.state.names).make_dir(path);
        }
        self.sync_dir(parent(path))
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
        self.make_dirs(path)
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

    fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize> {
        let limit = self.fs.enter(Operation::Write, &self.path)?.unwrap_or(usize::MAX);
        match self.inode.write_at(buffer, offset, limit)? {
            0 if limit > 0 && !buffer.is_empty() => Err(no_space()),
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
