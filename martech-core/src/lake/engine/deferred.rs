//! Rows of days that no roll has had room for yet.
//!
//! Each day that a roll writes costs two files and their syncs, however few rows it has. A roll therefore writes at
//! most [`LakeOptions::roll_days`](crate::lake::LakeOptions::roll_days) days. The rows of other days wait here: durable
//! in the journal, visible to every query, and known to dedupe. The next rolls write them, along with new events.
//!
//! The catalog names the waiting days, and for each day the frame after which its rows are in no file
//! ([`Persisted`](crate::lake::files::catalog::Persisted)). A roll that writes a day writes all of its rows, so one
//! number for each day states exactly which rows of the journal are in files. The journal is trimmed up to the least of
//! these numbers.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    event::{EventId, EventKey, Fingerprint},
    lake::{
        files::catalog::DeferredEntry,
        rows::{
            hot::{Chunk, Hot, Picked},
            row::day_of,
            sorted::Sorted,
        },
    },
};

/// All deferred rows, by UTC day.
#[derive(Debug, Default)]
pub(crate) struct DeferredRows {
    days: BTreeMap<i32, Arc<Day>>,
    /// The rows of all days, for readers.
    hot: Arc<Hot>,
}

#[derive(Debug)]
struct Day {
    /// Rows of frames up to this one are in files. Rows of later frames wait.
    after: u64,
    hot: Hot,
    ids: HashMap<EventId, Fingerprint>,
}

impl DeferredRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    pub(crate) fn days(&self) -> usize {
        self.days.len()
    }

    /// Returns all deferred rows.
    pub(crate) fn hot(&self) -> &Arc<Hot> {
        &self.hot
    }

    /// Returns the fingerprint of a waiting event.
    pub(crate) fn print(&self, key: &EventKey) -> Option<Fingerprint> {
        self.days.get(&key.day)?.ids.get(&key.id).copied()
    }

    /// Returns the frame up to which the journal can be trimmed. Returns `None` if nothing waits.
    pub(crate) fn after(&self) -> Option<u64> {
        self.days.values().map(|day| day.after).min()
    }

    /// Returns the waiting days as the catalog states them.
    pub(crate) fn entries(&self) -> Vec<DeferredEntry> {
        let mut entries = BTreeMap::<u64, Vec<i32>>::new();
        for (number, day) in &self.days {
            entries.entry(day.after).or_default().push(*number);
        }
        entries.into_iter().map(|(after, days)| DeferredEntry { after, days }).collect()
    }

    /// Returns a copy without the days in `gone` and with the rows in `more`. For a day that did not wait before,
    /// `after` returns the frame after which its rows wait.
    pub(crate) fn with(&self, gone: &BTreeSet<i32>, more: SelectedRows, after: impl Fn(i32) -> u64) -> Self {
        let mut days = self.days.clone();
        days.retain(|day, _| !gone.contains(day));
        for (number, picked) in more.0 {
            let mut day = match days.get(&number) {
                Some(day) => Day { after: day.after, hot: day.hot.clone(), ids: day.ids.clone() },
                None => Day { after: after(number), hot: Hot::default(), ids: HashMap::new() },
            };
            for chunk in picked.into_iter().map(|picked| Arc::new(picked.into_chunk())) {
                day.ids.extend(chunk.keys().map(|(key, print)| (key.id, print)));
                day.hot.push(chunk, 0);
            }
            days.insert(number, Arc::new(day));
        }
        let hot = Arc::new(Hot::of(days.values().map(|day| &day.hot)));
        Self { days, hot }
    }
}

/// Rows that are set aside, by day.
#[derive(Debug, Default)]
pub(crate) struct SelectedRows(BTreeMap<i32, Vec<Picked>>);

impl SelectedRows {
    /// Sets aside the rows of a chunk whose day is `wanted`.
    pub(crate) fn add(&mut self, chunk: &Chunk, wanted: impl Fn(i32) -> bool) {
        for (index, row) in chunk.heads().enumerate() {
            let day = day_of(row.occurred_at);
            if wanted(day) {
                let picked = self.0.entry(day).or_default();
                match picked.last_mut().filter(|last| last.has_room()) {
                    Some(last) => last.push(chunk, index),
                    None => picked.push(Picked::of(chunk, index)),
                }
            }
        }
    }
}

/// The rows that one roll writes, and the rows that it leaves.
#[derive(Debug)]
pub(crate) struct RollPart<'a> {
    fresh: Option<&'a Hot>,
    /// The deferred rows of the days that are written.
    waited: Arc<Hot>,
    /// The days that are written. `None` if all are.
    days: Option<BTreeSet<i32>>,
    /// The rows that wait afterwards.
    pub(crate) left: DeferredRows,
}

