//! Tests of `verify` and `repair` on a lake with files of several rolls, compacted files and hot events. The tests
//! damage the lake in many ways. A check must find the damage without changing a byte, and after a repair exactly the
//! expected events must remain.

mod catalog;
mod crash;
mod files;
mod journal;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use uuid::Uuid;

use super::{Losses, repair};
use crate::{
    event::{Event, EventId, EventRules, EventType, Timestamp},
    fs::FileSystem,
    journal::{Journal, JournalOptions},
    lake::{
        Lake,
        files::{
            catalog::{Catalog, EventsEntry},
            layout::Layout,
            live::{EventsFile, Shared},
        },
        maintain::verify::{Kind, Report, VerifyOptions, rows_of, verify},
        options::LakeOptions,
    },
    query::{JourneyQuery, Reader, UsersQuery},
    store::Store,
    testing::SimFs,
};

const START: i64 = 1_760_000_000_000;
const LABEL: &str = "2026-11-23T10-00-00Z";

type Ids = BTreeSet<EventId>;
type Tree = BTreeMap<PathBuf, Vec<u8>>;

fn options(disk: &SimFs) -> LakeOptions {
    LakeOptions { fs: Arc::new(disk.clone()), auto_compaction: false, ..LakeOptions::new("/data") }
}

fn verify_options(disk: &SimFs) -> VerifyOptions {
    // With this little memory, the ids of a day take several passes.
    VerifyOptions { fs: Arc::new(disk.clone()), memory: 512, ..VerifyOptions::new("/data") }
}

fn layout(disk: &SimFs) -> Layout {
    Layout { fs: Arc::new(disk.clone()), root: PathBuf::from("/data") }
}

fn event(number: u64) -> Event {
    let id = EventId(Uuid::new_v5(&Uuid::NAMESPACE_OID, &number.to_le_bytes()));
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let kind = if number.is_multiple_of(7) { EventType::PURCHASE } else { EventType::PAGE_VIEW };
    Event::builder(format!("user-{}", random % 23), kind)
        .id(id)
        .occurred_at(Timestamp::from_millis(START + (random % (2 * 86_400_000)) as i64))
        .received_at(Timestamp::from_millis(START + 3 * 86_400_000))
        .property("total", format!("{}.50", random % 90))
        .property("page", format!("/page/{}", number % 5))
        .build(&EventRules::default())
        .unwrap()
}

fn ids(numbers: std::ops::Range<u64>) -> Ids {
    numbers.map(|number| event(number).id).collect()
}

/// Makes a lake. Events 0..400 are in files, and files of the first 200 were compacted. Events 400..460 are in three
/// frames of the journal.
async fn made() -> SimFs {
    let disk = SimFs::new();
    let lake = Lake::open(options(&disk)).await.unwrap();
    for first in [0, 100, 200, 300] {
        let events: Vec<_> = (first..first + 100).map(event).collect();
        assert_eq!(lake.append(&events).await.unwrap().stored, 100);
        lake.roll().await.unwrap();
        if first == 100 {
            lake.compact().await.unwrap();
        }
    }
    for first in [400, 420, 440] {
        let events: Vec<_> = (first..first + 20).map(event).collect();
        assert_eq!(lake.append(&events).await.unwrap().stored, 20);
    }
    lake.close().await.unwrap();
    drop(lake);
    // Opening the journal once more removes the zeros after the newest frame, so that tests damage bytes of that frame.
    let sizes = JournalOptions { segment_bytes: 1 << 20, capacity_bytes: 1 << 20 };
    drop(Journal::open(Arc::new(disk.clone()), Path::new("/data/journal"), sizes).unwrap());
    disk
}

fn tree(disk: &SimFs) -> Tree {
    disk.files().into_iter().map(|path| (path.clone(), disk.read(&path).unwrap())).collect()
}

/// Returns the files below a folder of the data folder.
fn files_in(disk: &SimFs, folder: &str) -> Vec<PathBuf> {
    let folder = Path::new("/data").join(folder);
    disk.files().into_iter().filter(|path| path.starts_with(&folder)).collect()
}

fn catalog(disk: &SimFs) -> Catalog {
    Catalog::load(&layout(disk)).unwrap().unwrap()
}

fn edit(disk: &SimFs, change: impl FnOnce(&mut Catalog)) {
    let mut catalog = catalog(disk);
    change(&mut catalog);
    catalog.store(&layout(disk)).unwrap();
}

fn events_file(disk: &SimFs, entry: EventsEntry) -> Arc<EventsFile> {
    EventsFile::events(entry, &Arc::new(Shared::new(layout(disk))))
}

