use std::{collections::HashMap, hash::Hash, sync::Arc};

use crate::event::{Currency, EventType};

/// Stands for a string in one [`Interner`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(u32);

impl Symbol {
    /// Stands for nothing.
    pub const NONE: Self = Self(0);

    /// All symbols that there can be, by index.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..=u32::MAX).map(Self)
    }

    /// A position in arrays that have a place for [`NONE`](Self::NONE).
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What the pages, the products and the search terms of a [`Symbols`] may each take of memory, in bytes. A name takes
/// its text and [`NAME_OVERHEAD`].
pub const MAX_NAME_BYTES: usize = 32 << 20;

/// What a name takes of memory besides its text: two places in lists, one in a map, and its counters.
pub const NAME_OVERHEAD: usize = 128;

/// Gives equal values the same [`Symbol`], counting up from 1.
#[derive(Debug, Clone)]
pub struct Interner<T> {
    symbols: HashMap<T, Symbol, foldhash::fast::RandomState>,
    values: Vec<T>,
    /// Bytes that are left for values.
    room: usize,
    overflowed: bool,
}

impl<T> Interner<T> {
    /// One whose values take at most so many bytes, each its text and [`NAME_OVERHEAD`]. From the first value on that does
    /// not fit, new ones have [`Symbol::NONE`], and [`overflowed`](Self::overflowed) says so.
    ///
    /// So whether interners of one size overflow that [absorb](super::StatsAccumulator::merge) each other depends on the
    /// values that they have together, not on which of them had which.
    pub fn with_room(bytes: usize) -> Self {
        Self { symbols: HashMap::default(), values: Vec::new(), room: bytes, overflowed: false }
    }

    /// Whether a value had no symbol because there was no room.
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

    /// What a symbol of this interner stands for.
    pub fn get(&self, symbol: Symbol) -> Option<&T> {
        self.values.get(symbol.index().checked_sub(1)?)
    }

    /// How many symbols there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Takes in the values of another interner; tells which symbol here each symbol there becomes, by its index.
    pub(crate) fn absorb(&mut self, other: &Self) -> Vec<Symbol> {
        self.overflowed |= other.overflowed;
        let symbols = other.values.iter().map(|value| match self.symbols.get(value) {
            Some(symbol) => *symbol,
            None => self.add(value.clone()),
        });
        std::iter::once(Symbol::NONE).chain(symbols).collect()
    }

    /// All symbols and what they stand for, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Symbol, &T)> {
        Symbol::all().skip(1).zip(&self.values)
    }
}

impl Interner<Arc<str>> {
    /// The symbol of a text.
    pub fn intern(&mut self, text: &str) -> Symbol {
        match self.symbols.get(text) {
            Some(symbol) => *symbol,
            None => self.add(text.into()),
        }
    }
}

impl Interner<Currency> {
    /// The symbol of a currency.
    pub fn intern(&mut self, currency: Currency) -> Symbol {
        match self.symbols.get(&currency) {
            Some(symbol) => *symbol,
            None => self.add(currency),
        }
    }
}

/// The symbols that [`Row`](super::Row)s speak in, one interner for each kind.
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

    /// Only the types that have a constant here.
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
