use std::{collections::HashMap, ops::AddAssign};

use super::super::symbols::Symbol;

/// Counts events and the distinct users among them. Users arrive one after another, so it is enough to remember the
/// last one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) orders: u64,
    pub(super) users: u64,
    last_user: u64,
}

impl Tally {
    /// Counts an event of a user. Users are numbered from 1.
    #[inline]
    pub(super) fn count(&mut self, user: u64, is_order: bool) {
        self.events += 1;
        self.orders += u64::from(is_order);
        self.users += u64::from(self.last_user != user);
        self.last_user = user;
    }
}

/// Adds a tally of other users.
impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.orders += other.orders;
        self.users += other.users;
    }
}

/// A sum of order values, and the number of orders that have one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Revenue {
    pub(super) micros: i128,
    pub(super) orders: u64,
}

impl Revenue {
    pub(super) fn count(&mut self, micros: i64) {
        self.micros += i128::from(micros);
        self.orders += 1;
    }

    /// Returns the millionths for each of a count, rounded half to even.
    pub(super) fn per(self, count: u64) -> i128 {
        let count = i128::from(count.max(1));
        let (floor, rest) = (self.micros.div_euclid(count), self.micros.rem_euclid(count));
        let up = 2 * rest > count || (2 * rest == count && floor % 2 != 0);
        floor + i128::from(up)
    }
}

impl AddAssign for Revenue {
    fn add_assign(&mut self, other: Self) {
        self.micros += other.micros;
        self.orders += other.orders;
    }
}

/// A counter for each symbol.
#[derive(Debug, Clone, Default)]
pub(super) struct BySymbol<T>(Vec<T>);

impl<T: Copy + Default + AddAssign> BySymbol<T> {
    #[inline]
    pub(super) fn at(&mut self, symbol: Symbol) -> &mut T {
        let index = symbol.index();
        if index >= self.0.len() {
            self.0.resize(index + 1, T::default());
        }
        &mut self.0[index]
    }

    /// Adds other counters. `symbols` gives the symbol here of each symbol there.
    pub(super) fn merge(&mut self, other: Self, symbols: &[Symbol]) {
        for (counter, symbol) in other.0.into_iter().zip(symbols) {
            *self.at(*symbol) += counter;
        }
    }

    pub(super) fn get(&self, symbol: Symbol) -> T {
        self.0.get(symbol.index()).copied().unwrap_or_default()
    }
}

/// A counter for each symbol and bucket.
///
/// The first [`COLUMNS`] symbols have a dense column of all buckets. Later symbols store only the cells in which
/// something was counted. This is fast for the few types and currencies of most shops, and small for a shop that has
/// thousands.
#[derive(Debug, Clone)]
pub(super) struct Grid<T> {
    buckets: usize,
    columns: Vec<Vec<T>>,
    cells: HashMap<(Symbol, usize), T, foldhash::fast::RandomState>,
}

const COLUMNS: usize = 64;

impl<T: Copy + Default + PartialEq + AddAssign> Grid<T> {
    pub(super) fn new(buckets: usize) -> Self {
        Self { buckets, columns: vec![Vec::new(); COLUMNS], cells: HashMap::default() }
    }

    #[inline]
    pub(super) fn at(&mut self, symbol: Symbol, bucket: usize) -> &mut T {
        match self.columns.get_mut(symbol.index()) {
            Some(column) => {
                if column.is_empty() {
                    column.resize(self.buckets, T::default());
                }
                &mut column[bucket]
            }
            None => self.cells.entry((symbol, bucket)).or_default(),
        }
    }

    /// Adds another grid. `symbols` gives the symbol here of each symbol there.
    pub(super) fn merge(&mut self, other: Self, symbols: &[Symbol]) {
        for (column, symbol) in other.columns.into_iter().zip(symbols) {
            for (bucket, value) in column.into_iter().enumerate() {
                if value != T::default() {
                    *self.at(*symbol, bucket) += value;
                }
            }
        }
        for ((symbol, bucket), value) in other.cells {
            *self.at(symbols[symbol.index()], bucket) += value;
        }
    }

    /// Visits each cell in which something was counted.
    pub(super) fn for_each(&self, mut visit: impl FnMut(Symbol, usize, T)) {
        for (symbol, column) in Symbol::all().zip(&self.columns) {
            for (bucket, value) in column.iter().enumerate() {
                if *value != T::default() {
                    visit(symbol, bucket, *value);
                }
            }
        }
        for ((symbol, bucket), value) in &self.cells {
            visit(*symbol, *bucket, *value);
        }
    }
}
