use std::collections::BTreeMap;

use parquet::arrow::arrow_reader::RowSelection;

use super::{
    for_each_user,
    source::{Measure, Source, Span},
};
use crate::{
    analytics::{Symbols, UserSummary},
    lake::{
        error::{Context, LakeError, Result},
        files::{
            live::UsersFile,
            users_file::{USERS, column, summary_at},
        },
        read::parallel,
        rows::{sorted::Sorted, to_row},
        snapshot::Snapshot,
    },
    query::{UsersCursor, UsersPage, UsersQuery},
};

/// A user who may be on the page, and the places of the parts of the summary.
struct Candidate {
    value: i128,
    user_id: String,
    /// For each part: the source, and the position in it.
    positions: Vec<(usize, usize)>,
}

/// Returns a page of users.
pub(crate) fn page(snapshot: &Snapshot, query: &UsersQuery) -> Result<UsersPage> {
    let hot = Sorted::by_user(snapshot.hot.iter().map(|hot| &**hot), &query.prefix);
    let spans = Span::cut(snapshot, &query.prefix, parallel::threads())?;
    let chosen = parallel::map(&spans, |span| choose(snapshot, &hot, query, span))?;
    let total = chosen.iter().map(|(total, _)| total).sum();
    let mut candidates = chosen.into_iter().flat_map(|(_, candidates)| candidates).collect();
    keep_first(query, &mut candidates, query.limit + 1);
    let more = candidates.len() > query.limit;
    candidates.truncate(query.limit);
    let last = candidates.last().filter(|_| more);
    let next = last.map(|last| UsersCursor { value: last.value, user_id: last.user_id.clone() });
    let summaries = summaries(snapshot, &hot, &candidates)?;
    let users = candidates.into_iter().zip(summaries).map(|(candidate, summary)| summary.to_row(candidate.user_id));
    Ok(UsersPage { users: users.collect(), total, next })
}

/// Returns the number of users in a span, and the first `limit + 1` of them after the cursor.
fn choose(snapshot: &Snapshot, hot: &Sorted<'_>, query: &UsersQuery, span: &Span) -> Result<(u64, Vec<Candidate>)> {
    let measure = Measure::of(query);
    let mut sources = Source::all(snapshot, hot, measure, span)?;
    let most = query.limit + 1;
    let mut total = 0;
    let mut candidates: Vec<Candidate> = Vec::new();
    // Users after this one cannot be on the page.
    let mut worst: Option<(i128, String)> = None;
    for_each_user(&mut sources, span.to.as_deref(), |user_id, holders, sources| {
        total += 1;
        let value = measure.of_holders(holders, sources);
        let here = (value, user_id);
        let is_behind_cursor = query.cursor.as_ref().is_none_or(|cursor| query.rank(here, cursor.key()).is_gt());
        let may_be_on_page = worst.as_ref().is_none_or(|(value, user_id)| query.rank(here, (*value, user_id)).is_lt());
        if is_behind_cursor && may_be_on_page {
            let positions = holders.iter().map(|&holder| (holder, sources[holder].position())).collect();
            candidates.push(Candidate { value, user_id: user_id.to_owned(), positions });
            if candidates.len() >= 2 * most {
                keep_first(query, &mut candidates, most);
                worst = candidates.last().map(|last| (last.value, last.user_id.clone()));
            }
        }
        Ok(())
    })?;
    keep_first(query, &mut candidates, most);
    Ok((total, candidates))
}

fn keep_first(query: &UsersQuery, candidates: &mut Vec<Candidate>, most: usize) {
    candidates.sort_unstable_by(|left, right| query.rank((left.value, &left.user_id), (right.value, &right.user_id)));
    candidates.truncate(most);
}

/// Returns the complete summaries of the users on the page. Sources are numbered with the files first, then the hot
/// table.
fn summaries(snapshot: &Snapshot, hot: &Sorted<'_>, page: &[Candidate]) -> Result<Vec<UserSummary>> {
    let mut whole: Vec<Option<UserSummary>> = page.iter().map(|_| None).collect();
    let mut add = |index: usize, part: UserSummary| match &mut whole[index] {
        Some(whole) => whole.merge(&part),
        none => *none = Some(part),
    };
    let wanted = |source: usize| -> BTreeMap<usize, usize> {
        let positions = page
            .iter()
            .enumerate()
            .flat_map(|(index, user)| user.positions.iter().map(move |position| (position, index)));
        positions.filter(|(position, _)| position.0 == source).map(|(position, index)| (position.1, index)).collect()
    };
    for (number, file) in snapshot.version.users.iter().enumerate() {
        read_rows(file, &wanted(number), &mut add)?;
    }
    let mut symbols = Symbols::new();
    for (position, index) in wanted(snapshot.version.users.len()) {
        let rows: Vec<_> = hot.users()[position].clone().map(|row| to_row(&hot.row(row), &mut symbols)).collect();
        if let Some(part) = UserSummary::from_rows(&rows, &symbols) {
            add(index, part);
        }
    }
    let found: Option<Vec<_>> = whole.into_iter().collect();
    found.ok_or_else(|| LakeError::Task("a user of the page was not found on the second read".to_owned()))
}

fn read_rows(
    file: &UsersFile,
    wanted: &BTreeMap<usize, usize>,
    add: &mut impl FnMut(usize, UserSummary),
) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let (input, footer) = file.open()?;
    let ranges = wanted.keys().map(|&row| row..row + 1);
    let rows = RowSelection::from_consecutive_ranges(ranges, file.entry.rows as usize);
    let reader =
        input.read(&footer, &USERS, &column::ALL, Some(rows), wanted.len()).context("cannot read", file.path())?;
    let mut indices = wanted.values();
    for batch in reader {
        let batch = batch.context("cannot read", file.path())?;
        for (row, index) in (0..batch.num_rows()).zip(&mut indices) {
            add(*index, summary_at(&batch, row, file.path())?);
        }
    }
    Ok(())
}
