//! The encoding DELTA_BYTE_ARRAY: each text as the length of the prefix shared with the previous text, and a suffix.

use super::delta;

/// Decodes the texts of pages, one page after another.
#[derive(Default)]
pub(crate) struct Texts {
    shared: Vec<i64>,
    own: Vec<i64>,
    text: Vec<u8>,
}

impl Texts {
    /// Calls `each` with each of the `count` texts of a page, and whether it equals the previous text of this page.
    /// Returns `None` if the page does not hold such texts.
    pub(crate) fn read(&mut self, mut page: &[u8], count: usize, mut each: impl FnMut(&[u8], bool)) -> Option<()> {
        delta::take(&mut page, count, &mut self.shared)?;
        delta::take(&mut page, count, &mut self.own)?;
        if self.shared.len() != count || self.own.len() != count {
            return None;
        }
        self.text.clear();
        for (number, (shared, own)) in self.shared.iter().zip(&self.own).enumerate() {
            let (shared, own) = (usize::try_from(*shared).ok()?, usize::try_from(*own).ok()?);
            let same = number > 0 && own == 0 && shared == self.text.len();
            if !same {
                if shared > self.text.len() {
                    return None;
                }
                let (own, rest) = page.split_at_checked(own)?;
                self.text.truncate(shared);
                self.text.extend_from_slice(own);
                page = rest;
            }
            each(&self.text, same);
        }
        Some(())
    }
}
