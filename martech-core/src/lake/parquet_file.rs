//! Parquet through the lake's own file access: written whole and durable, read by pages.

use std::{
    io::{BufReader, BufWriter, Write},
    path::Path,
    sync::Arc,
};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::{
    arrow::{
        ArrowWriter, ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
        },
        arrow_writer::ArrowWriterOptions,
    },
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
    writer: ArrowWriter<BufWriter<Appender>>,
    file: Arc<dyn File>,
}

impl Output {
    pub(super) fn create(
        fs: &dyn FileSystem,
        path: &Path,
        schema: &SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self> {
        let file = fs.create(path).context("cannot make", path)?;
        let buffer = BufWriter::with_capacity(WRITE_BUFFER, Appender(file.clone()));
        // Without Arrow's own copy of the schema a reader may choose between text and dictionaries.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer =
            ArrowWriter::try_new_with_options(buffer, schema.clone(), options).context("cannot write", path)?;
        Ok(Self { writer, file })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> ParquetResult<()> {
        self.writer.write(batch)
    }

    /// Completes the file and makes it durable; gives what is in it and its length.
    pub(super) fn finish(mut self) -> ParquetResult<(ParquetMetaData, u64)> {
        let metadata = self.writer.finish()?;
        self.writer.inner_mut().flush()?;
        self.file.sync()?;
        Ok((metadata, self.file.len()?))
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

    /// The footer with the page index.
    pub(super) fn metadata(&self) -> ParquetResult<ParquetMetaData> {
        ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional).parse_and_finish(self)
    }

    pub(super) fn builder(
        &self,
        metadata: &Arc<ParquetMetaData>,
        schema: &SchemaRef,
    ) -> ParquetResult<ParquetRecordBatchReaderBuilder<Self>> {
        let options = ArrowReaderOptions::new().with_schema(schema.clone());
        let metadata = ArrowReaderMetadata::try_new(metadata.clone(), options)?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(self.clone(), metadata))
    }

    /// Reads some columns of the selected rows, in batches.
    pub(super) fn read(
        &self,
        metadata: &Arc<ParquetMetaData>,
        schema: &SchemaRef,
        columns: &[usize],
        rows: Option<RowSelection>,
        batch_rows: usize,
    ) -> ParquetResult<ParquetRecordBatchReader> {
        let mut builder = self.builder(metadata, schema)?.with_batch_size(batch_rows);
        let mask = ProjectionMask::leaves(builder.parquet_schema(), columns.iter().copied());
        if let Some(rows) = rows {
            builder = builder.with_row_selection(rows);
        }
        builder.with_projection(mask).build()
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
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}
