use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::lake::{
    files::{parquet_file::Tail, schema::BatchBuilder},
    rows::row::Row,
};

/// What facts have of an event: user, time, session, amount, and the texts by [`Coded`].
type Fact = (String, i64, Option<String>, i64, [Option<String>; Coded::ALL.len()]);

fn text(word: &'static str, most: u32) -> impl Strategy<Value = Option<String>> {
    prop::option::of((0..most).prop_map(move |number| format!("{word}-{number}")))
}

prop_compose! {
    fn fact()(
        user in 0..40_u32,
        time in prop::num::i64::ANY.prop_map(|time| time >> 20),
        session in text("s", 3),
        amount in prop::option::of((any::<i64>().prop_map(|amount| amount >> 8), 0..3_usize)),
        event_type in 0..5_u32,
        page in text("/page", 300),
        product in text("cup", 2),
        search in text("", 1),
    ) -> Fact {
        let currency = amount.map(|(_, code)| ["EUR", "USD", "CHF"][code].to_owned());
        let names = [Some(format!("type-{event_type}")), currency, page, product, search];
        (format!("user-{user}"), time, session, amount.map_or(0, |(amount, _)| amount), names)
    }
}

/// Returns the builder with the facts, which are in the order of an event file.
fn built(seed: u64, facts: &[Fact]) -> FactsBuilder {
    let mut builder = FactsBuilder::new(seed, facts.len());
    for (chunk, facts) in facts.chunks(700).enumerate() {
        let mut rows = BatchBuilder::new();
        for (number, (user_id, occurred_at, session, amount, names)) in facts.iter().enumerate() {
            let [event_type, currency, page, product, search] = names.each_ref().map(|name| name.as_deref());
            rows.push(&Row {
                id: ((chunk * 700 + number) as u128).to_be_bytes(),
                user_id,
                event_type: event_type.unwrap(),
                occurred_at: *occurred_at,
                received_at: *occurred_at,
                anonymous_id: None,
                session_id: session.as_deref(),
                properties: None,
                order_value: currency.map(|_| *amount),
                currency,
                page,
                product,
                search,
            });
        }
        builder.push(&rows.finish().unwrap());
    }
    builder
}

fn opened(content: Vec<u8>, rows: usize, seed: u64) -> io::Result<Facts> {
    Facts::open(Source::Memory(content.into()), Head { rows: rows as u32, seed, tail: Tail::default() })
}

/// Reads the facts with keys from `from` to `to`, by their row in the event file.
fn read(facts: &Facts, from: u64, to: u64) -> io::Result<BTreeMap<u32, (u64, Fact)>> {
    let mut names: [Vec<Option<String>>; Coded::ALL.len()] = std::array::from_fn(|_| vec![None]);
    for coded in Coded::ALL {
        facts.for_each_text(coded, |text| names[coded as usize].push(Some(text.to_owned())))?;
    }
    let (mut found, mut block) = (BTreeMap::new(), Block::default());
    let mut last = 0;
    let mut blocks = facts.read(facts.blocks_between(from, to))?;
    while blocks.next_into(&mut block)? {
        for (run, rows) in block.runs() {
            assert!(run.key >= last, "keys ascend");
            last = run.key;
            for (row, of_file) in rows.zip(run.first..) {
                let columns = &block.columns;
                let of_row =
                    Coded::ALL.map(|coded| names[coded as usize][columns.codes[coded as usize][row] as usize].clone());
                let session = (columns.sessions[row] != 0).then(|| columns.sessions[row].to_string());
                let fact = (String::new(), columns.times[row], session, columns.amounts[row], of_row);
                assert!(found.insert(of_file, (run.key, fact)).is_none(), "row {of_file} comes twice");
            }
        }
    }
    Ok(found.into_iter().filter(|(_, (key, _))| (from..=to).contains(key)).collect())
}

fn expected(seed: u64, facts: &[Fact], from: u64, to: u64) -> BTreeMap<u32, (u64, Fact)> {
    let keyed = (0..).zip(facts).map(|(row, (user, time, session, amount, names))| {
        let session = session.as_ref().map(|session| crate::analytics::session_key(session).to_string());
        (row, (person_key(seed, user), (String::new(), *time, session, *amount, names.clone())))
    });
    keyed.filter(|(_, (key, _))| (from..=to).contains(key)).collect()
}

proptest! {
    #[test]
    fn have_every_row_of_any_range_of_keys(
        mut facts in prop::collection::vec(fact(), 1..4_000),
        seed in any::<u64>(),
        [from, to] in any::<[u64; 2]>(),
    ) {
        facts.sort_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
        let content = built(seed, &facts).finish(Tail::default());
        prop_assert_eq!(&content, &built(seed, &facts).finish(Tail::default()), "the same rows make the same bytes");
        let opened = opened(content, facts.len(), seed).unwrap();
        for (from, to) in [(0, u64::MAX), (from.min(to), from.max(to)), (from, from)] {
            prop_assert_eq!(read(&opened, from, to).unwrap(), expected(seed, &facts, from, to));
        }
        let one = person_key(seed, &facts[0].0);
        prop_assert_eq!(read(&opened, one, one).unwrap(), expected(seed, &facts, one, one));
    }
}

#[test]
fn detects_every_damaged_byte() {
    let mut facts: Vec<Fact> = (0..1500)
        .map(|number| {
            let names = [Some("view".to_owned()), None, Some(format!("/page/{}", number % 90)), None, None];
            (format!("user-{:02}", number % 30), number, None, 0, names)
        })
        .collect();
    facts.sort_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
    let content = built(7, &facts).finish(Tail::default());
    let whole = opened(content.clone(), 1500, 7).unwrap();
    assert!(whole.is_same(&opened(content.clone(), 1500, 7).unwrap()).unwrap());
    facts[7].1 += 1;
    let other = opened(built(7, &facts).finish(Tail::default()), 1500, 7).unwrap();
    assert!(!whole.is_same(&other).unwrap(), "one time differs");
    for byte in 0..content.len() {
        let mut damaged = content.clone();
        damaged[byte] ^= 1 << (byte % 8);
        for damaged in [&damaged, &content[..byte]] {
            let checked = opened(damaged.to_vec(), 1500, 7).and_then(|facts| facts.is_same(&whole));
            assert!(checked.is_err(), "byte {byte} of {}", content.len());
        }
    }
    let of_others = [(1499, 7, Tail::default()), (1500, 8, Tail::default()), (1500, 7, Tail { bytes: 1, checksum: 0 })];
    for (rows, seed, tail) in of_others {
        assert!(Facts::open(Source::Memory(content.clone().into()), Head { rows, seed, tail }).is_err());
    }
}
