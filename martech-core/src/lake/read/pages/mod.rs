//! Reads the columns that figures are computed from, straight from the pages of an event file into numbers.
//!
//! Arrow would build a text for every user and every session, row by row. Consecutive rows mostly have the same user
//! and the same session, and the encoding states this in two small numbers: the length of the prefix shared with the
//! previous text, and a suffix of length zero. This reader knows only the encodings that the lake
//! [writes](crate::lake::files::schema::writing) for these columns. A file with other encodings is damaged.
//!
//! Formats: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>

mod bits;
mod column;
mod delta;
mod texts;

#[cfg(test)]
mod tests;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use parquet::{
    basic::Encoding,
    column::page::{Page, PageReader},
    errors::{ParquetError, Result},
    file::{page_index::offset_index::PageLocation, serialized_reader::SerializedPageReader},
};

pub(crate) use self::column::{Decoder, Dictionary, plain_number, plain_text};
use crate::lake::files::{
    ids::MAX_ROWS,
    parquet_file::{Footer, Input, guarded},
};

/// The pages of one column.
#[derive(Clone, Copy)]
pub(crate) struct Pages<'a> {
    input: &'a Arc<Input>,
    footer: &'a Footer,
    column: usize,
}

/// A page of values.
struct ValuePage {
    /// The rows of the page, counted from the start of the file.
    rows: Range<usize>,
    encoding: Encoding,
    /// For nullable columns: whether each row has a value, in the hybrid encoding with one bit per row.
    levels: Bytes,
    /// The values of the rows that have one.
    values: Bytes,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(input: &'a Arc<Input>, footer: &'a Footer, column: usize) -> Self {
        Self { input, footer, column }
    }

    fn locations(&self) -> Result<&'a [PageLocation]> {
        let index = self.footer.metadata.page_index().and_then(|index| index.offset_index(0, self.column));
        index.map(|index| index.page_locations().as_slice()).ok_or_else(|| malformed("no page index"))
    }

    fn reader(&self, locations: &[PageLocation]) -> Result<SerializedPageReader<Input>> {
        let chunk = self.footer.metadata.row_group(0).column(self.column);
        SerializedPageReader::new(self.input.clone(), chunk, self.rows(), Some(locations.to_vec()))
    }

    fn rows(&self) -> usize {
        self.footer.metadata.file_metadata().num_rows() as usize
    }

    fn may_be_null(&self) -> bool {
        self.footer.metadata.row_group(0).column(self.column).column_descr().max_def_level() > 0
    }

    /// Returns the bytes of the dictionary and the number of its values. Returns `None` if there is no dictionary.
    fn dictionary(&self) -> Result<Option<(Bytes, usize)>> {
        let first = self.locations()?.get(..1).unwrap_or_default();
        match guarded(|| self.reader(first)?.get_next_page())? {
            Some(Page::DictionaryPage { buf, num_values, .. }) => Ok(Some((buf, num_values as usize))),
            _ => Ok(None),
        }
    }

    /// Calls `each` with the pages that hold some of `rows`, in order.
    fn read(&self, rows: &Range<usize>, mut each: impl FnMut(ValuePage) -> Result<()>) -> Result<()> {
        let locations = self.locations()?;
        let first_row = |page: &PageLocation| page.first_row_index as usize;
        let begin = locations.partition_point(|page| first_row(page) <= rows.start).saturating_sub(1);
        let end = locations.partition_point(|page| first_row(page) < rows.end);
        let Some(wanted) = locations.get(begin..end).filter(|wanted| !wanted.is_empty()) else { return Ok(()) };
        let mut reader = guarded(|| {
            let mut reader = self.reader(wanted)?;
            if reader.peek_next_page()?.is_some_and(|page| page.is_dict) {
                // The reader takes everything before the first wanted page for a dictionary, even if it is none.
                reader.skip_next_page()?;
            }
            Ok(reader)
        })?;
        for (page, location) in (begin..end).zip(wanted) {
            let behind = locations.get(page + 1).map_or(self.rows(), first_row);
            let rows = first_row(location)..behind;
            let Some(Page::DataPage { mut buf, num_values, encoding, .. }) = guarded(|| reader.get_next_page())? else {
                return Err(malformed("a page has an unknown type"));
            };
            if num_values as usize != rows.len() || !(1..=MAX_ROWS).contains(&rows.len()) {
                return Err(malformed("the number of values in a page differs from the page index"));
            }
            let levels = if self.may_be_null() { take_levels(&mut buf)? } else { Bytes::new() };
            each(ValuePage { rows, encoding, levels, values: buf })?;
        }
        Ok(())
    }
}

/// Splits off the levels, which precede the values. A length of four bytes precedes the levels.
fn take_levels(page: &mut Bytes) -> Result<Bytes> {
    let length = page.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
    let length = length.filter(|length| *length <= page.len() - 4).ok_or_else(|| malformed("a page is too short"))?;
    let mut levels = page.split_to(4 + length);
    Ok(levels.split_off(4))
}

fn malformed(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}
