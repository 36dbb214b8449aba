//! An import that is repeated, or resumed after an interruption, stores each event once.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn ids_do_not_depend_on_compression_or_names() {
    let shop = Shop::new();
    let content = events(5000);
    let (first, second) = content.split_at(content.len() / 2);
    assert_eq!(counts(&shop.import(&shop.file("a.ndjson", &content), &[])), [5000, 5000, 0, 0]);
    let members = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    assert_eq!(counts(&shop.import(&shop.file("b.jsonl.gz", members), &[])), [5000, 0, 5000, 0]);
    let frames = [first, second].map(|part| zstd::encode_all(part.as_bytes(), 1).unwrap()).concat();
    assert_eq!(counts(&shop.import(&shop.file("c.json.zst", frames), &["--batch-size", "7"])), [5000, 0, 5000, 0]);
}

#[test]
fn overlapping_or_reordered_exports_add_only_new_records() {
    let header = "userId,type,occurredAt\n";
    let row = |user: usize| format!("u{user},search,2026-01-0{}\n", user % 9 + 1);
    let export = |users: &mut dyn Iterator<Item = usize>| header.to_owned() + &users.map(row).collect::<String>();
    let shop = Shop::new();
    let first = shop.file("monday.csv", export(&mut (0..100)));
    assert_eq!(counts(&shop.import(&first, &[])), [100, 100, 0, 0]);
    let newest_first = shop.file("tuesday.csv", export(&mut (50..150).rev()));
    assert_eq!(counts(&shop.import(&newest_first, &[])), [100, 50, 50, 0]);
    // Equal rows are separate events.
    let twice = shop.file("twice.csv", export(&mut [7, 8, 7, 7].into_iter()));
    assert_eq!(counts(&shop.import(&twice, &[])), [4, 2, 2, 0]);
    assert_eq!(counts(&shop.import(&twice, &[])), [4, 0, 4, 0]);
}

/// A store that fails permanently after some appends.
struct Failing {
    store: MemoryStore<Event>,
    left: AtomicUsize,
}

impl Store<Event> for Failing {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => self.store.append(batch).await,
            Err(_) => Err(StoreError::fatal("the disk is broken")),
        }
    }
}

#[test]
fn resumes_after_an_interruption() {
    let mut content = events(10_000).replace("u3", "");
    content.insert_str(0, "\n\n");
    for (name, bytes) in [("a.ndjson", content.clone().into_bytes()), ("a.ndjson.gz", gzip(content.as_bytes()))] {
        let shop = Shop::new();
        let file = shop.file(name, bytes);
        let options = ["--batch-size", "100"];
        let store = Failing { store: shop.store.clone(), left: AtomicUsize::new(40) };
        let error = shop.import_to(store, &file, &options).unwrap_err();
        assert!(error.chain().contains("the disk is broken"), "{}", error.chain());
        assert_eq!(shop.states(), 1);
        let stored = shop.store.len();

        // Bytes that a killed import wrote behind its last checkpoint.
        let mut rejects = fs::OpenOptions::new().append(true).open(shop.rejects_path()).unwrap();
        rejects.write_all(b"{\"line\":").unwrap();

        let report = shop.import(&file, &options);
        let resumed = report.resumed_at.unwrap();
        assert!((100..=4900).contains(&resumed) && resumed as usize <= stored * 7 / 6 + 100, "{resumed}");
        let rejected = (0..10_000).filter(|n| n % 7 == 3).count() as u64;
        assert_eq!((report.counts.read, report.counts.rejected), (10_000, rejected));
        assert_eq!(shop.store.len() as u64, 10_000 - rejected);
        let lines: Vec<u64> = shop.rejects().iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, (0..10_000).filter(|n| n % 7 == 3).map(|n| n + 3).collect::<Vec<u64>>());
        assert_eq!(shop.states(), 0);

        // An uninterrupted import produces the same ids.
        let calm = Shop::new();
        calm.import(&calm.file("b.ndjson", &content), &[]);
        let (mut ids, mut calm_ids) = (shop.ids(), calm.ids());
        ids.sort();
        calm_ids.sort();
        assert_eq!(ids, calm_ids);
    }
}

#[test]
fn starts_over_if_the_file_or_options_changed() {
    for (change, options) in [(true, &[][..]), (false, &["--set", "properties.a=b"][..])] {
        let shop = Shop::new();
        let file = shop.file("a.ndjson", events(5000));
        let store = Failing { store: shop.store.clone(), left: AtomicUsize::new(20) };
        shop.import_to(store, &file, &["--batch-size", "100"]).unwrap_err();
        if change {
            shop.file("a.ndjson", events(5001));
        }
        assert_eq!(shop.import(&file, options).resumed_at, None);
        assert_eq!(shop.store.len(), if change { 5001 } else { 5000 });
    }
}

#[test]
fn a_row_added_after_an_interruption_duplicates_nothing() {
    let shop = Shop::new();
    let file = shop.file("a.ndjson", events(5000));
    let store = Failing { store: shop.store.clone(), left: AtomicUsize::new(20) };
    shop.import_to(store, &file, &["--batch-size", "100"]).unwrap_err();
    let stored = shop.store.len() as u64;
    assert!(stored > 0);
    let grown = format!("{{\"userId\":\"new\",\"type\":\"search\",\"occurredAt\":\"2026-01-01\"}}\n{}", events(5000));
    let report = shop.import(&shop.file("a.ndjson", grown), &["--batch-size", "100"]);
    assert_eq!((report.resumed_at, report.counts.stored, report.counts.duplicates), (None, 5001 - stored, stored));
    assert_eq!(shop.store.len(), 5001);
}
