//! Parquet over the lake's own file access: files are written whole and durable, read by pages, and checked.
//!
//! The metadata of a file holds the checksums of the blocks of its data, under [`SUMS`]. The catalog holds the length
//! and checksum of the tail after the data, which holds the metadata. Together they cover every byte that is read.
//!
//! The Parquet library panics on some kinds of damage. All reads are [`guarded`], which turns such a panic into an
//! error.

use std::{
    io::{self, BufReader, BufWriter, Read, Write},
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{Arc, OnceLock},
};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::{Buf, Bytes};
use parquet::{
    arrow::{
        ArrowWriter, ProjectionMask,
        arrow_reader::{ParquetRecordBatchReader, RowSelection},
        arrow_writer::ArrowWriterOptions,
        parquet_to_arrow_field_levels,
    },
    bloom_filter::Sbbf,
    errors::{ParquetError, Result as ParquetResult},
    file::{
        metadata::{KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        properties::WriterProperties,
        reader::{ChunkReader, Length},
    },
};

use serde::{Deserialize, Serialize};

use super::{
    checksums::{Near, Summing, Sums},
    ids::IdRange,
    pages::OneGroup,
    schema::column,
};
use crate::{
    fs::{Cursor, File, FileSystem},
    lake::error::{Context, Result},
};

/// The metadata key of a file's checksums, in base64.
const SUMS: &str = "martech:crc32c:8192";
const WRITE_BUFFER: usize = 256 << 10;
const READ_BUFFER: usize = 32 << 10;
const CHECKED_AT_ONCE: usize = 1 << 20;

/// A Parquet file that is being written.
pub(crate) struct Output {
    writer: ArrowWriter<Summing<BufWriter<Cursor>>>,
    file: Arc<dyn File>,
}

impl Output {
    pub(crate) fn create(
        fs: &dyn FileSystem,
        path: &Path,
        schema: &SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self> {
        let file = fs.create(path).context("cannot create", path)?;
        let buffer = Summing::new(BufWriter::with_capacity(WRITE_BUFFER, Cursor::new(file.clone(), 0)));
        // With Arrow's own copy of the schema in the file, a reader could not choose between text and dictionaries.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer =
            ArrowWriter::try_new_with_options(buffer, schema.clone(), options).context("cannot write", path)?;
        Ok(Self { writer, file })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> ParquetResult<()> {
        self.writer.write(batch)
    }

    /// Completes the file and makes it durable. Returns its metadata, its tail and its length in bytes.
    pub(crate) fn finish(mut self) -> ParquetResult<(ParquetMetaData, Tail, u64)> {
        self.writer.flush()?;
        self.writer.sync()?;
        let sums = BASE64_STANDARD.encode(self.writer.inner_mut().finish().encode());
        self.writer.append_key_value_metadata(KeyValue::new(SUMS.to_owned(), sums));
        let metadata = self.writer.finish()?;
        self.writer.inner_mut().flush()?;
        let (bytes, checksum) = self.writer.inner().since();
        self.file.sync()?;
        Ok((metadata, Tail { bytes, checksum }, self.file.len()?))
    }
}

/// The end of a Parquet file, which holds its metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tail {
    pub(super) bytes: u64,
    /// The CRC32C of the tail.
    pub(super) checksum: u32,
}

/// An open Parquet file.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    file: Arc<dyn File>,
    len: u64,
    sums: Arc<Sums>,
}

impl Input {
    pub(crate) fn open(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let file = fs.open(path).context("cannot open", path)?;
        let len = file.len().context("cannot read", path)?;
        Ok(Self { file, len, sums: Arc::default() })
    }

    /// Returns the number of rows that the file itself states, and its tail. Neither is proven here.
    ///
    /// The tail begins with the page indexes, which directly follow the data.
    pub(crate) fn stated(&self) -> ParquetResult<(u64, Tail)> {
        let metadata = guarded(|| ParquetMetaDataReader::new().parse_and_finish(self))?;
        let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
        let indexes = columns.flat_map(|column| [column.column_index_offset(), column.offset_index_offset()]);
        let start = indexes.flatten().min().and_then(|start| u64::try_from(start).ok());
        let wrong = |what: &str| ParquetError::General(format!("the footer is damaged: {what}"));
        let bytes = start.and_then(|start| self.len.checked_sub(start)).ok_or_else(|| wrong("no page index"))?;
        let rows = metadata.file_metadata().num_rows();
        let rows = u64::try_from(rows).map_err(|_| wrong("invalid row count"))?;
        let checksum = crc32c::crc32c(&self.bytes(self.len - bytes, bytes as usize)?);
        Ok((rows, Tail { bytes, checksum }))
    }

    /// Returns a reader for small reads in ascending order.
    pub(crate) fn near(&self) -> Near<'_> {
        Near::new(&self.sums, &*self.file)
    }

    /// Reads and checks all bytes that the checksums cover.
    pub(crate) fn check_all(&self) -> io::Result<()> {
        let end = self.sums.covered();
        (0..end).step_by(CHECKED_AT_ONCE).try_for_each(|start| {
            let length = (end - start).min(CHECKED_AT_ONCE as u64);
            self.bytes(start, length as usize).map(drop)
        })
    }

    /// Reads the footer with the page index. Fails unless the file has this tail and this number of rows.
    pub(crate) fn footer(&self, rows: u64, tail: Tail) -> ParquetResult<Footer> {
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let tail_bytes = self.tail(tail)?;
        let metadata = guarded(|| reader.parse_and_finish(&tail_bytes))?;
        check(&metadata, rows)?;
        let sums = sums_in(&metadata, self.len - tail.bytes);
        let sums = sums.ok_or_else(|| ParquetError::General("no checksums".to_owned()))?;
        let (metadata, sums) = (Arc::new(metadata), Arc::new(sums));
        Ok(Footer { metadata, sums, filter: OnceLock::new() })
    }

    /// Returns the same file with checks of all reads against the checksums in the footer.
    pub(crate) fn checked(self, footer: &Footer) -> Self {
        Self { sums: footer.sums.clone(), ..self }
    }

    /// Reads a range of the file.
    pub(crate) fn bytes(&self, start: u64, length: usize) -> io::Result<Bytes> {
        // Damaged metadata may ask for more bytes than fit into memory.
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            let message = format!("{length} bytes at offset {start} are beyond the end of the file");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        self.sums.read(&*self.file, start, length)
    }

    fn tail(&self, tail: Tail) -> ParquetResult<TailBytes> {
        let damaged = || ParquetError::General("metadata checksum mismatch".to_owned());
        let start = self.len.checked_sub(tail.bytes).ok_or_else(damaged)?;
        let bytes = self.bytes(start, tail.bytes as usize)?;
        if crc32c::crc32c(&bytes) == tail.checksum { Ok(TailBytes { start, bytes }) } else { Err(damaged()) }
    }

    /// Reads columns of the selected rows, in batches.
    pub(crate) fn read(
        &self,
        footer: &Footer,
        schema: &SchemaRef,
        columns: &[usize],
        rows: Option<RowSelection>,
        batch_rows: usize,
    ) -> ParquetResult<Batches> {
        guarded(|| {
            let found = footer.metadata.file_metadata().schema_descr();
            let mask = ProjectionMask::leaves(found, columns.iter().copied());
            let levels = parquet_to_arrow_field_levels(found, mask, Some(schema.fields()))?;
            let group = OneGroup { input: Arc::new(self.clone()), metadata: footer.metadata.clone() };
            let reader = ParquetRecordBatchReader::try_new_with_row_groups(&levels, &group, batch_rows, rows)?;
            Ok(Batches(Some(reader)))
        })
    }
}

