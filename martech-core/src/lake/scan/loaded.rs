//! The rows of a slice, and which of them are whose.

use std::ops::Range;

use super::super::{
    error::Result,
    row::{compare_users, user_head},
};
use crate::analytics::Row;

/// The rows of a slice, file by file, and where each user's lie.
#[derive(Default)]
pub(in super::super) struct Loaded {
    pub(super) rows: Vec<Row>,
    runs: Vec<Run>,
    users: Vec<u8>,
}

/// The rows of one user in one file, in time order.
struct Run {
    /// Most comparisons end with it.
    head: u128,
    user: Range<u32>,
    rows: Range<u32>,
}

impl Loaded {
    /// Makes room for about so many rows: grown step by step, it would take twice as much at times.
    pub(super) fn clear(&mut self, rows: usize) {
        self.rows.clear();
        self.runs.clear();
        self.users.clear();
        self.rows.reserve(rows);
    }

    /// The rows from `begin` on are those of one user, if there are any.
    pub(super) fn end_run(&mut self, user_id: &[u8], begin: usize) {
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

    /// Calls `each` with every user, ascending, and the user's rows in time order.
    pub(in super::super) fn for_each_user(&mut self, mut each: impl FnMut(&[u8], &[Row]) -> Result<()>) -> Result<()> {
        let users = &self.users;
        let user = |run: &Run| &users[run.user.start as usize..run.user.end as usize];
        let compare = |left: &Run, right: &Run| compare_users((left.head, user(left)), (right.head, user(right)));
        // Stable, so that the runs of a user stay in the order of the files, which is that of the days.
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
