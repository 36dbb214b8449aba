//! Names of files and directories: the visible ones, and those that survive a power loss.

use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::inode::Inode;
use crate::fs::DirEntry;

const ENOSPC: i32 = 28;

#[derive(Debug, Clone)]
pub(super) enum Entry {
    File(Arc<Inode>),
    Dir,
}

/// Directory entries by path.
type Tree = BTreeMap<PathBuf, Entry>;

/// A change whose directory was not synced yet.
#[derive(Debug, Clone)]
enum Change {
    Link(PathBuf, Arc<Inode>),
    MakeDir(PathBuf),
    Unlink(PathBuf),
    /// Belongs to the directory of the new name.
    Move(PathBuf, PathBuf, Arc<Inode>),
}

impl Change {
    fn dir(&self) -> &Path {
        let (Self::Link(path, _) | Self::MakeDir(path) | Self::Unlink(path) | Self::Move(_, path, _)) = self;
        parent(path)
    }

    fn apply(self, tree: &mut Tree) {
        match self {
            Self::Link(path, inode) => drop(tree.insert(path, Entry::File(inode))),
            Self::MakeDir(path) => drop(tree.insert(path, Entry::Dir)),
            Self::Unlink(path) => drop(tree.remove(&path)),
            Self::Move(from, to, inode) => {
                // The old name may belong to another file by now.
                if matches!(tree.get(&from), Some(Entry::File(old)) if Arc::ptr_eq(old, &inode)) {
                    tree.remove(&from);
                }
                tree.insert(to, Entry::File(inode));
            }
        }
    }

