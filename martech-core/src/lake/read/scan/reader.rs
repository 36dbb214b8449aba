//! Converts facts and rows of the hot table to rows for analytics.

use std::{collections::HashMap, io, ops::Range, sync::Arc};

use super::{MAX_KEPT, Scan, Slice, loaded::Loaded};
use crate::{
    analytics::{Interner, Row, Symbol, Symbols},
    lake::{
        error::{Context, Result},
        files::{
            facts::{Block, Coded, Columns, Facts},
            live::EventsFile,
        },
        rows::{currency_of, to_row},
    },
};

/// The number of blocks read from a file at a time, at about 10 KB each.
const EXTENT: usize = 64;

/// Reads slices, one after another, for one accumulator.
pub(crate) struct SliceReader<'a> {
    scan: &'a Scan<'a>,
    block: Block,
    names: Names,
    loaded: Loaded,
}

/// The symbols of the dictionaries of files, so that no dictionary is decoded again for each slice.
#[derive(Default)]
struct Names {
    known: HashMap<u64, FileNames>,
    symbols: usize,
}

/// The symbol of each code, by column.
struct FileNames([Vec<Symbol>; Coded::ALL.len()]);

impl<'a> SliceReader<'a> {
    pub(crate) fn new(scan: &'a Scan<'a>) -> Self {
        Self { scan, block: Block::default(), names: Names::default(), loaded: Loaded::default() }
    }

    /// Reads a slice. All calls must pass the same `symbols`.
    pub(crate) fn load(&mut self, slice: &Slice, symbols: &mut Symbols) -> Result<&mut Loaded> {
        self.loaded.clear(slice.rows);
        for (file, facts) in &self.scan.files {
            let before = self.loaded.len();
            if let Err(error) = self.load_file(file, facts, slice, symbols) {
                self.loaded.cut_back(before);
                self.names.take(file.id());
                let facts = file.remake_facts(facts, error)?;
                self.load_file(file, &facts, slice, symbols).context("cannot read", file.facts_path())?;
            }
        }
        self.load_hot(slice, symbols);
        Ok(&mut self.loaded)
    }

    fn load_file(&mut self, file: &EventsFile, facts: &Facts, slice: &Slice, symbols: &mut Symbols) -> io::Result<()> {
        let names = match self.names.take(file.id()) {
            Some(names) => names,
            None => FileNames::read(facts, symbols)?,
        };
        let is_whole = self.scan.holds(file.entry.days);
        let mut blocks = facts.blocks_between(slice.from, slice.to);
        while !blocks.is_empty() {
            let extent = blocks.start..blocks.end.min(blocks.start + EXTENT);
            blocks.start = extent.end;
            let mut read = facts.read(extent)?;
            while read.next_into(&mut self.block)? {
                self.take_block(slice, &names, is_whole);
            }
        }
        self.names.keep(file.id(), names);
        Ok(())
    }

    /// Takes the rows of the slice from the block.
    fn take_block(&mut self, slice: &Slice, names: &FileNames, is_whole: bool) {
        let Self { scan, block, loaded, .. } = self;
        for (run, rows) in block.runs().filter(|(run, _)| slice.holds(run.key)) {
            let begin = loaded.len();
            let rows = names.rows(block, rows);
            if is_whole {
                loaded.rows.extend(rows);
            } else {
                loaded.rows.extend(rows.filter(|row| scan.is_within(row.occurred_at)));
            }
            loaded.end_run(run.key, begin);
        }
    }

    fn load_hot(&mut self, slice: &Slice, symbols: &mut Symbols) {
        let Self { scan, loaded, .. } = self;
        let begin = scan.hot_runs.partition_point(|(key, _)| *key < slice.from);
        let runs = scan.hot_runs[begin..].iter().take_while(|(key, _)| slice.holds(*key));
        for (key, positions) in runs {
            let begin = loaded.len();
            let rows = Range::clone(positions).map(|position| scan.hot.row(position));
            let within = rows.filter(|row| scan.is_within(row.occurred_at));
            loaded.rows.extend(within.map(|row| to_row(&row, symbols)));
            loaded.end_run(*key, begin);
        }
    }
}

impl FileNames {
    fn read(facts: &Facts, symbols: &mut Symbols) -> io::Result<Self> {
        let Symbols { types, currencies, pages, products, searches } = symbols;
        let mut of_codes = vec![Symbol::NONE];
        facts.for_each_text(Coded::Currency, |code| of_codes.push(currency_of(code, currencies)))?;
        let texts = |coded, interner: &mut Interner<Arc<str>>| {
            let mut symbols = vec![Symbol::NONE];
            if facts.for_each_text(coded, |text| symbols.push(interner.intern(text)))? {
                interner.note_overflow();
            }
            io::Result::Ok(symbols)
        };
        // In the order of `Coded`.
        Ok(Self([
            texts(Coded::Type, types)?,
            of_codes,
            texts(Coded::Page, pages)?,
            texts(Coded::Product, products)?,
            texts(Coded::Search, searches)?,
        ]))
    }

    /// Returns some rows of a block.
    fn rows(&self, block: &Block, rows: Range<usize>) -> impl Iterator<Item = Row> {
        let Columns { times, sessions, amounts, codes } = &block.columns;
        let [types, currencies, pages, products, searches] = codes.each_ref().map(|codes| &codes[rows.clone()]);
        let symbol =
            |coded: Coded, code: u32| self.0[coded as usize].get(code as usize).copied().unwrap_or(Symbol::NONE);
        let numbers = times[rows.clone()].iter().zip(&sessions[rows.clone()]).zip(&amounts[rows]);
        let names = types.iter().zip(currencies).zip(pages.iter().zip(products).zip(searches));
        numbers.zip(names).map(
            move |(((time, session), amount), ((event_type, currency), ((page, product), search)))| Row {
                occurred_at: *time,
                session: *session,
                order_value: *amount,
                event_type: symbol(Coded::Type, *event_type),
                currency: symbol(Coded::Currency, *currency),
                page: symbol(Coded::Page, *page),
                product: symbol(Coded::Product, *product),
                search: symbol(Coded::Search, *search),
            },
        )
    }

    fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

impl Names {
    fn take(&mut self, file: u64) -> Option<FileNames> {
        let names = self.known.remove(&file)?;
        self.symbols -= names.len();
        Some(names)
    }

    fn keep(&mut self, file: u64, names: FileNames) {
        if self.symbols + names.len() <= MAX_KEPT {
            self.symbols += names.len();
            self.known.insert(file, names);
        }
    }
}
