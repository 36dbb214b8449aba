//! The rows of a slice, grouped by user.

use std::ops::Range;

use crate::{
    analytics::Row,
    lake::{
        error::Result,
        rows::row::{compare_users, user_head},
    },
};

/// The rows of a slice, file by file, and the positions of each user's rows.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) rows: Vec<Row>,
    runs: Vec<Run>,
    users: Vec<u8>,
}

/// The rows of one user in one file, in time order.
struct Run {
    /// The head of the user id. Most comparisons end with it.
    head: u128,
    user: Range<u32>,
    rows: Range<u32>,
}

impl Loaded {
    /// Clears the slice and reserves room for about `rows` rows. Growing step by step would temporarily take twice the
    /// memory.
    pub(crate) fn clear(&mut self, rows: usize) {
        self.rows.clear();
        self.runs.clear();
        self.users.clear();
        self.rows.reserve(rows);
    }

    /// Ends a run: the rows from `begin` on belong to one user. Does nothing if there are none.
    pub(crate) fn end_run(&mut self, user_id: &[u8], begin: usize) {
        if begin == self.rows.len() {
            return;
        }
        let start = self.users.len() as u32;
        self.users.extend_from_slice(user_id);
        self.runs.push(Run {
            head: user_head(user_id),
            user: start..self.users.len() as u32,
            rows: begin as u32..self.rows.len() as u32,
        });
    }

    /// Calls `each` for every user, ascending, with the user's rows in time order.
    pub(crate) fn for_each_user(&mut self, mut each: impl FnMut(&[u8], &[Row]) -> Result<()>) -> Result<()> {
        let users = &self.users;
        let user = |run: &Run| &users[run.user.start as usize..run.user.end as usize];
        let compare = |left: &Run, right: &Run| compare_users((left.head, user(left)), (right.head, user(right)));
        // The sort is stable, so the runs of a user stay in the order of the files. The days of files may overlap.
        self.runs.sort_by(compare);
        let rows_of = |run: &Run| &self.rows[run.rows.start as usize..run.rows.end as usize];
        let mut joined = Vec::new();
        for runs in self.runs.chunk_by(|left, right| compare(left, right).is_eq()) {
            if let [run] = runs {
                each(user(run), rows_of(run))?;
                continue;
            }
            joined.clear();
            runs.iter().for_each(|run| joined.extend_from_slice(rows_of(run)));
            if !joined.is_sorted_by_key(|row: &Row| row.occurred_at) {
                joined.sort_by_key(|row| row.occurred_at);
            }
            each(user(&runs[0]), &joined)?;
        }
        Ok(())
    }
}
