use std::path::PathBuf;

use arrow_array::{
    Array, ArrayRef, RecordBatch, StringArray,
    cast::AsArray,
    types::{Int64Type, TimestampMillisecondType},
};
use parquet::arrow::arrow_reader::RowSelection;

use crate::{
    analytics::UserSummary,
    event::{Currency, EventType},
    lake::{
        error::{Context, Result},
        files::{
            live::{UserPage, UsersFile, user_pages},
            parquet_file::Batches,
            users_file::{USERS, column, revenue_in, summary_at},
        },
        rows::{row::Row, sorted::Sorted},
        snapshot::Snapshot,
    },
    query::{UserSort, UsersQuery},
};

/// The number of rows read from a file at a time.
const BATCH_ROWS: usize = 8 * 1024;

/// The value that is read of each user, and how its parts in several sources are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Only the existence of the user.
    Existence,
    FirstSeen,
    LastSeen,
    Events,
    Orders,
    Revenue(Currency),
    /// The whole summary.
    Everything,
}

impl Measure {
    pub(crate) fn of(query: &UsersQuery) -> Self {
        match query.sort {
            UserSort::UserId => Self::Existence,
            UserSort::FirstSeen => Self::FirstSeen,
            UserSort::LastSeen => Self::LastSeen,
            UserSort::Events => Self::Events,
            UserSort::Orders => Self::Orders,
            UserSort::Revenue => Self::Revenue(query.currency),
        }
    }

    fn columns(self) -> Vec<usize> {
        match self {
            Self::Existence => vec![column::USER_ID],
            Self::FirstSeen => vec![column::USER_ID, column::FIRST_SEEN],
            Self::LastSeen => vec![column::USER_ID, column::LAST_SEEN],
            Self::Events => vec![column::USER_ID, column::EVENTS],
            Self::Orders => vec![column::USER_ID, column::ORDERS],
            Self::Revenue(_) => vec![column::USER_ID, column::REVENUE],
            Self::Everything => column::ALL.to_vec(),
        }
    }

    /// Returns the value of the user on whom all `holders` stand.
    pub(crate) fn of_holders(self, holders: &[usize], sources: &[Source<'_>]) -> i128 {
        let mut whole: Option<i128> = None;
        for &holder in holders {
            let part = sources[holder].measure(self);
            whole = Some(match (self, whole) {
                (_, None) => part,
                (Self::FirstSeen, Some(whole)) => whole.min(part),
                (Self::LastSeen, Some(whole)) => whole.max(part),
                (_, Some(whole)) => whole + part,
            });
        }
        whole.unwrap_or_default()
    }

    fn of_rows<'a>(self, mut rows: impl ExactSizeIterator<Item = Row<'a>> + DoubleEndedIterator) -> i128 {
        match self {
            Self::Existence | Self::Everything => 0,
            Self::FirstSeen => rows.next().map_or(0, |row| row.occurred_at.into()),
            Self::LastSeen => rows.next_back().map_or(0, |row| row.occurred_at.into()),
            Self::Events => rows.len() as i128,
            Self::Orders => rows.filter(|row| row.event_type == EventType::PURCHASE.as_str()).count() as i128,
            Self::Revenue(wanted) => rows
                .filter(|row| row.currency == Some(wanted.as_str()))
                .filter_map(|row| row.order_value)
                .map(i128::from)
                .sum(),
        }
    }
}

/// A half-open range of users: `from` is included, `to` is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: String,
    pub(crate) to: Option<String>,
}

impl Span {
    /// Cuts the users whose ids begin with `prefix` into about `parts` spans of about the same size.
    pub(crate) fn cut(snapshot: &Snapshot, prefix: &str, parts: usize) -> Result<Vec<Self>> {
        let mut spans = vec![Self { from: prefix.to_owned(), to: successor(prefix) }];
        let Some(largest) = snapshot.version.users.iter().max_by_key(|file| file.entry.rows) else { return Ok(spans) };
        let (_, footer) = largest.open()?;
        let firsts = user_pages(&footer, column::USER_ID).into_iter().map(|page| page.first_user);
        let firsts: Vec<_> = firsts.filter(|user| user.starts_with(prefix.as_bytes())).collect();
        for part in 1..parts {
            let Some(cut) = firsts.get(firsts.len() * part / parts).and_then(|user| str::from_utf8(user).ok()) else {
                continue;
            };
            if let Some(last) = spans.last_mut().filter(|last| last.from.as_str() < cut) {
                let to = last.to.replace(cut.to_owned());
                spans.push(Self { from: cut.to_owned(), to });
            }
        }
        Ok(spans)
    }

    fn touches(&self, page: &UserPage<'_>) -> bool {
        page.last_user >= self.from.as_bytes() && self.to.as_ref().is_none_or(|to| page.first_user < to.as_bytes())
    }
}

