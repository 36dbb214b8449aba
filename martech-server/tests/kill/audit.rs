//! Compares everything that is stored with everything that was sent.

use std::{collections::HashMap, fs, path::Path};

use serde_json::Value;

use crate::{
    client::Client,
    ledger::{Ledger, PRICE_IN_CENTS, STATS, name_of},
};

/// The counts that an audit found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) stored: u64,
    /// Events with an unknown outcome: sent, but never acknowledged.
    pub(crate) unknown_stored: u64,
    pub(crate) unknown_not_stored: u64,
}

/// Reads all users, all journeys and the totals. Asserts that every acknowledged event is stored, that every stored
/// event was sent and is stored once, and that all responses agree.
pub(crate) fn audit(client: &Client<'_>, ledgers: &[Ledger]) -> Found {
    let by_source: HashMap<u32, &Ledger> = ledgers.iter().map(|ledger| (ledger.source, ledger)).collect();
    let mut found: HashMap<u32, Vec<bool>> =
        ledgers.iter().map(|ledger| (ledger.source, vec![false; ledger.events.len()])).collect();
    let users = client.all("/users?sort=userId&limit=7", "users").unwrap();
    let (mut stored, mut purchases) = (0, 0);
    for row in &users {
        let user = row["userId"].as_str().unwrap();
        let events = client.journey(user, 300).unwrap();
        assert_eq!(row["events"].as_u64(), Some(events.len() as u64), "{row}");
        stored += events.len() as u64;
        for event in events {
            let (source, number) = name_of(&event);
            let ledger = by_source.get(&source).unwrap_or_else(|| panic!("{event} was never sent"));
            assert!(ledger.tells(number, &event), "{event} differs from the ledger");
            let known = &mut found.get_mut(&source).unwrap()[number];
            assert!(!std::mem::replace(known, true), "{event} is stored twice");
            purchases += u64::from(ledger.events[number].is_purchase());
        }
    }
    let all = || ledgers.iter().flat_map(|ledger| ledger.events.iter().zip(&found[&ledger.source]));
    let lost: Vec<_> = all().filter(|(sent, found)| sent.acknowledged && !**found).map(|(sent, _)| sent).collect();
    assert!(lost.is_empty(), "{} acknowledged events are lost: {:?} ...", lost.len(), lost[0]);

    let stats = client.get(STATS).unwrap();
    let totals = &stats["totals"];
    assert_eq!(totals["events"].as_u64(), Some(stored), "{totals}");
    assert_eq!(totals["users"].as_u64(), Some(users.len() as u64), "{totals}");
    assert_eq!(totals["orders"].as_u64(), Some(purchases), "{totals}");
    assert_eq!(revenue_in_cents(totals), purchases * PRICE_IN_CENTS, "{totals}");
    let unknown = |was_found: bool| {
        all().filter(|(sent, found)| sent.tried && !sent.acknowledged && **found == was_found).count() as u64
    };
    Found { stored, unknown_stored: unknown(true), unknown_not_stored: unknown(false) }
}

fn revenue_in_cents(totals: &Value) -> u64 {
    let amount = totals["revenue"][0]["amount"].as_str().unwrap_or("0");
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, "0"));
    whole.parse::<u64>().unwrap() * 100 + format!("{cents:0<2}").parse::<u64>().unwrap()
}

/// Returns the number of bytes below a folder, and whether it has a file with a temporary name.
pub(crate) fn look_into(dir: &Path) -> (u64, bool) {
    let (mut bytes, mut unfinished) = (0, false);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        // The server may remove files meanwhile.
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            let (more, of_it) = look_into(&entry.path());
            (bytes, unfinished) = (bytes + more, unfinished || of_it);
        } else {
            bytes += about.len();
            unfinished |= entry.path().extension().is_some_and(|extension| extension == "tmp");
        }
    }
    (bytes, unfinished)
}
