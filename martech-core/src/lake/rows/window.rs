//! Windows: the days that one event file covers.
//!
//! A file holds one UTC day where days have many events. Where they have few, it holds a wider window: 8 days, 64, 512,
//! and so on. Windows are aligned, so a window lies in exactly one of the next width. Files of any widths may overlap.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    ops::RangeInclusive,
};

use serde::{Deserialize, Serialize};

/// Consecutive UTC days, from the first one with a row of a file to the last one. Days are counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Days(i32, i32);

impl Days {
    pub(crate) fn of_day(day: i32) -> Self {
        Self(day, day)
    }

    pub(crate) fn first(self) -> i32 {
        self.0
    }

    pub(crate) fn last(self) -> i32 {
        self.1
    }

    /// Adds a day.
    pub(crate) fn with(self, day: i32) -> Self {
        Self(self.0.min(day), self.1.max(day))
    }

    pub(crate) fn holds(self, day: i32) -> bool {
        (self.0..=self.1).contains(&day)
    }

    pub(crate) fn touches(self, days: &RangeInclusive<i32>) -> bool {
        self.0 <= *days.end() && *days.start() <= self.1
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.touches(&(other.0..=other.1))
    }

    /// Returns whether there is only one day.
    pub(crate) fn is_one(self) -> bool {
        self.0 == self.1
    }
}

/// The factor between the widths of windows, as a power of two.
const FACTOR_BITS: u32 = 3;
/// The widest window has 8^8 days and holds the whole calendar.
const LEVELS: u8 = 8;
/// Added to days, so that the numbers of windows are not negative. The widest window begins this many days before
/// 1970-01-01.
const OFFSET: i32 = 1 << 23;

/// An aligned range of UTC days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Window {
    /// The width is 8 to the power of this, in days.
    level: u8,
    /// The number of the window among those of its width.
    number: u32,
}

impl Window {
    pub(crate) fn of_day(day: i32) -> Self {
        Self::at(day, 0)
    }

    /// Returns the narrowest window that holds all of these days.
    pub(crate) fn of(days: Days) -> Self {
        let mut window = Self::of_day(days.first());
        while !window.holds(days.last())
            && let Some(parent) = window.parent()
        {
            window = parent;
        }
        window
    }

    fn at(day: i32, level: u8) -> Self {
        Self { level, number: day.wrapping_add(OFFSET).cast_unsigned() >> (FACTOR_BITS * u32::from(level)) }
    }

    fn holds(self, day: i32) -> bool {
        Self::at(day, self.level) == self
    }

    /// Returns the wider windows around this one, from narrow to wide.
    pub(crate) fn ancestors(self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), |window| window.parent())
    }

    pub(crate) fn is_as_wide_as(self, other: Self) -> bool {
        self.level == other.level
    }

    /// Returns whether the window is one day.
    pub(crate) fn is_day(self) -> bool {
        self.level == 0
    }

    /// Returns what it costs to have rows in this window: a question about a day reads the rows of all windows around
    /// it, so the cost grows with the rows and with the width.
    fn cost(self, rows: u64) -> u64 {
        rows.saturating_mul(1 << (FACTOR_BITS * u32::from(self.level)))
    }

    /// Returns the window of the next width around this one.
    fn parent(self) -> Option<Self> {
        (self.level < LEVELS).then(|| Self { level: self.level + 1, number: self.number >> FACTOR_BITS })
    }
}

/// The windows among which days are divided.
#[derive(Debug)]
pub(crate) struct Windows {
    /// The windows, with their numbers of rows.
    rows: BTreeMap<Window, u64>,
}

impl Windows {
    /// Divides days, given the rows of each, among at most `most` windows. While there are more, the window with the
    /// least [cost](Window::cost) becomes a part of the next wider one.
    pub(crate) fn at_most(most: usize, days: impl IntoIterator<Item = (i32, u64)>) -> Self {
        let mut windows = Self { rows: BTreeMap::new() };
        for (day, rows) in days {
            *windows.rows.entry(Window::of_day(day)).or_default() += rows;
        }
        windows.join(most, None);
        windows
    }