/// The rows of a file, in batches. Ends after an error.
pub(crate) struct Batches(Option<ParquetRecordBatchReader>);

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.0.as_mut()?;
        let batch = guarded(|| Ok(reader.next().transpose()?)).map_err(ArrowError::from).transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.0 = None;
        }
        batch
    }
}

/// Runs a read, and turns a panic of the library into an error.
pub(crate) fn guarded<T>(read: impl FnOnce() -> ParquetResult<T>) -> ParquetResult<T> {
    panic::catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ParquetError::General("the file is damaged: reading it panicked".to_owned())))
}

/// Checks that a footer has the shape of the lake's own files, which later code relies on.
fn check(metadata: &ParquetMetaData, rows: u64) -> ParquetResult<()> {
    let wrong = |what: &str| Err(ParquetError::General(format!("the footer is damaged: {what}")));
    let [group] = metadata.row_groups() else { return wrong("expected one row group") };
    if [metadata.file_metadata().num_rows(), group.num_rows()].iter().any(|found| u64::try_from(*found) != Ok(rows)) {
        return wrong("the row count differs from the catalog");
    }
    for column in 0..group.num_columns() {
        let Some(offsets) = metadata.page_index().and_then(|index| index.offset_index(0, column)) else { continue };
        let firsts: Vec<i64> = offsets.page_locations().iter().map(|page| page.first_row_index).collect();
        let ends = [firsts.first(), firsts.last()];
        let [Some(0), Some(last)] = ends else { return wrong("the pages of a column do not begin with the first row") };
        if *last >= rows as i64 || !firsts.is_sorted_by(|left, right| left < right) {
            return wrong("the pages of a column are not consecutive");
        }
    }
    Ok(())
}