impl<'a> RollPart<'a> {
    /// Chooses `most` days. Three quarters are the days that have waited longest, so that each day has its turn and the
    /// journal can be trimmed. The others are the days with the most rows, such as the present day. Rows of frames up
    /// to `rolled` are in files or wait already.
    pub(crate) fn choose(fresh: Option<&'a Hot>, waiting: &DeferredRows, most: usize, rolled: u64) -> Self {
        let mut rows: HashMap<i32, usize> = waiting.days.iter().map(|(number, day)| (*number, day.hot.rows)).collect();
        for row in fresh.into_iter().flat_map(|hot| &hot.chunks).flat_map(|chunk| chunk.heads()) {
            *rows.entry(day_of(row.occurred_at)).or_default() += 1;
        }
        if rows.len() <= most {
            return Self { fresh, waited: waiting.hot.clone(), days: None, left: DeferredRows::default() };
        }
        let mut by_age: Vec<(u64, i32)> = waiting.days.iter().map(|(number, day)| (day.after, *number)).collect();
        by_age.sort_unstable();
        let oldest = (most - most / 4).min(most - 1).max(1);
        let mut days: BTreeSet<i32> = by_age.into_iter().take(oldest).map(|(_, number)| number).collect();
        let mut by_rows: Vec<_> = rows.into_iter().filter(|(number, _)| !days.contains(number)).collect();
        by_rows.sort_unstable_by_key(|(number, rows)| Reverse((*rows, *number)));
        days.extend(by_rows.into_iter().take(most - days.len()).map(|(number, _)| number));

        let mut aside = SelectedRows::default();
        for chunk in fresh.into_iter().flat_map(|hot| &hot.chunks) {
            aside.add(chunk, |day| !days.contains(&day));
        }
        let waited = days.iter().filter_map(|number| waiting.days.get(number)).map(|day| &day.hot);
        let waited = Arc::new(Hot::of(waited));
        let left = waiting.with(&days, aside, |_| rolled);
        Self { fresh, waited, days: Some(days), left }
    }

    /// Returns the rows that are written.
    pub(crate) fn sorted(&self) -> Sorted<'_> {
        let hots = self.fresh.into_iter().chain([&*self.waited]);
        match &self.days {
            None => Sorted::all(hots),
            Some(days) => Sorted::of(hots, |row| days.contains(&day_of(row.occurred_at))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, EventRules, EventType, MILLIS_PER_DAY, Timestamp},
        lake::rows::hot::Encoded,
    };

    /// Makes a table with a frame for each list of days, and with one event for each day.
    fn table(first_frame: u64, frames: &[&[i32]]) -> Hot {
        let mut hot = Hot::default();
        for (frame, days) in (first_frame..).zip(frames) {
            let events: Vec<Event> = days
                .iter()
                .map(|day| {
                    let at = Timestamp::from_millis(i64::from(*day) * MILLIS_PER_DAY);
                    let event = Event::builder("u", EventType::SEARCH).occurred_at(at).received_at(at);
                    event.build(&EventRules::default()).unwrap()
                })
                .collect();
            hot.push(Arc::new(Encoded::new(&events).into_chunk_without(&[])), frame);
        }
        hot
    }

    fn days_of(sorted: &Sorted<'_>) -> Vec<(i32, usize)> {
        sorted.days().into_iter().map(|(day, rows)| (day, rows.len())).collect()
    }

    fn entries(waiting: &DeferredRows) -> Vec<(u64, Vec<i32>)> {
        waiting.entries().into_iter().map(|entry| (entry.after, entry.days)).collect()
    }

    #[test]
    fn writes_all_days_if_there_are_few() {
        let hot = table(1, &[&[1, 2], &[2]]);
        let part = RollPart::choose(Some(&hot), &DeferredRows::default(), 2, 0);
        assert_eq!(days_of(&part.sorted()), [(1, 1), (2, 2)]);
        assert!(part.left.is_empty() && part.left.after().is_none());
    }

    #[test]
    fn writes_oldest_and_largest_days_first() {
        let first = table(1, &[&[1, 2, 3, 4, 9, 9], &[5, 9]]);
        let part = RollPart::choose(Some(&first), &DeferredRows::default(), 2, 0);
        // The day with the most rows, and the newest of the other days.
        assert_eq!(days_of(&part.sorted()), [(5, 1), (9, 3)]);
        assert_eq!(entries(&part.left), [(0, vec![1, 2, 3, 4])]);
        assert_eq!(part.left.hot().rows, 4);

        // Frames 3 and 4 bring rows of a waiting day, of a day that was written, and of a new day.
        let second = table(3, &[&[3, 5], &[7, 9, 9]]);
        let part = RollPart::choose(Some(&second), &part.left, 2, 2);
        assert_eq!(days_of(&part.sorted()), [(1, 1), (9, 2)]);
        assert_eq!(entries(&part.left), [(0, vec![2, 3, 4]), (2, vec![5, 7])]);
        let holds = |waiting: &DeferredRows, key: &EventKey| waiting.print(key).is_some();
        let key = |day, hot: &Hot| {
            let mut rows = hot.chunks.iter().flat_map(|chunk| chunk.heads());
            let row = rows.find(|row| day_of(row.occurred_at) == day).unwrap();
            EventKey { id: EventId::from_bytes(row.id), day }
        };
        assert!(holds(&part.left, &key(3, &first)) && holds(&part.left, &key(3, &second)));
        assert!(holds(&part.left, &key(5, &second)) && !holds(&part.left, &key(5, &first)), "that event is in a file");
        assert!(!holds(&part.left, &key(9, &second)));

        // Without new rows, the other days follow, oldest first, until nothing is left.
        let mut left = part.left;
        let mut written = Vec::new();
        while !left.is_empty() {
            let part = RollPart::choose(None, &left, 2, 4);
            written.push(days_of(&part.sorted()));
            left = part.left;
        }
        assert_eq!(
            written,
            [[(2, 1), (3, 2)], [(4, 1), (7, 1)]].map(Vec::from).into_iter().chain([vec![(5, 1)]]).collect::<Vec<_>>()
        );
    }
}
