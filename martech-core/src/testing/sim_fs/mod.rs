//! An in-memory disk that tracks durability and injects faults.

mod fault;
mod gate;
mod inode;
mod lock;
mod namespace;
mod space;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::Ordering},
};

use self::{
    fault::{EIO, Plan, Power},
    gate::Gate,
    inode::Inode,
    lock::lock,
    namespace::{Namespace, no_space, parent},
    space::Space,
};
pub use self::{
    fault::{Effect, Fault, Operation},
    gate::Held,
};
use crate::fs::{DirEntry, File, FileSystem};

/// A simulated disk. Clones share one state.
///
/// Contents are durable once their file is synced. Creations, renames and removals are durable once their directory is
/// synced. A failed sync marks the pages clean without writing them, as Linux does: reads return the new bytes, a later
/// sync succeeds, and a power loss still restores the old bytes (zeros, if there were none).
///
/// # Power loss model
/// A power loss does the worst that any journaling file system (ext4, XFS, btrfs in their default modes) may do:
/// - Unsynced writes survive in any subset of sectors (512 bytes) and with any length. Other sectors hold the old bytes
///   or zeros.
/// - An unsynced truncation survives or not. Later writes behind it survive in any subset of sectors, with the old
///   length or the new one.
/// - Each directory loses its newest changes from some point on, independently of other directories. A file may have
///   its name without contents, or contents without a name. A directory whose own entry is lost takes everything that
///   was synced in it with it.
/// - Pages that a failed sync gave up hold the new or the old bytes, whatever a later sync reported.
///
/// The simulation excludes what these file systems rule out: changes to sectors that were not being written, torn
/// sectors (disks write a sector completely or not at all), blocks of other files, torn renames, and reordering within
/// one directory. A failed directory sync leaves the directory's changes pending. Real file systems go read-only in
/// that case and do not report success afterwards.
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
    gate: Arc<Gate>,
    /// Result of the scheduled power loss: how to compute it, and the disk it left.
    outage: Mutex<Outage>,
}

#[derive(Debug, Default)]
struct Outage {
    crash: Option<Crash>,
    left: Option<SimFs>,
}

/// Kinds of crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Crash {
    /// The process was killed. Everything written can be read, and unsynced data can still be lost.
    Killed,
    /// Nothing unsynced survives.
    LoseUnsynced,
    /// A random part survives: of each file, any unsynced sectors and any length; of each directory, a random number of
    /// its oldest changes. The same seed gives the same disk.
    KeepSome {
        /// Seed of the random choices.
        seed: u64,
    },
}

impl SimFs {
    /// Creates an empty disk without limits or faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the disk after a crash, without faults and limits. The original does not change, so a writer that still
    /// runs on it does not affect the copy.
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

    /// Returns a copy of the disk without faults and limits. Unsynced data can still be lost. The original does not
    /// change.
    #[must_use]
    pub fn copy(&self) -> Self {
        let disk = Self::new();
        let names = lock(&self.state.names).copy(&mut |inode| Arc::new(inode.copy(disk.state.space.clone())));
        *lock(&disk.state.names) = names;
        disk
    }

    /// Schedules a power loss after this many more changes (every operation except opening, reading and listing). At
    /// the next change the state for [`after_power_loss`](Self::after_power_loss) is captured, and every operation
    /// fails from then on.
    pub fn lose_power_after(&self, changes: u64, crash: Crash) {
        lock(&self.state.plan).lose_power_after(changes);
        *lock(&self.state.outage) = Outage { crash: Some(crash), left: None };
    }

    /// Returns the disk after the [scheduled](Self::lose_power_after) power loss, or `None` if it has not happened yet.
    pub fn after_power_loss(&self) -> Option<Self> {
        lock(&self.state.outage).left.clone()
    }

    /// Blocks all changes until the returned guard is dropped, so that concurrent requests can be batched.
    #[must_use]
    pub fn hold(&self) -> Held {
        self.state.gate.close();
        Held { gate: self.state.gate.clone() }
    }

    /// Returns a hash of all changes in order, including failed ones.
    pub fn fingerprint(&self) -> u64 {
        lock(&self.state.plan).fingerprint()
    }

    /// Adds a fault to those already active.
    pub fn inject(&self, fault: Fault) {
        lock(&self.state.plan).add(fault);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        lock(&self.state.plan).clear();
    }

    /// Returns how often an operation was called.
    pub fn count(&self, operation: Operation) -> u64 {
        lock(&self.state.plan).count(operation)
    }

    /// Limits the total size of all files in bytes. Writes beyond it are shortened and then fail with ENOSPC.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.space.capacity.store(bytes, Ordering::Release);
    }

    /// Returns the total size of all files in bytes. Removed files do not count, even while open.
    pub fn used(&self) -> u64 {
        self.state.space.used.load(Ordering::Acquire)
    }

    /// Returns the paths of all files, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        lock(&self.state.names).files()
    }

    /// Returns the contents of a file, or `None` if there is no such file.
    pub fn read(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        lock(&self.state.names).file(path.as_ref()).ok().map(|inode| inode.content())
    }

    /// Creates or replaces a file durably.
    ///
    /// # Errors
    /// When the parent directory does not exist.
    pub fn write(&self, path: impl AsRef<Path>, content: impl Into<Vec<u8>>) -> io::Result<()> {
        let inode = Arc::new(Inode::new(content.into(), self.state.space.clone()));
        lock(&self.state.names).put(path.as_ref(), inode)
    }

    /// Flips the bits of `mask` in one byte, as a failing medium does.
    ///
    /// # Errors
    /// When there is no such byte.
    pub fn flip(&self, path: impl AsRef<Path>, offset: u64, mask: u8) -> io::Result<()> {
        lock(&self.state.names).file(path.as_ref())?.flip(offset, mask)
    }

    /// Counts an operation and applies the plan. Returns an error, or a limit of bytes for reads and writes.
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

    /// Creates directories level by level, as the real file system layer does. Existing parents are synced too, because
    /// an earlier call may have failed before it synced them.
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

    /// Returns the same number in each run.
    fn random(&self) -> u64 {
        0x5eed
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

/// An open file with the path under which it was opened.
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
