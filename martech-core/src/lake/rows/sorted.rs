//! The hot table in the sort order of the files: by user, time and id.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use super::{
    hot::{Chunk, Hot},
    row::{Row, RowHead, compare_users, day_of, user_head},
    window::{Window, Windows},
};

/// The sort key of a row of the hot table, and the position of the row.
#[derive(Debug, Clone, Copy)]
struct Key<'a> {
    head: u128,
    user_id: &'a str,
    occurred_at: i64,
    id: [u8; 16],
    chunk: u32,
    index: u32,
}

impl Key<'_> {
    /// Compares in the sort order of the files. Rows that are equal there stay in order of arrival.
    fn compare(&self, other: &Self) -> Ordering {
        let rank = |key: &Self| (key.occurred_at, key.id, key.chunk, key.index);
        self.compare_users(other).then_with(|| rank(self).cmp(&rank(other)))
    }

    fn compare_users(&self, other: &Self) -> Ordering {
        compare_users((self.head, self.user_id.as_bytes()), (other.head, other.user_id.as_bytes()))
    }
}

/// Rows of the hot table, sorted.
pub(crate) struct Sorted<'a> {
    chunks: Vec<&'a Chunk>,
    keys: Vec<Key<'a>>,
    /// The positions of each user's rows, user by user.
    users: Vec<Range<usize>>,
}

impl<'a> Sorted<'a> {
    /// Sorts the rows of users whose ids begin with `prefix`.
    pub(crate) fn by_user(hots: impl IntoIterator<Item = &'a Hot>, prefix: &str) -> Self {
        Self::of(hots, |row| row.user_id.starts_with(prefix))
    }

    /// Sorts all rows.
    pub(crate) fn all(hots: impl IntoIterator<Item = &'a Hot>) -> Self {
        let hots: Vec<&Hot> = hots.into_iter().collect();
        // Growing a list of a hundred thousand keys would copy it a dozen times.
        let keys = Vec::with_capacity(hots.iter().map(|hot| hot.rows).sum());
        Self::sort(hots, keys, |_| true)
    }

    /// Sorts the rows for which `wanted` returns `true`.
    pub(crate) fn of(hots: impl IntoIterator<Item = &'a Hot>, wanted: impl Fn(&RowHead<'_>) -> bool) -> Self {
        Self::sort(hots, Vec::new(), wanted)
    }

    fn sort(
        hots: impl IntoIterator<Item = &'a Hot>,
        mut keys: Vec<Key<'a>>,
        wanted: impl Fn(&RowHead<'_>) -> bool,
    ) -> Self {
        let chunks: Vec<&Chunk> = hots.into_iter().flat_map(|hot| &hot.chunks).map(|chunk| &**chunk).collect();
        for (number, chunk) in chunks.iter().enumerate() {
            for (index, row) in chunk.heads().enumerate().filter(|(_, row)| wanted(row)) {
                keys.push(Key {
                    head: user_head(row.user_id.as_bytes()),
                    user_id: row.user_id,
                    occurred_at: row.occurred_at,
                    id: row.id,
                    chunk: number as u32,
                    index: index as u32,
                });
            }
        }
        keys.sort_unstable_by(Key::compare);
        let mut end = 0;
        let users = keys.chunk_by(|left, right| left.compare_users(right).is_eq()).map(|rows| {
            let begin = end;
            end += rows.len();
            begin..end
        });
        Self { users: users.collect(), chunks, keys }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn row(&self, position: usize) -> Row<'a> {
        let key = &self.keys[position];
        self.chunks[key.chunk as usize].row(key.index as usize)
    }

    pub(crate) fn user_id(&self, position: usize) -> &'a str {
        self.keys[position].user_id
    }

    /// Returns the positions of each user's rows, user by user.
    pub(crate) fn users(&self) -> &[Range<usize>] {
        &self.users
    }

    /// Returns how many [users](Self::users) come before `user_id`.
    pub(crate) fn users_before(&self, user_id: &[u8]) -> usize {
        self.users.partition_point(|rows| self.user_id(rows.start).as_bytes() < user_id)
    }

    /// Divides the rows among at most `most` windows of days. Returns the positions of each window's rows, in order.
    pub(crate) fn windows(&self, most: usize) -> Vec<Vec<u32>> {
        let mut days = BTreeMap::<i32, u64>::new();
        self.keys.iter().for_each(|key| *days.entry(day_of(key.occurred_at)).or_default() += 1);
        let windows = Windows::at_most(most, days.iter().map(|(day, rows)| (*day, *rows)));
        let mut window_of: HashMap<i32, Window> = HashMap::new();
        let mut positions = BTreeMap::<Window, Vec<u32>>::new();
        for (position, key) in self.keys.iter().enumerate() {
            let day = day_of(key.occurred_at);
            let window = *window_of.entry(day).or_insert_with(|| windows.window_of(day));
            positions.entry(window).or_default().push(position as u32);
        }
        positions.into_values().collect()
    }
}
