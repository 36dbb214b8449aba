//! DELTA_BYTE_ARRAY: texts as what they share with the one before, and what is their own.

use super::delta;

/// Reads the texts of pages, one behind the other.
#[derive(Default)]
pub(super) struct Texts {
    shared: Vec<i64>,
    own: Vec<i64>,
    text: Vec<u8>,
}

impl Texts {
    /// Calls `each` with `count` texts of a page, and whether it is the same as the one before on this page. `None` when
    /// the page holds no such texts.
    pub(super) fn read(&mut self, mut page: &[u8], count: usize, mut each: impl FnMut(&[u8], bool)) -> Option<()> {
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