/// Returns the first text that sorts after all texts with `prefix`. Returns `None` if there is none.
fn successor(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// A position in a list of users in ascending order.
pub(crate) trait Ascending {
    /// Returns the current user. Returns `None` at the end.
    fn user(&self) -> Option<&str>;
    fn advance(&mut self) -> Result<()>;
}

/// The users of one file or of the hot table.
pub(crate) enum Source<'a> {
    File(Box<FileSource>),
    Hot(HotSource<'a>),
}

impl Ascending for Source<'_> {
    fn user(&self) -> Option<&str> {
        match self {
            Self::File(file) => file.user(),
            Self::Hot(hot) => hot.sorted.users().get(hot.index).map(|rows| hot.sorted.user_id(rows.start)),
        }
    }

    fn advance(&mut self) -> Result<()> {
        match self {
            Self::File(file) => file.advance(),
            Self::Hot(hot) => {
                hot.index += 1;
                Ok(())
            }
        }
    }
}

impl<'a> Source<'a> {
    /// Opens all sources of a snapshot at the first user of a span. They do not end with the span.
    pub(crate) fn all(snapshot: &Snapshot, hot: &'a Sorted<'a>, measure: Measure, span: &Span) -> Result<Vec<Self>> {
        let open = |file| FileSource::open(file, measure, span).map(|file| Self::File(Box::new(file)));
        let index = hot.users_before(span.from.as_bytes());
        let hot = Self::Hot(HotSource { sorted: hot, index });
        snapshot.version.users.iter().map(|file| open(file)).chain([Ok(hot)]).collect()
    }

    /// Returns the position of the current user: the row in the file, or the index among the users of the hot table.
    pub(crate) fn position(&self) -> usize {
        match self {
            Self::File(file) => file.rows_before + file.index,
            Self::Hot(hot) => hot.index,
        }
    }

    fn measure(&self, measure: Measure) -> i128 {
        match self {
            Self::Hot(hot) => {
                let rows = hot.sorted.users()[hot.index].clone();
                measure.of_rows(rows.map(|position| hot.sorted.row(position)))
            }
            Self::File(file) => file.measure(measure),
        }
    }
}

pub(crate) struct HotSource<'a> {
    sorted: &'a Sorted<'a>,
    index: usize,
}

pub(crate) struct FileSource {
    path: PathBuf,
    reader: Batches,
    batch: Option<RecordBatch>,
    users: Option<StringArray>,
    values: Option<ArrayRef>,
    index: usize,
    /// The number of rows of the file before the batch.
    rows_before: usize,
}

impl Ascending for FileSource {
    fn user(&self) -> Option<&str> {
        self.users.as_ref().map(|users| users.value(self.index))
    }

    fn advance(&mut self) -> Result<()> {
        self.index += 1;
        match &self.batch {
            Some(batch) if self.index == batch.num_rows() => {
                self.rows_before += batch.num_rows();
                self.next_batch()
            }
            _ => Ok(()),
        }
    }
}

impl FileSource {
    /// Opens a file at the first user of a span.
    pub(crate) fn open(file: &UsersFile, measure: Measure, span: &Span) -> Result<Self> {
        let (input, footer) = file.open()?;
        let pages = user_pages(&footer, column::USER_ID);
        let within = pages.iter().filter(|page| span.touches(page));
        let ranges: Vec<_> = within.map(|page| page.first_row..page.first_row + page.rows).collect();
        let rows_before = ranges.first().map_or(0, |range| range.start);
        let rows = RowSelection::from_consecutive_ranges(ranges.into_iter(), file.entry.rows as usize);
        let reader = input.read(&footer, &USERS, &measure.columns(), Some(rows), BATCH_ROWS);
        let reader = reader.context("cannot read", file.path())?;
        let path = file.path().clone();
        let mut source = Self { path, reader, batch: None, users: None, values: None, index: 0, rows_before };
        source.next_batch()?;
        while source.user().is_some_and(|user| user < span.from.as_str()) {
            source.advance()?;
        }
        Ok(source)
    }

    fn next_batch(&mut self) -> Result<()> {
        self.index = 0;
        self.batch = self.reader.next().transpose().context("cannot read", &self.path)?;
        self.users = self.batch.as_ref().map(|batch| batch.column(0).as_string::<i32>().clone());
        self.values = self.batch.as_ref().and_then(|batch| batch.columns().get(1).cloned());
        Ok(())
    }

    /// Returns the summary of the current user. The file must be open for [`Measure::Everything`].
    pub(crate) fn summary(&self) -> Result<Option<UserSummary>> {
        self.batch.as_ref().map(|batch| summary_at(batch, self.index, &self.path)).transpose()
    }

    fn measure(&self, measure: Measure) -> i128 {
        let Some(values) = &self.values else { return 0 };
        match measure {
            Measure::Existence | Measure::Everything => 0,
            Measure::FirstSeen | Measure::LastSeen => {
                values.as_primitive::<TimestampMillisecondType>().value(self.index).into()
            }
            Measure::Events | Measure::Orders => values.as_primitive::<Int64Type>().value(self.index).into(),
            Measure::Revenue(wanted) => {
                let values = values.as_binary::<i32>();
                if values.is_null(self.index) { 0 } else { revenue_in(wanted, values.value(self.index)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lake::read::users::source::successor;

    #[test]
    fn successor_sorts_after_all_texts_with_prefix() {
        assert_eq!(successor(""), None);
        assert_eq!(successor("user-1").as_deref(), Some("user-2"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"), "there are no characters in between");
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{10ffff}"), None);
    }
}
