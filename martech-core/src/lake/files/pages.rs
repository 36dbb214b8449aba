//! The pages of a Parquet file, decompressed with one context for each thread.
//!
//! The Parquet library creates two contexts of zstd for each column that is read. For a read of a few rows, that takes
//! longer than all else. Here the library reads the pages as if they were not compressed, and they are decompressed on
//! their way to its decoders.

use std::{cell::RefCell, io, sync::Arc};

use parquet::{
    arrow::arrow_reader::RowGroups,
    basic::Compression,
    column::page::{Page, PageIterator, PageMetadata, PageReader},
    errors::{ParquetError, Result},
    file::{
        metadata::{ParquetMetaData, RowGroupMetaData},
        reader::ChunkReader,
        serialized_reader::SerializedPageReader,
    },
};
use zstd::{bulk::Decompressor, zstd_safe};

/// The largest size of a page. A page has 4,096 rows at most, and a row has 32 KiB at most.
const MAX_BYTES: u64 = 1 << 30;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The only row group of a file.
pub(super) struct OneGroup<R> {
    pub(super) input: Arc<R>,
    pub(super) metadata: Arc<ParquetMetaData>,
}

impl<R: ChunkReader + 'static> RowGroups for OneGroup<R> {
    fn num_rows(&self) -> usize {
        self.metadata.row_group(0).num_rows() as usize
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.metadata.row_group(0).column(column);
        let is_compressed = match chunk.compression() {
            Compression::UNCOMPRESSED => false,
            Compression::ZSTD(_) => true,
            other => return Err(ParquetError::General(format!("the file has an unknown compression: {other}"))),
        };
        let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let locations = self.metadata.page_index().and_then(|index| index.offset_index(0, column));
        let locations = locations.map(|index| index.page_locations().clone());
        let pages = SerializedPageReader::new(self.input.clone(), &plain, self.num_rows(), locations)?;
        Ok(Box::new(OneColumn(Some(Box::new(Decompressed { pages, is_compressed })))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The pages of a column of the only row group.
struct OneColumn(Option<Box<dyn PageReader>>);

impl Iterator for OneColumn {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneColumn {}

/// Pages that are decompressed as they are read.
struct Decompressed<R: ChunkReader> {
    pages: SerializedPageReader<R>,
    is_compressed: bool,
}

impl<R: ChunkReader> Decompressed<R> {
    fn decompressed(&self, mut page: Option<Page>) -> Result<Option<Page>> {
        match &mut page {
            Some(Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. }) if self.is_compressed => {
                *buf = decompress_page(buf)?.into();
            }
            Some(Page::DataPageV2 { .. }) => return Err(ParquetError::General("a page has version 2".to_owned())),
            _ => {}
        }
        Ok(page)
    }
}

fn decompress_page(compressed: &[u8]) -> Result<Vec<u8>> {
    if compressed.is_empty() {
        return Ok(Vec::new());
    }
    let size = zstd_safe::get_frame_content_size(compressed).ok().flatten();
    let size = size.ok_or_else(|| ParquetError::General("a page does not say how large it is".to_owned()))?;
    Ok(decompress(compressed, size)?)
}

/// Decompresses bytes that have this length uncompressed, with the context of the thread.
pub(super) fn decompress(compressed: &[u8], size: u64) -> io::Result<Vec<u8>> {
    if size > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "compressed data says that it is too large"));
    }
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        decompressor.decompress(compressed, size as usize)
    })
}

impl<R: ChunkReader + 'static> PageReader for Decompressed<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        self.decompressed(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        let page = self.pages.take_deferred_dictionary()?;
        self.decompressed(page)
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

impl<R: ChunkReader + 'static> Iterator for Decompressed<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
