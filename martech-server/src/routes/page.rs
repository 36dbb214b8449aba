//! Keyset pagination of lists, in the order of creation.

use utoipa::IntoParams;

use crate::http::{error::ApiError, params::Params};

/// The page of a list that a request asks for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The maximum number of entries; 100 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: usize,
    /// The `nextCursor` of the previous page.
    #[param(pattern = "^[0-9A-Fa-f]{16}[!-~]{0,184}$")]
    cursor: Option<String>,
}

/// Maximum length of a cursor, in bytes.
const LONGEST: usize = 200;

impl Page {
    /// Parses `limit` and `cursor`. Lists take no other parameters, so any other one is an error.
    pub(super) fn of(mut params: Params) -> Result<Self, ApiError> {
        let limit = params.limit()?;
        // A sort key begins with the time of creation; see `since`.
        let is_time =
            |text: &str| text.as_bytes().first_chunk::<16>().is_some_and(|time| time.iter().all(u8::is_ascii_hexdigit));
        let is_cursor =
            |text: &str| text.len() <= LONGEST && is_time(text) && text.bytes().all(|byte| byte.is_ascii_graphic());
        let cursor = params.one("cursor", |text| match is_cursor(text) {
            true => Ok(text.to_owned()),
            false => Err("must be the nextCursor of a page of this list"),
        })?;
        params.finish()?;
        Ok(Self { limit, cursor })
    }

    /// Returns the rows of the page, and the cursor of the next page if there is one.
    ///
    /// `sort_key` returns the sort key of a row. The key must be unique and must not change.
    pub(super) fn cut<T>(&self, rows: Vec<T>, sort_key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let mut keyed: Vec<(String, T)> = rows.into_iter().map(|row| (sort_key(&row), row)).collect();
        keyed.retain(|(sort_key, _)| self.cursor.as_ref().is_none_or(|cursor| sort_key > cursor));
        keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
        let more = keyed.len() > self.limit;
        keyed.truncate(self.limit);
        let next = keyed.last().filter(|_| more).map(|(sort_key, _)| sort_key.clone());
        (keyed.into_iter().map(|(_, row)| row).collect(), next)
    }
}

/// Returns the sort key of an object that was created at `millis`. The id makes the key unique.
pub(super) fn since(millis: i64, id: &str) -> String {
    format!("{:016x}{id}", millis.max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_each_row_once_in_order() {
        let rows: Vec<u64> = (0..25).rev().collect();
        let sort_key = |row: &u64| since(*row as i64 / 2, &format!("id{row:02}"));
        let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = Page { limit: 10, cursor };
            let (rows, next) = page.cut(rows.clone(), sort_key);
            seen.extend(rows);
            pages += 1;
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((pages, seen), (3, (0..25).collect::<Vec<u64>>()));
        // Removing the row of the cursor does not shift the others.
        let page = Page { limit: 10, cursor: Some(sort_key(&9)) };
        let without: Vec<u64> = rows.iter().copied().filter(|row| *row != 9).collect();
        assert_eq!(page.cut(without, sort_key).0, (10..20).collect::<Vec<u64>>());
    }
}