    /// Divides the days of one window, given the rows of each: a narrower window is split off if it has at least
    /// `dense` rows, and there are at most `most` in all, or two.
    pub(crate) fn dense(most: usize, dense: u64, within: Window, days: impl IntoIterator<Item = (i32, u64)>) -> Self {
        let mut windows = Self::at_most(usize::MAX, days);
        for level in 0..within.level {
            let sparse = |(window, rows): (&Window, &u64)| window.level == level && *rows < dense;
            let sparse: Vec<Window> =
                windows.rows.iter().filter(|entry| sparse(*entry)).map(|(window, _)| *window).collect();
            for window in sparse {
                windows.widen(window);
            }
        }
        windows.join(most.max(2), Some(within));
        windows
    }

    /// Joins windows until there are at most `most`. A window is not made wider than `within`.
    fn join(&mut self, most: usize, within: Option<Window>) {
        let costs = self.rows.iter().map(|(window, rows)| Reverse((window.cost(*rows), *rows, *window)));
        let mut queue: BinaryHeap<_> = costs.collect();
        while self.rows.len() > most.max(1)
            && let Some(Reverse((_, rows, window))) = queue.pop()
        {
            // A window that has grown since is in the queue again.
            if self.rows.get(&window) == Some(&rows)
                && Some(window) != within
                && let Some(parent) = self.widen(window)
            {
                let rows = self.rows[&parent];
                queue.push(Reverse((parent.cost(rows), rows, parent)));
            }
        }
    }

    /// Makes a window a part of the next wider one, and returns that.
    fn widen(&mut self, window: Window) -> Option<Window> {
        let parent = window.parent()?;
        let rows = self.rows.remove(&window)?;
        *self.rows.entry(parent).or_default() += rows;
        Some(parent)
    }

    /// Returns the window of a day: the narrowest one that holds it. Days without rows may have none, and get the
    /// widest.
    pub(crate) fn window_of(&self, day: i32) -> Window {
        let mut windows = (0..=LEVELS).map(|level| Window::at(day, level));
        windows.find(|window| self.rows.contains_key(window)).unwrap_or(Window::at(day, LEVELS))
    }

    /// Returns about how many rows a window has.
    pub(crate) fn rows_in(&self, window: Window) -> u64 {
        self.rows.get(&window).copied().unwrap_or_default()
    }

    /// Returns the window, if there is only one.
    pub(crate) fn only(&self) -> Option<Window> {
        self.rows.keys().next().copied().filter(|_| self.rows.len() == 1)
    }
}

/// The files of a lake, by window.
#[derive(Debug, Clone)]
pub(crate) struct ByWindow<T> {
    windows: BTreeMap<Window, Vec<T>>,
}

impl<T> Default for ByWindow<T> {
    fn default() -> Self {
        Self { windows: BTreeMap::new() }
    }
}

impl<T> ByWindow<T> {
    pub(crate) fn push(&mut self, days: Days, item: T) {
        self.windows.entry(Window::of(days)).or_default().push(item);
    }

    /// Removes and returns the items for which `is_removed` returns `true`.
    pub(crate) fn remove_if(&mut self, mut is_removed: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for items in self.windows.values_mut() {
            removed.extend(items.extract_if(.., |item| is_removed(item)));
        }
        self.windows.retain(|_, items| !items.is_empty());
        removed
    }

    /// Returns the items of each window.
    pub(crate) fn windows(&self) -> impl Iterator<Item = (Window, &[T])> {
        self.windows.iter().map(|(window, items)| (*window, items.as_slice()))
    }

