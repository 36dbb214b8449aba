//! Opens what is to be imported and takes the compression off.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;

/// What a file is imported from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    Path(PathBuf),
}

impl Source {
    pub(crate) fn new(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::Path(path.to_owned()) }
    }

    /// For people, and for the names of files that belong to it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::Path(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        }
    }
}

/// Decompressed content, with the count of what was read of the compressed one.
pub(crate) struct Input {
    stream: Stream,
    /// Bytes read of the file so far.
    pub(crate) consumed: Arc<AtomicU64>,
    /// Length of the file, where it is a plain file.
    pub(crate) size: Option<u64>,
}

enum Stream {
    Plain(Counted<File>),
    Other(Box<dyn Read + Send>),
}

impl Input {
    /// The compression is known by the first bytes, whatever the name says.
    pub(crate) fn open(source: &Source) -> io::Result<Self> {
        let consumed = Arc::new(AtomicU64::new(0));
        let (size, stream) = match source {
            Source::Stdin => (None, other(Counted { inner: io::stdin(), consumed: consumed.clone() })?),
            Source::Path(path) => {
                let mut file = File::open(path)?;
                let metadata = file.metadata()?;
                if metadata.is_dir() {
                    return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
                }
                if metadata.is_file() {
                    let mut magic = [0; 4];
                    let read = read_up_to(&mut file, &mut magic)?;
                    file.rewind()?;
                    let plain = Compression::detect(&magic[..read]).is_none();
                    let file = Counted { inner: file, consumed: consumed.clone() };
                    (Some(metadata.len()), if plain { Stream::Plain(file) } else { other(file)? })
                } else {
                    (None, other(Counted { inner: file, consumed: consumed.clone() })?)
                }
            }
        };
        Ok(Self { stream, consumed, size })
    }

    /// Content that does not come from a file.
    #[cfg(feature = "testing")]
    pub(crate) fn of(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let consumed = Arc::new(AtomicU64::new(0));
        let stream = other(Counted { inner: reader, consumed: consumed.clone() })?;
        Ok(Self { stream, consumed, size: None })
    }

    /// Moves on by a number of decompressed bytes; fails when the content ends before.
    pub(crate) fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(file) => {
                let distance = i64::try_from(bytes).map_err(io::Error::other)?;
                let position = file.inner.seek(SeekFrom::Current(distance))?;
                file.consumed.store(position, Ordering::Relaxed);
                Ok(())
            }
            Stream::Other(stream) => match io::copy(&mut stream.take(bytes), &mut io::sink())? {
                skipped if skipped == bytes => Ok(()),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(file) => file.read(buffer),
            Stream::Other(stream) => stream.read(buffer),
        }
    }
}

enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    fn detect(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            // A zstd file may begin with a skippable frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// A stream that cannot be wound back, compressed or not.
fn other(mut reader: impl Read + Send + 'static) -> io::Result<Stream> {
    const BUFFER: usize = 128 * 1024;
    let mut magic = vec![0; 4];
    let read = read_up_to(&mut reader, &mut magic)?;
    magic.truncate(read);
    let compression = Compression::detect(&magic);
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(magic).chain(reader));
    Ok(Stream::Other(match compression {
        // Both read on over the members (frames) that follow the first.
        Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(whole)),
        Some(Compression::Zstd) => Box::new(zstd::stream::read::Decoder::with_buffer(whole)?),
        None => Box::new(whole),
    }))
}

fn read_up_to(reader: &mut impl Read, mut buffer: &mut [u8]) -> io::Result<usize> {
    let wanted = buffer.len();
    while !buffer.is_empty() {
        match reader.read(buffer) {
            Ok(0) => break,
            Ok(read) => buffer = &mut buffer[read..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(wanted - buffer.len())
}

struct Counted<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