    fn with(&self, remake: &mut dyn FnMut(&Arc<Inode>) -> Arc<Inode>) -> Self {
        match self {
            Self::Link(path, inode) => Self::Link(path.clone(), remake(inode)),
            Self::Move(from, to, inode) => Self::Move(from.clone(), to.clone(), remake(inode)),
            other => other.clone(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Namespace {
    seen: Tree,
    durable: Tree,
    /// Oldest first.
    pending: Vec<Change>,
}

impl Namespace {
    pub(super) fn file(&self, path: &Path) -> io::Result<Arc<Inode>> {
        match self.seen.get(&clean(path)) {
            Some(Entry::File(inode)) => Ok(inode.clone()),
            Some(Entry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn create(&mut self, path: &Path, inode: Arc<Inode>) -> io::Result<()> {
        let path = clean(path);
        self.need_dir(parent(&path))?;
        if self.seen.contains_key(&path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Link(path, inode));
        Ok(())
    }

    /// Creates or replaces a file durably.
    pub(super) fn put(&mut self, path: &Path, inode: Arc<Inode>) -> io::Result<()> {
        let path = clean(path);
        self.need_dir(parent(&path))?;
        let entry = Entry::File(inode);
        self.durable.insert(path.clone(), entry.clone());
        self.seen.insert(path, entry);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (clean(from), clean(to));
        let inode = self.file(&from)?;
        self.need_dir(parent(&to))?;
        if matches!(self.seen.get(&to), Some(Entry::Dir)) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if from != to {
            self.change(Change::Move(from, to, inode));
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let path = clean(path);
        self.file(&path)?;
        self.change(Change::Unlink(path));
        Ok(())
    }

    /// Whether the path is a directory. Returns an error if it is a file.
    pub(super) fn is_dir(&self, path: &Path) -> io::Result<bool> {
        match self.need_dir(&clean(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            other => other.map(|()| true),
        }
    }

    pub(super) fn make_dir(&mut self, path: &Path) {
        self.change(Change::MakeDir(clean(path)));
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let path = clean(path);
        self.need_dir(&path)?;
        if !self.list(&path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.change(Change::Unlink(path));
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let dir = clean(dir);
        self.need_dir(&dir)?;
        let inside = self.seen.iter().filter(|(path, _)| !is_root(path) && parent(path) == dir);
        Ok(inside.map(|(path, entry)| DirEntry { path: path.clone(), is_dir: matches!(entry, Entry::Dir) }).collect())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        let dir = clean(dir);
        self.need_dir(&dir)?;
        let (now, mut later): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(|change| change.dir() == dir);
        for change in now {
            if let Change::Move(from, _, inode) = &change {
                // The new name replaces the old one, so a pending creation of the old name must not be applied later.
                later.retain(
                    |other| !matches!(other, Change::Link(path, old) if path == from && Arc::ptr_eq(old, inode)),
                );
            }
            change.apply(&mut self.durable);
        }
        self.pending = later;
        Ok(())
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let files = self.seen.iter().filter(|(_, entry)| matches!(entry, Entry::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// Returns the names after a power loss, with each file recreated by `remake`. The durable names survive, and with
    /// randomness also some of each directory's oldest pending changes. Entries below a lost directory are lost.
    pub(super) fn after_crash(
        &self,
        mut random: Option<&mut fastrand::Rng>,
        remake: &mut dyn FnMut(&Inode, Option<&mut fastrand::Rng>) -> Arc<Inode>,
    ) -> Self {
        let mut tree = self.durable.clone();
        if let Some(random) = random.as_deref_mut() {
            let mut reached = BTreeMap::<&Path, usize>::new();
            for change in &self.pending {
                *reached.entry(change.dir()).or_default() += 1;
            }
            for changes in reached.values_mut() {
                *changes = random.usize(..=*changes);
            }
            for change in &self.pending {
                if let Some(left) = reached.get_mut(change.dir()).filter(|left| **left > 0) {
                    *left -= 1;
                    change.clone().apply(&mut tree);
                }
            }
        }
        let there = |path: &Path| path.ancestors().skip(1).all(|dir| is_root(dir) || tree.contains_key(dir));
        let entries = tree.iter().filter(|(path, _)| there(path)).map(|(path, entry)| {
            let entry = match entry {
                Entry::File(inode) => Entry::File(remake(inode, random.as_deref_mut())),
                Entry::Dir => Entry::Dir,
            };
            (path.clone(), entry)
        });
        let seen: Tree = entries.collect();
        Self { durable: seen.clone(), seen, pending: Vec::new() }
    }

    /// Copies the names, with each file recreated by `remake`.
    pub(super) fn copy(&self, remake: &mut dyn FnMut(&Inode) -> Arc<Inode>) -> Self {
        // A file may appear several times, before and after a pending change, and must stay one file.
        let mut made = BTreeMap::<*const Inode, Arc<Inode>>::new();
        let mut remake = |inode: &Arc<Inode>| made.entry(Arc::as_ptr(inode)).or_insert_with(|| remake(inode)).clone();
        let mut tree = |tree: &Tree| -> Tree {
            let entries = tree.iter().map(|(path, entry)| match entry {
                Entry::File(inode) => (path.clone(), Entry::File(remake(inode))),
                Entry::Dir => (path.clone(), Entry::Dir),
            });
            entries.collect()
        };
        let (seen, durable) = (tree(&self.seen), tree(&self.durable));
        Self { seen, durable, pending: self.pending.iter().map(|change| change.with(&mut remake)).collect() }
    }

    fn change(&mut self, change: Change) {
        let (Change::Link(gone, _) | Change::MakeDir(gone) | Change::Unlink(gone) | Change::Move(_, gone, _)) = &change;
        if let Some(Entry::File(inode)) = self.seen.get(gone) {
            inode.remove();
        }
        change.clone().apply(&mut self.seen);
        self.pending.push(change);
    }

    fn need_dir(&self, dir: &Path) -> io::Result<()> {
        match self.seen.get(dir) {
            Some(Entry::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None if !is_root(dir) => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    }
}

pub(super) fn no_space() -> io::Error {
    io::Error::from_raw_os_error(ENOSPC)
}

/// Normalizes a path: `./a//b` and `a/b` are the same name.
fn clean(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The working directory and `/` always exist.
fn is_root(path: &Path) -> bool {
    path.as_os_str().is_empty() || path == Path::new("/")
}