    /// Returns the items of all windows that hold a day.
    pub(crate) fn around(&self, day: i32) -> impl Iterator<Item = &T> {
        // Windows are ordered by width, so the widest one is the last.
        let widest = self.windows.last_key_value().map(|(window, _)| window.level);
        let levels = widest.into_iter().flat_map(|widest| 0..=widest);
        levels.filter_map(move |level| self.windows.get(&Window::at(day, level))).flatten()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.windows.values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths(windows: &Windows) -> Vec<(u64, u64)> {
        windows.rows.iter().map(|(window, rows)| (1 << (3 * u64::from(window.level)), *rows)).collect()
    }

    #[test]
    fn window_of_days_is_the_narrowest_aligned_one() {
        let width = |first, last| 1_i64 << (3 * i64::from(Window::of(Days(first, last)).level));
        assert_eq!([width(5, 5), width(0, 7), width(7, 8), width(0, 63), width(-1, 0)], [1, 8, 64, 64, 1 << 24]);
        assert_eq!(width(-4_371_222, 2_932_896), 1 << 24, "the whole calendar");
    }

    #[test]
    fn sparse_days_share_windows_and_dense_days_do_not() {
        let windows = Windows::at_most(16, (0..10).map(|day| (day, 5)));
        assert_eq!(windows.rows.len(), 10, "few days have windows of their own");
        let today = (20_000, 100_000);
        let late = (0..900).map(|ago| (20_000 - 1 - ago, 3));
        let windows = Windows::at_most(16, late.clone().chain([today]));
        assert!((8..=16).contains(&windows.rows.len()), "{:?}", widths(&windows));
        assert_eq!(windows.window_of(20_000), Window::of_day(20_000), "late events do not widen today's file");
        let rows: u64 = windows.rows.values().sum();
        assert_eq!(rows, 100_000 + 2_700);
        assert!(late.clone().all(|(day, _)| windows.window_of(day).holds(day)));
        // The whole calendar fits too.
        let windows = Windows::at_most(16, (-4_000_000..2_900_000).step_by(1000).map(|day| (day, 1)));
        assert!(windows.rows.len() <= 16);
        assert_eq!(Windows::at_most(1, [(-1, 1), (0, 1)]).rows.len(), 1);
    }

    #[test]
    fn splits_off_what_became_dense() {
        let days = (0..64).map(|day| (day, if day == 9 { 1_000 } else { 10 }));
        let windows = Windows::dense(16, 500, Window::of(Days(0, 63)), days.clone());
        assert_eq!(widths(&windows), [(1, 1_000), (64, 630)]);
        let windows = Windows::dense(16, 80, Window::of(Days(0, 63)), days.clone());
        assert_eq!(
            widths(&windows),
            [[(1, 1_000)].as_slice(), &[(8, 80), (8, 80), (8, 80), (8, 80), (8, 80), (8, 80), (8, 80)], &[(64, 70)]]
                .concat()
        );
        let windows = Windows::dense(3, 80, Window::of(Days(0, 63)), days.clone());
        assert!((2..=3).contains(&windows.rows.len()));
        let windows = Windows::dense(1, 80, Window::of(Days(0, 63)), days);
        assert_eq!(windows.rows.len(), 2, "a dense part is split off all the same");
        let windows = Windows::dense(1, 1, Window::of_day(4), [(4, 7)]);
        assert_eq!(widths(&windows), [(1, 7)]);
    }

    #[test]
    fn finds_all_items_around_a_day() {
        let mut items = ByWindow::default();
        for days in [Days(5, 5), Days(3, 6), Days(0, 60), Days(9, 9), Days(-5, -1)] {
            items.push(days, days);
        }
        let around = |day| items.around(day).filter(|days| days.holds(day)).count();
        assert_eq!([around(5), around(4), around(9), around(40), around(-3), around(70)], [3, 2, 2, 1, 1, 0]);
        assert_eq!(items.iter().count(), 5);
        assert_eq!(items.remove_if(|days| days.holds(5)).len(), 3);
        assert_eq!(items.windows().count(), 2);
    }
}
