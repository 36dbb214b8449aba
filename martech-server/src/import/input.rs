//! Opens the content to import, decompresses it, and converts it to UTF-8.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use encoding_rs::Encoding;
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::bufread::MultiGzDecoder;

use super::{
    options::ImportOptions,
    terms::{Flag, Terms},
};

/// The source of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    /// A file, and the name of its content for messages.
    File(PathBuf, String),
}

impl Source {
    pub(crate) fn new(path: &Path) -> Self {
        if path.as_os_str() == "-" {
            return Self::Stdin;
        }
        Self::File(path.to_owned(), path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
    }

    /// Returns whether both are the same file.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one, _), Self::File(other, _)) => one == other || same_file(one, other),
            _ => self == other,
        }
    }

    /// Returns the name for messages and for the names of related files.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(_, name) => name.clone(),
        }
    }
}

pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// How far a file has been read. A clone is a handle to the same file.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    bytes: Arc<AtomicU64>,
    is_stopped: Arc<AtomicBool>,
    /// Maximum size of a compressed file after decompression, in bytes.
    max_plain: u64,
}

impl Default for Reading {
    fn default() -> Self {
        Self::bounded(u64::MAX)
    }
}

impl Reading {
    /// Returns the reading of a file that may have so many bytes after decompression, if it is compressed.
    pub(crate) fn bounded(max_plain: u64) -> Self {
        Self { bytes: Arc::default(), is_stopped: Arc::default(), max_plain }
    }

    /// Returns the bytes read from the file so far, before decompression.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns whether reads fail.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Makes every further read of the file fail.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Returns a handle that stops together with this one, and has a count of its own.
    fn uncounted(&self) -> Self {
        Self { bytes: Arc::default(), ..self.clone() }
    }
}

/// Decompressed content as UTF-8.
pub(crate) struct Input {
    stream: Box<dyn Read + Send>,
    size: Option<u64>,
}

