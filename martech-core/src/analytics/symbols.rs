use std::{collections::HashMap, hash::Hash, sync::Arc};

use crate::event::{Currency, EventType};

/// A number that stands for a value in one [`Interner`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(u32);

impl Symbol {
    /// Stands for no value.
    pub const NONE: Self = Self(0);

    /// Returns all possible symbols, by index.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=u32::MAX).map(Self)
    }

    /// Returns the position in arrays that reserve index 0 for [`NONE`](Self::NONE).
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The memory limit in bytes for each of the pages, the products and the search terms of a [`Symbols`]. A name counts
/// as its text plus [`NAME_OVERHEAD`].
pub const MAX_NAME_BYTES: usize = 32 << 20;

/// The memory that a name takes besides its text, in bytes: two list entries, one map entry, and its counters.
pub const NAME_OVERHEAD: usize = 128;

/// Maps equal values to the same [`Symbol`], numbered from 1.
#[derive(Debug, Clone)]
pub struct Interner<T> {
    symbols: HashMap<T, Symbol, foldhash::fast::RandomState>,
    values: Vec<T>,
    /// Bytes left for values.
    room: usize,
    overflowed: bool,
}

impl<T> Interner<T> {
    /// Creates an interner whose values take at most `bytes`, each its text plus [`NAME_OVERHEAD`]. From the first
    /// value that does not fit, new values get [`Symbol::NONE`], and [`overflowed`](Self::overflowed) returns true.
    ///
    /// The limit applies to the union of values when interners of one size [absorb](super::StatsAccumulator::merge)
    /// each other. Overflow does not depend on how the values were distributed.
    pub fn with_room(bytes: usize) -> Self {
        Self { symbols: HashMap::default(), values: Vec::new(), room: bytes, overflowed: false }
    }

    /// Notes that a source of values left some out for lack of room.
    #[cfg(feature = "lake")]
    pub(crate) fn note_overflow(&mut self) {
        self.overflowed = true;
    }

    /// Returns whether a value got no symbol for lack of room.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self::with_room(usize::MAX)
    }
}

impl<T: AsRef<str> + Clone + Eq + Hash> Interner<T> {
    fn add(&mut self, value: T) -> Symbol {
        let number = u32::try_from(self.values.len() + 1).ok();
        let room = self.room.checked_sub(value.as_ref().len() + NAME_OVERHEAD);
        let (Some(number), Some(room)) = (number, room) else {
            (self.overflowed, self.room) = (true, 0);
            return Symbol::NONE;
        };
        self.room = room;
        self.values.push(value.clone());
        self.symbols.insert(value, Symbol(number));
        Symbol(number)
    }

    /// Returns the value that a symbol of this interner stands for.
    pub fn get(&self, symbol: Symbol) -> Option<&T> {
        self.values.get(symbol.index().checked_sub(1)?)
    }

    /// Returns the number of symbols.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns whether there are no symbols.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds the values of another interner. Returns the symbol here of each symbol there, by index.
    pub(crate) fn absorb(&mut self, other: &Self) -> Vec<Symbol> {
        self.overflowed |= other.overflowed;
        let symbols = other.values.iter().map(|value| match self.symbols.get(value) {
            Some(symbol) => *symbol,
            None => self.add(value.clone()),
        });
        std::iter::once(Symbol::NONE).chain(symbols).collect()
    }

    /// Returns all symbols and their values in insertion order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Symbol, &T)> {
        Symbol::all().skip(1).zip(&self.values)
    }
}

impl Interner<Arc<str>> {
    /// Returns the symbol of a text, and adds the text if it is new.
    pub fn intern(&mut self, text: &str) -> Symbol {
        match self.symbols.get(text) {
            Some(symbol) => *symbol,
            None => self.add(text.into()),
        }
    }
}

impl Interner<Currency> {
    /// Returns the symbol of a currency, and adds the currency if it is new.
    pub fn intern(&mut self, currency: Currency) -> Symbol {
        match self.symbols.get(&currency) {
            Some(symbol) => *symbol,
            None => self.add(currency),
        }
    }
}

/// The symbols that [`Row`](super::Row)s refer to, one interner for each kind.
#[derive(Debug, Clone)]
pub struct Symbols {
    /// Event types.
    pub types: Interner<Arc<str>>,
    /// Currencies of orders.
    pub currencies: Interner<Currency>,
    /// Pages, in at most [`MAX_NAME_BYTES`].
    pub pages: Interner<Arc<str>>,
    /// Products, in at most [`MAX_NAME_BYTES`].
    pub products: Interner<Arc<str>>,
    /// Search terms, in at most [`MAX_NAME_BYTES`].
    pub searches: Interner<Arc<str>>,
}

impl Symbols {
    /// [`EventType::PURCHASE`] in every [`Symbols::types`].
    pub const PURCHASE: Symbol = Symbol(1);
    /// [`EventType::PAGE_VIEW`] in every [`Symbols::types`].
    pub const PAGE_VIEW: Symbol = Symbol(2);
    /// [`EventType::SEARCH`] in every [`Symbols::types`].
    pub const SEARCH: Symbol = Symbol(3);

    /// Creates symbols for only the types that have a constant here.
    pub fn new() -> Self {
        let mut types = Interner::<Arc<str>>::default();
        for event_type in [EventType::PURCHASE, EventType::PAGE_VIEW, EventType::SEARCH] {
            types.intern(event_type.as_str());
        }
        Self {
            types,
            currencies: Interner::default(),
            pages: Interner::with_room(MAX_NAME_BYTES),
            products: Interner::with_room(MAX_NAME_BYTES),
            searches: Interner::with_room(MAX_NAME_BYTES),
        }
    }
}

impl Default for Symbols {
    fn default() -> Self {
        Self::new()
    }
}
