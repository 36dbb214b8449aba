//! Decodes the values of a column.

use std::ops::Range;

use parquet::{basic::Encoding, errors::Result};

use super::{Pages, ValuePage, bits, delta, malformed, texts::Texts};

/// The decoded values of a column's dictionary.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dictionary<T>(Vec<T>);

impl<T> Dictionary<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Decodes columns. Reuses its buffers from page to page.
#[derive(Default)]
pub(crate) struct Decoder {
    texts: Texts,
    /// For each wanted row of a page, whether it has a value: 0 or 1.
    levels: Vec<u32>,
    indices: Vec<u32>,
    numbers: Vec<i64>,
}

impl Decoder {
    /// Calls `each` with the text and the rows of every run of equal texts within `rows`. The column must have no nulls
    /// and the encoding DELTA_BYTE_ARRAY.
    pub(crate) fn runs(
        &mut self,
        pages: Pages<'_>,
        rows: &Range<usize>,
        mut each: impl FnMut(&[u8], Range<usize>),
    ) -> Result<()> {
        let mut current = Vec::new();
        let mut begin = rows.start;
        pages.read(rows, |page| {
            check(&page, Encoding::DELTA_BYTE_ARRAY)?;
            let mut row = page.rows.start;
            let texts = self.texts.read(&page.values, page.rows.len(), |text, same| {
                if row == rows.start || (!same && rows.contains(&row) && text != current.as_slice()) {
                    if begin < row {
                        each(&current, begin..row);
                    }
                    begin = row;
                    current.clear();
                    current.extend_from_slice(text);
                }
                row += 1;
            });
            texts.ok_or_else(|| malformed("invalid strings in a page"))
        })?;
        if begin < rows.end {
            each(&current, begin..rows.end);
        }
        Ok(())
    }

    /// Decodes each text with `make`. Rows without a text get `none`. The encoding must be DELTA_BYTE_ARRAY.
    pub(crate) fn texts<T: Copy>(
        &mut self,
        pages: Pages<'_>,
        rows: &Range<usize>,
        none: T,
        mut make: impl FnMut(&[u8]) -> T,
        made: &mut Vec<T>,
    ) -> Result<()> {
        made.clear();
        pages.read(rows, |page| {
            check(&page, Encoding::DELTA_BYTE_ARRAY)?;
            let all = self.present(&page, 0..page.rows.len())?;
            let (mut values, mut last) = (Vec::with_capacity(all.len()), none);
            let texts = self.texts.read(&page.values, all.len(), |text, same| {
                if !same {
                    last = make(text);
                }
                values.push(last);
            });
            texts.ok_or_else(|| malformed("invalid strings in a page"))?;
            let wanted = self.present(&page, within(&page, rows))?;
            self.place(&values[wanted], none, made);
            Ok(())
        })
    }

    /// Decodes numbers of a column without nulls. The encoding must be DELTA_BINARY_PACKED.
    pub(crate) fn numbers(&mut self, pages: Pages<'_>, rows: &Range<usize>, numbers: &mut Vec<i64>) -> Result<()> {
        numbers.clear();
        pages.read(rows, |page| {
            check(&page, Encoding::DELTA_BINARY_PACKED)?;
            let taken = delta::take(&mut &*page.values, page.rows.len(), &mut self.numbers);
            taken.filter(|()| self.numbers.len() == page.rows.len()).ok_or_else(too_short)?;
            numbers.extend_from_slice(&self.numbers[within(&page, rows)]);
            Ok(())
        })
    }

    /// Decodes a column with a dictionary, as far as the writer kept one. Rows without a value get `none`. `make` takes
    /// one plain value off the front of the bytes and decodes it. `dictionary` caches the decoded dictionary.
    pub(crate) fn values<T: Copy>(
        &mut self,
        pages: Pages<'_>,
        rows: &Range<usize>,
        none: T,
        make: &mut impl FnMut(&mut &[u8]) -> Option<T>,
        dictionary: &mut Option<Dictionary<T>>,
        made: &mut Vec<T>,
    ) -> Result<()> {
        made.clear();
        pages.read(rows, |page| {
            let wanted = self.present(&page, within(&page, rows))?;
            if page.encoding == Encoding::PLAIN {
                let values = plain(&page.values, wanted.end, make)?;
                self.place(&values[wanted], none, made);
                return Ok(());
            }
            check(&page, Encoding::RLE_DICTIONARY)?;
            if dictionary.is_none() {
                let (bytes, count) = pages.dictionary()?.ok_or_else(|| malformed("a dictionary is missing"))?;
                *dictionary = Some(Dictionary(plain(&bytes, count, make)?));
            }
            let dictionary = dictionary.as_ref().map_or(&[][..], |dictionary| &dictionary.0);
            let (width, packed) = page.values.split_first().ok_or_else(too_short)?;
            bits::hybrid(packed, u32::from(*width), wanted.end, &mut self.indices).ok_or_else(too_short)?;
            let value = |index: &u32| dictionary.get(*index as usize).copied();
            let values: Option<Vec<T>> = self.indices[wanted].iter().map(value).collect();
            let values = values.ok_or_else(|| malformed("a page refers to a value missing from its dictionary"))?;
            self.place(&values, none, made);
            Ok(())
        })
    }

    /// Returns which values of a page belong to the rows `within` it. Stores in `levels` whether each of these rows has
    /// a value.
    fn present(&mut self, page: &ValuePage, within: Range<usize>) -> Result<Range<usize>> {
        self.levels.clear();
        if page.levels.is_empty() {
            return Ok(within);
        }
        bits::hybrid(&page.levels, 1, within.end, &mut self.levels).ok_or_else(too_short)?;
        let before = self.levels.drain(..within.start).sum::<u32>() as usize;
        Ok(before..before + self.levels.iter().sum::<u32>() as usize)
    }

    /// Appends one value per row, according to the levels that [`present`](Self::present) stored.
    fn place<T: Copy>(&self, values: &[T], none: T, made: &mut Vec<T>) {
        if self.levels.len() <= values.len() {
            // Without levels, or with a value for each level, every row has a value.
            made.extend_from_slice(values);
            return;
        }
        let mut next = 0;
        made.extend(self.levels.iter().map(|level| {
            // The value is read before the choice, which avoids an unpredictable branch.
            let value = values.get(next).copied().unwrap_or(none);
            next += *level as usize;
            if *level == 0 { none } else { value }
        }));
    }
}

/// Returns the wanted rows of a page, counted from its first row.
fn within(page: &ValuePage, rows: &Range<usize>) -> Range<usize> {
    let begin = rows.start.max(page.rows.start) - page.rows.start;
    begin..rows.end.min(page.rows.end).saturating_sub(page.rows.start).max(begin)
}

fn check(page: &ValuePage, encoding: Encoding) -> Result<()> {
    if page.encoding == encoding { Ok(()) } else { Err(malformed("a page has an unexpected encoding")) }
}

fn too_short() -> parquet::errors::ParquetError {
    malformed("a page is too short")
}

/// Decodes the first `count` plain values.
fn plain<T>(mut bytes: &[u8], count: usize, make: &mut impl FnMut(&mut &[u8]) -> Option<T>) -> Result<Vec<T>> {
    let values: Option<Vec<T>> = (0..count).map(|_| make(&mut bytes)).collect();
    values.ok_or_else(too_short)
}

/// Takes a text off the front of plain bytes: a length of four bytes, then the text.
pub(crate) fn plain_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(text)
}

/// Takes a number of eight bytes off the front of plain bytes.
pub(crate) fn plain_number(bytes: &mut &[u8]) -> Option<i64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i64::from_le_bytes(*number))
}
