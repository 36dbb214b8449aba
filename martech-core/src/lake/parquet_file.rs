//! Parquet through the lake's own file access: written whole and durable, read by pages.

use std::{
    io::{BufReader, BufWriter, Write},
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::{
    arrow::{
        ArrowWriter, ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
            RowSelection,
        },
        arrow_writer::ArrowWriterOptions,
    },
    bloom_filter::Sbbf,
    errors::Result as ParquetResult,
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        properties::WriterProperties,
        reader::{ChunkReader, Length},
    },
};

use super::error::{Context, Result};
use crate::fs::{Appender, Cursor, File, FileSystem};

const WRITE_BUFFER: usize = 256 << 10;
const READ_BUFFER: usize = 32 << 10;

/// A Parquet file that is being written.
pub(super) struct Output {
    writer: ArrowWriter<BufWriter<Checksummed>>,
    file: Arc<dyn File>,
}

/// A Parquet file that was written and made durable.
pub(super) struct Written {
    pub(super) metadata: ParquetMetaData,
    pub(super) bytes: u64,
    /// CRC32C of the whole file.
    pub(super) checksum: u32,
}

/// Appends, and keeps the checksum of all that was appended.
struct Checksummed {
    appender: Appender,
    checksum: u32,
}

impl Write for Checksummed {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.appender.write(buffer)?;
        self.checksum = crc32c::crc32c_append(self.checksum, &buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.appender.flush()
    }
}

impl Output {
    pub(super) fn create(
        fs: &dyn FileSystem,
        path: &Path,
        schema: &SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self> {
        let file = fs.create(path).context("cannot make", path)?;
        let buffer =
            BufWriter::with_capacity(WRITE_BUFFER, Checksummed { appender: Appender(file.clone()), checksum: 0 });
        // Without Arrow's own copy of the schema a reader may choose between text and dictionaries.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer =
            ArrowWriter::try_new_with_options(buffer, schema.clone(), options).context("cannot write", path)?;
        Ok(Self { writer, file })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> ParquetResult<()> {
        self.writer.write(batch)
    }

    /// Completes the file and makes it durable.
    pub(super) fn finish(mut self) -> ParquetResult<Written> {
        let metadata = self.writer.finish()?;
        self.writer.inner_mut().flush()?;
        self.file.sync()?;
        let checksum = self.writer.inner().get_ref().checksum;
        Ok(Written { metadata, bytes: self.file.len()?, checksum })
    }
}

/// An open Parquet file.
#[derive(Debug, Clone)]
pub(super) struct Input {
    file: Arc<dyn File>,
    len: u64,
}

impl Input {
    pub(super) fn open(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let file = fs.open(path).context("cannot open", path)?;
        let len = file.len().context("cannot read", path)?;
        Ok(Self { file, len })
    }

    /// CRC32C of the whole file.
    pub(super) fn checksum(&self) -> std::io::Result<u32> {
        let mut buffer = vec![0; WRITE_BUFFER];
        let (mut checksum, mut offset) = (0, 0);
        while offset < self.len {
            let length = (self.len - offset).min(WRITE_BUFFER as u64) as usize;
            self.file.read_exact_at(&mut buffer[..length], offset)?;
            checksum = crc32c::crc32c_append(checksum, &buffer[..length]);
            offset += length as u64;
        }
        Ok(checksum)
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Some of its bytes.
    pub(super) fn bytes(&self, start: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }

    /// The footer with the page index.
    pub(super) fn footer(&self) -> ParquetResult<Footer> {
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = Arc::new(reader.parse_and_finish(self)?);
        Ok(Footer { metadata, views: Mutex::new(Vec::new()), filter: OnceLock::new() })
    }

    /// Reads some columns of the selected rows, in batches.
    pub(super) fn read(
        &self,
        footer: &Footer,
        schema: &SchemaRef,
        columns: &[usize],
        rows: Option<RowSelection>,
        batch_rows: usize,
    ) -> ParquetResult<ParquetRecordBatchReader> {
        let view = footer.view(schema)?;
        let mask = ProjectionMask::leaves(view.parquet_schema(), columns.iter().copied());
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.clone(), view);
        if let Some(rows) = rows {
            builder = builder.with_row_selection(rows);
        }
        builder.with_batch_size(batch_rows).with_projection(mask).build()
    }
}

/// What is in a file, and where.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) metadata: Arc<ParquetMetaData>,
    /// How it is read, by schema: there are one or two for a file.
    views: Mutex<Vec<(SchemaRef, ArrowReaderMetadata)>>,
    /// The Bloom filter of a column, once it was asked for.
    filter: OnceLock<Option<Sbbf>>,
}

impl Footer {
    /// Whether a column may hold a value, by its Bloom filter. It is one and the same column for all calls.
    pub(super) fn may_hold(&self, input: &Input, column: usize, value: &str) -> ParquetResult<bool> {
        if self.filter.get().is_none() {
            let filter = Sbbf::read_from_column_chunk(self.metadata.row_group(0).column(column), input)?;
            // Two may read it at once, and find the same.
            let _ = self.filter.set(filter);
        }
        Ok(self.filter.get().and_then(Option::as_ref).is_none_or(|filter| filter.check(value)))
    }

    /// What it takes of memory, the filter included.
    pub(super) fn size(&self) -> u64 {
        let columns = self.metadata.row_groups().iter().flat_map(|group| group.columns());
        let filters = columns.filter_map(|column| column.bloom_filter_length()).sum::<i32>();
        self.metadata.memory_size() as u64 + filters as u64
    }

    fn view(&self, schema: &SchemaRef) -> ParquetResult<ArrowReaderMetadata> {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, view)) = views.iter().find(|(known, _)| Arc::ptr_eq(known, schema)) {
            return Ok(view.clone());
        }
        let options = ArrowReaderOptions::new().with_schema(schema.clone());
        let view = ArrowReaderMetadata::try_new(self.metadata.clone(), options)?;
        views.push((schema.clone(), view.clone()));
        Ok(view)
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Input {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(READ_BUFFER, Cursor::new(self.file.clone(), start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        Ok(self.bytes(start, length)?.into())
    }
}
