//! File access for the journal and the lake, behind a trait small enough for tests to substitute a failing disk.

use std::{
    fmt, fs,
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A file system. Paths are used as given. Directories must exist before files are created in them.
pub trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// Creates a new, empty file for reading and writing. Fails with `AlreadyExists` if the file exists.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file for reading only, which still works on a disk that has become read-only.
    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open(path)
    }
    /// Renames a file atomically, replacing an existing target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory and its missing parents. The directory entry is durable when this returns.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Returns the entries of a directory with full paths, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Takes an exclusive lock on a file, creating the file if it is missing. Fails with `WouldBlock` while another
    /// process holds the lock. A file system that is invisible to other processes may do nothing.
    fn lock(&self, _path: &Path) -> io::Result<Lock> {
        Ok(Lock { _file: None })
    }
    /// Returns a random number that others cannot guess. A simulated file system may return the same numbers in each run.
    fn random(&self) -> u64 {
        RandomState::new().hash_one(())
    }
    /// Makes the entries of a directory (creations, renames, removals) durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// A directory entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Full path.
    pub path: PathBuf,
    /// Whether the entry is a directory.
    pub is_dir: bool,
}

/// A lock held until it is dropped or the process ends, in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: Option<fs::File>,
}

/// An open file.
pub trait File: fmt::Debug + Send + Sync + 'static {
    /// Reads at an offset. May read less than requested. Returns 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at an offset that is not beyond the end, overwriting or extending the content. May write less than given.
    /// Returns 0 only for an empty buffer.
    fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes content and length durable.
    fn sync(&self) -> io::Result<()>;
    /// Truncates the file to a length.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Returns the length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Returns whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

impl dyn File {
    /// Fills the whole buffer, or fails with `UnexpectedEof`.
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes the whole buffer. After an error, part of it may have been written.
    pub fn write_all_at(&self, mut buffer: &[u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.write_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    buffer = &buffer[written..];
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A position in a file that implements [`io::Read`] and [`io::Write`].
#[derive(Debug)]
pub struct Cursor {
    file: Arc<dyn File>,
    offset: u64,
}

impl Cursor {
    /// Creates a cursor that starts at `offset`.
    pub fn new(file: Arc<dyn File>, offset: u64) -> Self {
        Self { file, offset }
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Write for Cursor {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(buffer, self.offset)?;
        self.offset += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Replaces a file as a whole. After a crash, the file has either the old or the new content, never a mixture.
pub fn replace(fs: &dyn FileSystem, path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with(fs, path, |file| file.write_all_at(content, 0))
}

/// Same as [`replace`], with content that `write` puts into a new, empty file.
pub fn replace_with(
    fs: &dyn FileSystem,
    path: &Path,
    write: impl FnOnce(&Arc<dyn File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    match fs.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs.create(&temporary)?;
    let written = write(&file).and_then(|()| file.sync()).and_then(|()| fs.rename(&temporary, path));
    if let Err(error) = written {
        // Frees the space. If this fails too, the next attempt starts by removing the file.
        let _ = fs.remove(&temporary);
        return Err(error);
    }
    fs.sync_dir(parent(path))
}

/// Returns the directory that contains a path.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file system that rejects every change.
#[derive(Debug, Clone)]
pub struct ReadOnly(pub Arc<dyn FileSystem>);

impl FileSystem for ReadOnly {
    fn create(&self, _path: &Path) -> io::Result<Arc<dyn File>> {
        Err(read_only())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(ReadOnlyFile(self.0.open_to_read(path)?)))
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn remove_dir(&self, _path: &Path) -> io::Result<()> {
        Err(read_only())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.list(dir)
    }

    /// Takes the lock if its file exists. Without the file, no process holds the lock.
    fn lock(&self, path: &Path) -> io::Result<Lock> {
        match self.0.open_to_read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Lock { _file: None }),
            _ => self.0.lock(path),
        }
    }

    fn random(&self) -> u64 {
        self.0.random()
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Err(read_only())
    }
}

#[derive(Debug)]
struct ReadOnlyFile(Arc<dyn File>);

impl File for ReadOnlyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, _buffer: &[u8], _offset: u64) -> io::Result<usize> {
        Err(read_only())
    }

    fn sync(&self) -> io::Result<()> {
        Err(read_only())
    }

    fn truncate(&self, _len: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

fn read_only() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

/// The real file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl FileSystem for Disk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(fs::OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(fs::File::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            // The process that created it may have been killed before the entry was durable. A parent that is not even
            // readable was not created by this program.
            return match self.sync_dir(parent(path)) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
                other => other,
            };
        }
        self.create_dir_all(parent(path))?;
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        self.sync_dir(parent(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = fs::read_dir(dir)?
            .map(|entry| {
                entry.and_then(|entry| Ok(DirEntry { is_dir: entry.file_type()?.is_dir(), path: entry.path() }))
            })
            .collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        Ok(entries)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let file = match fs::File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?
            }
            opened => opened?,
        };
        file.try_lock()?;
        Ok(Lock { _file: Some(file) })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }
}

impl File for fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, buffer, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}
