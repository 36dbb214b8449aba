//! Rejected records are written to the rejects file and reported.

use std::sync::Arc;

use super::*;

#[test]
fn writes_rejects_with_line_code_and_text() {
    let shop = Shop::new();
    let header = "userId,type,occurredAt,note\r\n";
    let lines: [&[u8]; 6] = [
        b"u1,search,2026-01-01,\"two\nlines\"\r\n",
        b"u2,search,never,x\r\n",
        b"u3,search,2026-01-01\r\n",
        b"u4,search,2026-01-01,\xff\r\n",
        b"u5,dance,2026-01-01,x\r\n",
        b"u6,search,2026-01-01,\"open\r\n",
    ];
    let file = shop.file("a.csv", [header.as_bytes(), &lines.concat()].concat());
    let report = shop.import(&file, &[]);
    assert_eq!(counts(&report), [6, 1, 0, 5]);
    assert_eq!(report.rejects, Some(shop.rejects_path()));
    assert_eq!(shop.store.events()[0].properties.as_deref(), Some(r#"{"note":"two\nlines"}"#));
    let rejects = shop.rejects();
    let told: Vec<_> =
        rejects.iter().map(|reject| (reject["line"].as_u64().unwrap(), reject["code"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [(4, "invalid_time"), (5, "column_count"), (6, "invalid_utf8"), (7, "unknown_type"), (8, "open_quote")]
    );
    assert_eq!(rejects[0]["record"], 2);
    assert_eq!(rejects[0]["field"], "occurredAt");
    assert_eq!(rejects[0]["raw"], "u2,search,never,x");

    // An import without rejects removes a stale rejects file beside the input.
    let file = shop.file("b.csv", [header.as_bytes(), lines[0]].concat());
    let stale = shop.file("b.csv.rejects.ndjson", "stale");
    let args = ImportArgs { rejects: None, ..shop.args(&file, &[]) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(import_into(shop.store.clone(), &args, &plan(&args).unwrap(), |_| ())).unwrap();
    assert!(!stale.exists());
}

/// Rejects the events of one user.
#[derive(Clone)]
struct Picky(Arc<MemoryStore<Event>>);

impl Store<Event> for Picky {
    async fn append(&self, batch: &[Event]) -> Result<Appended, StoreError> {
        let (bad, good): (Vec<_>, Vec<_>) = batch.iter().cloned().enumerate().partition(|(_, e)| e.user_id == "u3");
        let good: Vec<Event> = good.into_iter().map(|(_, event)| event).collect();
        let stored = self.0.append(&good).await?.stored;
        let refuse = |(index, _)| martech_core::Rejection::unfit(index, "not that one");
        Ok(Appended { stored, rejected: bad.into_iter().map(refuse).collect(), ..Appended::default() })
    }
}

#[test]
fn writes_rejections_of_the_store_with_their_lines() {
    let shop = Shop::new();
    let content = events(15).replace("u4", "");
    let picky = Picky(Arc::new(shop.store.clone()));
    let report = shop.import_to(picky, &shop.file("a.ndjson", content), &["--batch-size", "4"]).unwrap();
    assert_eq!(counts(&report), [15, 11, 0, 4]);
    let lines: Vec<_> = shop.rejects().iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [4, 5, 11, 12]);
    assert_eq!(shop.rejects()[0]["message"], "not that one");
}

#[test]
fn complains_with_the_most_frequent_reasons() {
    let shop = Shop::new();
    let content = |bad: usize| events(20).replacen("search", "dance", bad);
    let report = shop.import(&shop.file("a.ndjson", content(20)), &[]);
    assert_eq!(report.complaint, Some(Complaint::NothingStored));
    assert!(report.complaints()[0].ends_with("a.ndjson: nothing was stored"), "{:?}", report.complaints());
    assert!(report.complaints()[1].starts_with("  20 records: unknown_type (type): "), "{:?}", report.complaints());
    let of = |bad, options: &[&str]| shop.import(&shop.file("b.ndjson", content(bad)), options).complaint;
    assert_eq!(of(2, &[]), None);
    assert_eq!(of(3, &[]), Some(Complaint::TooManyRejected(10.0)));
    assert_eq!(of(3, &["--max-rejects", "15%"]), None);
    assert_eq!(of(1, &["--max-rejects", "0"]), Some(Complaint::TooManyRejected(0.0)));
    assert_eq!(of(0, &["--max-rejects", "0"]), None);
}

#[test]
fn overwrites_a_named_rejects_file_only_with_rejects() {
    let shop = Shop::new();
    let notes = shop.file("rejects", "precious");
    shop.import(&shop.file("a.ndjson", events(1)), &[]);
    assert_eq!(fs::read_to_string(&notes).unwrap(), "precious");
    let link = shop.dir.path().join("link");
    std::os::unix::fs::symlink(&notes, &link).unwrap();
    let args = ImportArgs { rejects: Some(link.clone()), ..shop.args(&shop.file("b.ndjson", "nonsense\n"), &[]) };
    let jobs = plan(&args).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(import_into(shop.store.clone(), &args, &jobs, |_| ())).unwrap();
    assert!(link.is_symlink());
    assert!(fs::read_to_string(&notes).unwrap().contains("\"raw\":\"nonsense\""));
}

#[test]
fn places_rejects_beside_the_file() {
    assert_eq!(rejects_of(&Source::new(Path::new("/shop/a.csv.gz"))), Path::new("/shop/a.csv.gz.rejects.ndjson"));
    assert_eq!(rejects_of(&Source::new(Path::new("a.csv"))), Path::new("a.csv.rejects.ndjson"));
    assert_eq!(rejects_of(&Source::Stdin), Path::new("stdin.rejects.ndjson"));
}
