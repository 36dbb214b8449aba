//! A compact text format for lists of indexes.

use std::fmt::{self, Write};

use serde::{Serialize, Serializer};

/// Ascending indexes, serialized as text with runs: `100-2047,2050`. The text has at most seven bytes per index below
/// 100,000.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Indices {
    runs: Vec<(u32, u32)>,
}

impl Indices {
    pub(super) fn of(index: usize) -> Self {
        let index = narrow(index);
        Self { runs: vec![(index, index)] }
    }

    /// Adds an index, which must be greater than all indexes before it.
    pub(super) fn push(&mut self, index: usize) {
        let index = narrow(index);
        match self.runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(index) => *last = index,
            _ => self.runs.push((index, index)),
        }
    }
}

/// Converts an index. A body has far fewer events than `u32::MAX`.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl fmt::Display for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.runs.iter().enumerate() {
            if at > 0 {
                f.write_char(',')?;
            }
            write!(f, "{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Indices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_consecutive_indices_into_runs() {
        let mut indices = Indices::of(7);
        for index in [8, 9, 12, 99_998, 99_999] {
            indices.push(index);
        }
        assert_eq!(indices.to_string(), "7-9,12,99998-99999");
    }

    #[test]
    fn alternating_indices_take_six_bytes_each() {
        let mut indices = Indices::of(1);
        (3..100_000).step_by(2).for_each(|index| indices.push(index));
        assert!(indices.to_string().len() <= 6 * 50_000);
    }
}