fn ids_in(disk: &SimFs, entry: EventsEntry) -> Ids {
    rows_of(&events_file(disk, entry)).unwrap().into_iter().map(|row| EventId::from_bytes(row.id)).collect()
}

/// Checks the folder, and asserts that no byte changed.
fn look(disk: &SimFs) -> Report {
    let before = tree(disk);
    let report = verify(&verify_options(disk), &mut |_| {}).unwrap();
    assert_eq!(tree(disk), before);
    report
}

fn kinds(report: &Report) -> BTreeSet<Kind> {
    report.damage().map(|finding| finding.kind).collect()
}

/// Asserts that the check finds exactly these kinds of damage, repairs the folder, and asserts that it is sound and
/// holds exactly `left`.
async fn repaired(disk: &SimFs, what: &str, expected: &[Kind], left: &Ids) -> Losses {
    let report = look(disk);
    assert_eq!(kinds(&report), expected.iter().copied().collect(), "{what}: {report}");
    let before = tree(disk);
    let done = repair(&verify_options(disk), LABEL, &mut |_| {}).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(done.resumed.is_none(), "{what}");
    let losses = done.losses.unwrap();
    // Every file except the catalog is still at its path, or was moved aside.
    let after = tree(disk);
    for (path, content) in before {
        let aside = Path::new("/data").join(&losses.folder).join(path.strip_prefix("/data").unwrap());
        let kept = after.get(&path) == Some(&content) || after.get(&aside) == Some(&content);
        assert!(kept || path.ends_with("catalog"), "{what}: {} is gone", path.display());
    }
    sound(disk, what, left).await;
    losses
}

/// Asserts that there is no damage and that the lake holds exactly `left`, before and after a compaction and a roll.
async fn sound(disk: &SimFs, what: &str, left: &Ids) {
    let report = look(disk);
    assert!(report.is_clean(), "{what}: {report}");
    assert_eq!(report.checked.events + report.checked.hot_events, left.len() as u64, "{what}");
    let lake = Lake::open(options(disk)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(all_ids(&lake).await, left.iter().copied().collect::<Vec<_>>(), "{what}");
    let again: Vec<_> = (0..460).map(event).collect();
    let stored = lake.append(&again).await.unwrap().stored;
    assert_eq!(stored, again.len() - left.len(), "{what}: dedupe recognizes the remaining events");
    lake.compact().await.unwrap();
    lake.roll().await.unwrap();
    lake.close().await.unwrap();
    drop(lake);
    let report = look(disk);
    assert!(report.is_clean(), "{what}: after another opening: {report}");
}

/// Returns the ids of all events, read through users and journeys.
async fn all_ids(lake: &Lake) -> Vec<EventId> {
    let users = lake.users(UsersQuery { limit: 100, ..UsersQuery::default() }).await.unwrap();
    assert!(users.next.is_none());
    let mut ids = Vec::new();
    for user in users.users {
        let journey = lake.journey(JourneyQuery { limit: 1000, ..JourneyQuery::new(&user.user_id) }).await.unwrap();
        assert_eq!(journey.events.len() as u64, user.events, "of {}", user.user_id);
        ids.extend(journey.events.iter().map(|event| event.id));
    }
    ids.sort_unstable();
    ids
}

fn remove(disk: &SimFs, path: &Path) {
    disk.remove(path).unwrap();
}

fn truncate(disk: &SimFs, path: &Path, random: &mut fastrand::Rng) {
    let mut content = disk.read(path).unwrap();
    content.truncate(random.usize(..content.len()));
    disk.write(path, content).unwrap();
}

fn flip(disk: &SimFs, path: &Path, random: &mut fastrand::Rng) -> u64 {
    let offset = random.u64(..disk.read(path).unwrap().len() as u64);
    disk.flip(path, offset, 1 << random.u8(..8)).unwrap();
    offset
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_of_sound_lake_changes_nothing() {
    let disk = made().await;
    let report = look(&disk);
    assert!(report.findings.is_empty(), "{report}");
    let checked = report.checked;
    assert_eq!((checked.events, checked.hot_events, checked.journal_frames), (400, 60, 3));
    let before = tree(&disk);
    let done = repair(&verify_options(&disk), LABEL, &mut |_| {}).unwrap();
    assert!(done.losses.is_none());
    assert_eq!(tree(&disk), before);
    sound(&disk, "sound", &ids(0..460)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_fails_for_folder_without_lake() {
    let disk = SimFs::new();
    disk.create_dir_all(Path::new("/data")).unwrap();
    let error = verify(&verify_options(&disk), &mut |_| {}).unwrap_err();
    assert!(matches!(error, crate::lake::LakeError::NoLake(_)), "{error}");
}