/// The metadata of a file.
#[derive(Debug)]
pub(crate) struct Footer {
    pub(crate) metadata: Arc<ParquetMetaData>,
    /// The checksums of the bytes before the metadata.
    sums: Arc<Sums>,
    /// The Bloom filter of a column, once it was asked for.
    filter: OnceLock<Option<Sbbf>>,
}

impl Footer {
    /// Returns whether a column may hold a value, according to its Bloom filter. All calls must ask for the same
    /// column.
    pub(crate) fn may_hold(&self, input: &Input, column: usize, value: &str) -> ParquetResult<bool> {
        if self.filter.get().is_none() {
            let chunk = self.metadata.row_group(0).column(column);
            let filter = guarded(|| Sbbf::read_from_column_chunk(chunk, input))?;
            // Two threads may read the filter at once. Both read the same one.
            let _ = self.filter.set(filter);
        }
        Ok(self.may_hold_in_memory(value).unwrap_or(true))
    }

    /// Returns [`may_hold`](Self::may_hold), or `None` if that would read the file.
    pub(crate) fn may_hold_in_memory(&self, value: &str) -> Option<bool> {
        self.filter.get().map(|filter| filter.as_ref().is_none_or(|filter| filter.check(value)))
    }

    /// Returns the range of the event ids, if the file states it exactly.
    pub(crate) fn id_range(&self) -> Option<IdRange> {
        let [group] = self.metadata.row_groups() else { return None };
        let statistics = group.column(column::EVENT_ID).statistics()?;
        if !(statistics.min_is_exact() && statistics.max_is_exact()) {
            return None;
        }
        Some(statistics.min_bytes_opt()?.try_into().ok()?..=statistics.max_bytes_opt()?.try_into().ok()?)
    }

    /// Returns the memory in use, in bytes, including the filter.
    pub(crate) fn size(&self) -> u64 {
        let columns = self.metadata.row_groups().iter().flat_map(|group| group.columns());
        let filters = columns.filter_map(|column| u64::try_from(column.bloom_filter_length()?).ok());
        (self.metadata.memory_size() + self.sums.size()) as u64 + filters.sum::<u64>()
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Input {
    type T = BufReader<Reading>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(READ_BUFFER, Reading { input: self.clone(), offset: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        Ok(self.bytes(start, length)?)
    }
}

/// Reads a file from an offset on.
#[derive(Debug)]
pub(crate) struct Reading {
    input: Input,
    offset: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.input.len.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let bytes = self.input.bytes(self.offset, buffer.len().min(left))?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }
}

/// The checked end of a file, read as if it were the whole file.
#[derive(Debug)]
struct TailBytes {
    start: u64,
    bytes: Bytes,
}

impl TailBytes {
    fn from(&self, start: u64) -> ParquetResult<Bytes> {
        let offset = start.checked_sub(self.start).and_then(|offset| usize::try_from(offset).ok());
        let offset = offset.filter(|offset| *offset <= self.bytes.len());
        Ok(self.bytes.slice(offset.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?..))
    }
}

impl Length for TailBytes {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for TailBytes {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let bytes = self.from(start)?;
        if length > bytes.len() {
            Err(io::Error::from(io::ErrorKind::UnexpectedEof))?
        } else {
            Ok(bytes.slice(..length))
        }
    }
}

/// Returns the checksums in a file's metadata, for the first `len` bytes of the file.
fn sums_in(metadata: &ParquetMetaData, len: u64) -> Option<Sums> {
    let values = metadata.file_metadata().key_value_metadata()?;
    let encoded = values.iter().find(|value| value.key == SUMS)?.value.as_ref()?;
    Sums::decode(&BASE64_STANDARD.decode(encoded).ok()?, len)
}
