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

/// How many pages, how many products and how many search terms a [`Symbols`] tells apart.
pub const MAX_NAMES: usize = 1 << 19;

/// Gives equal values the same [`Symbol`], counting up from 1.
#[derive(Debug, Clone)]
pub struct Interner<T> {
    symbols: HashMap<T, Symbol, foldhash::fast::RandomState>,
    values: Vec<T>,
    limit: usize,
    overflowed: bool,
}

impl<T> Interner<T> {
    /// One that gives at most `limit` symbols. Values that come later have [`Symbol::NONE`], and
    /// [`overflowed`](Self::overflowed) tells that there were some.
    pub fn with_limit(limit: usize) -> Self {
        Self { symbols: HashMap::default(), values: Vec::new(), limit, overflowed: false }
    }

    /// Whether a value had no symbol because there were too many.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self::with_limit(u32::MAX as usize)
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    fn add(&mut self, value: T) -> Symbol {
        let number = self.values.len() + 1;
        let (true, Ok(number)) = (number <= self.limit, u32::try_from(number)) else {
            self.overflowed = true;
            return Symbol::NONE;
        };
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
    /// Pages, at most [`MAX_NAMES`].
    pub pages: Interner<Arc<str>>,
    /// Products, at most [`MAX_NAMES`].
    pub products: Interner<Arc<str>>,
    /// Search terms, at most [`MAX_NAMES`].
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
            pages: Interner::with_limit(MAX_NAMES),
            products: Interner::with_limit(MAX_NAMES),
            searches: Interner::with_limit(MAX_NAMES),
        }
    }
}

impl Default for Symbols {
    fn default() -> Self {
        Self::new()
    }
}
