//! The rows of a slice, grouped by person.

use std::ops::Range;

use crate::analytics::Row;

/// The rows of a slice, file by file, and the positions of each person's rows.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(super) rows: Vec<Row>,
    runs: Vec<Run>,
}

/// The rows of a person in a file, in time order.
#[derive(Clone, Copy)]
struct Run {
    key: u64,
    begin: u32,
    end: u32,
}

impl Run {
    fn rows(&self) -> Range<usize> {
        self.begin as usize..self.end as usize
    }
}

impl Loaded {
    /// Clears the slice and reserves room for about `rows` rows. Growing step by step would temporarily take twice the
    /// memory.
    pub(super) fn clear(&mut self, rows: usize) {
        self.rows.clear();
        self.runs.clear();
        self.rows.reserve(rows);
    }

    /// Ends a run: the rows from `begin` on belong to the person with this key. Does nothing if there are none.
    pub(super) fn end_run(&mut self, key: u64, begin: usize) {
        if begin < self.rows.len() {
            self.runs.push(Run { key, begin: begin as u32, end: self.rows.len() as u32 });
        }
    }

    /// Returns the number of rows, for [`cut_back`](Self::cut_back).
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Removes the rows from `len` on, which must be whole runs.
    pub(super) fn cut_back(&mut self, len: usize) {
        self.rows.truncate(len);
        self.runs.retain(|run| run.end as usize <= len);
    }

    /// Calls `each` for every person, with the person's rows in time order.
    pub(crate) fn for_each_person(&mut self, mut each: impl FnMut(&[Row])) {
        self.runs.sort_unstable_by_key(|run| (run.key, run.begin));
        let mut joined = Vec::new();
        for runs in self.runs.chunk_by(|left, right| left.key == right.key) {
            if let [run] = runs {
                each(&self.rows[run.rows()]);
                continue;
            }
            joined.clear();
            runs.iter().for_each(|run| joined.extend_from_slice(&self.rows[run.rows()]));
            // The days of files may overlap.
            if !joined.is_sorted_by_key(|row: &Row| row.occurred_at) {
                joined.sort_by_key(|row| row.occurred_at);
            }
            each(&joined);
        }
    }
}
