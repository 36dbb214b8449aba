//! The hot table in the order of the files: by user, time and id.

use std::ops::Range;

use super::{
    hot::{Chunk, Hot},
    row::{Row, day_of, user_head},
};

/// Where a row of the hot table lies, and what it is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    /// Most comparisons end with it.
    head: u128,
    user_id: &'a str,
    occurred_at: i64,
    id: [u8; 16],
    chunk: u32,
    index: u32,
}

/// Rows of the hot table, sorted.
pub(super) struct Sorted<'a> {
    chunks: Vec<&'a Chunk>,
    keys: Vec<Key<'a>>,
    /// The positions of one user after another.
    users: Vec<Range<usize>>,
}

impl<'a> Sorted<'a> {
    /// By user, time and id: the rows that `keep` takes.
    pub(super) fn by_user(hots: impl IntoIterator<Item = &'a Hot>, keep: impl Fn(&Row<'a>) -> bool) -> Self {
        let chunks: Vec<&Chunk> = hots.into_iter().flat_map(|hot| &hot.chunks).map(|chunk| &**chunk).collect();
        let mut keys = Vec::new();
        for (number, chunk) in chunks.iter().enumerate() {
            for (index, row) in chunk.rows().enumerate().filter(|(_, row)| keep(row)) {
                keys.push(Key {
                    head: user_head(row.user_id),
                    user_id: row.user_id,
                    occurred_at: row.occurred_at,
                    id: row.id,
                    chunk: number as u32,
                    index: index as u32,
                });
            }
        }
        keys.sort_unstable();
        let mut end = 0;
        let users = keys.chunk_by(|left, right| left.user_id == right.user_id).map(|rows| {
            let begin = end;
            end += rows.len();
            begin..end
        });
        Self { users: users.collect(), chunks, keys }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn row(&self, position: usize) -> Row<'a> {
        let key = &self.keys[position];
        self.chunks[key.chunk as usize].row(key.index as usize)
    }

    pub(super) fn user_id(&self, position: usize) -> &'a str {
        self.keys[position].user_id
    }

    /// The positions of one user after another.
    pub(super) fn users(&self) -> &[Range<usize>] {
        &self.users
    }

    /// How many [users](Self::users) come before this one.
    pub(super) fn users_before(&self, user_id: &[u8]) -> usize {
        self.users.partition_point(|rows| self.user_id(rows.start).as_bytes() < user_id)
    }

    /// The positions of one UTC day after another, each by user, time and id.
    pub(super) fn days(&self) -> Vec<(i32, Vec<u32>)> {
        let mut days = std::collections::BTreeMap::<i32, Vec<u32>>::new();
        for (position, key) in self.keys.iter().enumerate() {
            days.entry(day_of(key.occurred_at)).or_default().push(position as u32);
        }
        days.into_iter().collect()
    }
}