impl Input {
    /// Opens a source. The first bytes determine the compression, regardless of the file name. A byte order mark
    /// identifies UTF-16. A compressed file is read to its end first, because nothing of a damaged file may be imported.
    pub(crate) fn open(source: &Source, options: &ImportOptions, reading: &Reading) -> io::Result<Self> {
        let most = reading.max_plain;
        if check_compression(source, reading, most.saturating_add(1))? > most {
            let message = format!("the file has more than {most} bytes after decompression; nothing was imported");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        Self::open_up_to(source, options, reading, u64::MAX)
    }

    /// Opens the beginning of a source. The rest may be damaged.
    pub(crate) fn open_begin(source: &Source, options: &ImportOptions, reading: &Reading) -> io::Result<Self> {
        Self::open_up_to(source, options, reading, BEGIN)
    }

    fn open_up_to(source: &Source, options: &ImportOptions, reading: &Reading, most: u64) -> io::Result<Self> {
        match source {
            Source::Stdin => Self::of(io::stdin(), options, reading, most),
            Source::File(path, _) => {
                let file = File::open(path)?;
                let metadata = file.metadata()?;
                if metadata.is_dir() {
                    return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder, not a file"));
                }
                let size = metadata.is_file().then_some(metadata.len());
                Ok(Self { size, ..Self::of(file, options, reading, most)? })
            }
        }
    }

    /// Wraps the first `most` plain bytes of any reader.
    pub(crate) fn of(
        reader: impl Read + Send + 'static,
        options: &ImportOptions,
        reading: &Reading,
        most: u64,
    ) -> io::Result<Self> {
        let content = decompressed(Watched { inner: reader, reading: reading.clone() })?;
        let content = if most == u64::MAX { content } else { Box::new(content.take(most)) };
        let encoding = options.encoding.filter(|encoding| *encoding != encoding_rs::UTF_8);
        Ok(Self { stream: decoded(content, encoding, options.terms)?, size: None })
    }

    /// Returns the length of the file in bytes, if it is a regular file.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
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

const BUFFER: usize = 128 * 1024;
/// The plain bytes that the first records of a file may have, with blank lines and lines that are too long.
const BEGIN: u64 = 16 << 20;

/// Reads a compressed file to its end, where its checksum is, or up to so many plain bytes. Returns their number. Other
/// sources pass.
pub(super) fn check_compression(source: &Source, reading: &Reading, most: u64) -> io::Result<u64> {
    let path = match source {
        Source::File(path, _) if path.is_file() => path,
        _ => return Ok(0),
    };
    let mut file = File::open(path)?;
    let mut magic = [0; 4];
    let read = read_up_to(&mut file, &mut magic)?;
    if Compression::detect(&magic[..read]).is_none() {
        return Ok(0);
    }
    let damaged =
        |error: io::Error| io::Error::new(error.kind(), format!("the file is damaged; nothing was imported: {error}"));
    io::copy(&mut plain(path, reading)?.take(most), &mut io::sink()).map_err(damaged)
}

/// Returns the decompressed bytes of a file. They do not count as read.
pub(super) fn plain(path: &Path, reading: &Reading) -> io::Result<Box<dyn Read + Send>> {
    decompressed(Watched { inner: File::open(path)?, reading: reading.uncounted() })
}

fn decompressed(mut reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = vec![0; 4];
    let read = read_up_to(&mut reader, &mut magic)?;
    magic.truncate(read);
    let compression = Compression::detect(&magic);
    let whole = BufReader::with_capacity(BUFFER, io::Cursor::new(magic).chain(reader));
    Ok(match compression {
        // Both decoders continue with the members (frames) after the first.
        Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(whole)),
        Some(Compression::Zstd) => Box::new(zstd::stream::read::Decoder::with_buffer(whole)?),
        None => Box::new(whole),
    })
}

/// Converts content to UTF-8. UTF-8 content passes through unchanged, including invalid bytes. Invalid bytes of another
/// encoding become U+FFFD.
pub(super) fn decoded(
    mut content: Box<dyn Read + Send>,
    encoding: Option<&'static Encoding>,
    terms: Terms,
) -> io::Result<Box<dyn Read + Send>> {
    let mut begin = vec![0; 4];
    let read = read_up_to(&mut content, &mut begin)?;
    begin.truncate(read);
    if encoding.is_none() {
        foreign(&begin, terms)?;
    }
    let content = io::Cursor::new(begin).chain(content);
    let mut decoder = DecodeReaderBytesBuilder::new();
    decoder.encoding(encoding).bom_override(true).utf8_passthru(true).strip_bom(true);
    Ok(Box::new(decoder.build_with_buffer(content, vec![0; BUFFER]).map_err(io::Error::other)?))
}

/// Returns an error if the first bytes are of a known format that the import does not read.
fn foreign(begin: &[u8], terms: Terms) -> io::Result<()> {
    let encoding = terms.name(Flag::Encoding);
    let message = match *begin {
        [first, 0, second, 0] if first != 0 && second != 0 => {
            format!("the input is UTF-16 (little-endian) without a byte order mark; use {encoding} utf-16le")
        }
        [0, first, 0, second] if first != 0 && second != 0 => {
            format!("the input is UTF-16 (big-endian) without a byte order mark; use {encoding} utf-16be")
        }
        [b'P', b'K', 3, 4] => "the input is a ZIP archive or a spreadsheet workbook; save the sheet as CSV".to_owned(),
        [b'P', b'A', b'R', b'1'] => {
            "the input is a Parquet file; convert it to CSV, for example with DuckDB".to_owned()
        }
        _ => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
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

/// Counts the bytes that are read, and fails once the reading is stopped.
struct Watched<R> {
    inner: R,
    reading: Reading,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.reading.is_stopped() {
            return Err(io::Error::other("the import was cancelled"));
        }
        let read = self.inner.read(buffer)?;
        self.reading.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
