use super::*;
use crate::{
    journal::{Journal, JournalOptions},
    lake::rows::hot::Encoded,
    testing::{Fault, Operation},
};

fn segment(disk: &SimFs) -> PathBuf {
    files_in(disk, "journal").pop().unwrap()
}

/// Appends a frame that the lake would never write.
async fn append(disk: &SimFs, payload: Vec<u8>) {
    let sizes = JournalOptions { segment_bytes: 1 << 20, capacity_bytes: 1 << 20 };
    let (journal, _) = Journal::open(Arc::new(disk.clone()), Path::new("/data/journal"), sizes).unwrap();
    journal.append(payload).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_frame_loses_only_its_own_events() {
    let disk = made().await;
    disk.flip(segment(&disk), 36 + 20 + 100, 4).unwrap();
    let left = &ids(0..460) - &ids(400..420);
    let losses = repaired(&disk, "frame", &[Kind::JournalDamaged], &left).await;
    assert_eq!((losses.frames, losses.events()), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_segment_header_loses_nothing() {
    let disk = made().await;
    disk.flip(segment(&disk), 20, 4).unwrap();
    let losses = repaired(&disk, "header", &[Kind::JournalDamaged], &ids(0..460)).await;
    assert_eq!((losses.frames, losses.events()), (0, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_tail_is_not_damage() {
    let disk = made().await;
    let mut content = disk.read(segment(&disk)).unwrap();
    content.truncate(content.len() - 7);
    disk.write(segment(&disk), content).unwrap();
    let report = look(&disk);
    assert!(report.is_clean());
    assert_eq!(report.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::TornTail]);
    sound(&disk, "torn", &ids(0..440)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn detects_missing_journal() {
    let disk = made().await;
    files_in(&disk, "journal").iter().for_each(|path| remove(&disk, path));
    repaired(&disk, "gone", &[Kind::JournalDamaged], &ids(0..400)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_aside_frame_without_events() {
    let disk = made().await;
    append(&disk, vec![0xff; 50]).await;
    assert!(Lake::open(options(&disk)).await.is_err());
    let losses = repaired(&disk, "strange", &[Kind::JournalDamaged], &ids(0..460)).await;
    assert_eq!(losses.frames, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_one_copy_of_event_in_file_and_journal() {
    let disk = made().await;
    let twice: Vec<_> = (90..110).chain(455..465).map(event).collect();
    append(&disk, Encoded::new(&twice).into_chunk_without(&[]).bytes().to_vec()).await;
    let left = ids(0..465);
    let report = look(&disk);
    assert_eq!(kinds(&report), [Kind::Doubled].into(), "{report}");
    assert_eq!(report.damage().map(|finding| finding.events.unwrap()).sum::<u64>(), 25);
    let done = repair(&verify_options(&disk), LABEL, &mut |_| {}).unwrap();
    assert_eq!(done.losses.unwrap().copies, 25);
    let report = look(&disk);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.checked.events, report.checked.hot_events), (left.len() as u64, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn recovers_events_of_lost_file_from_journal() {
    let disk = made().await;
    // A rolled lake with the journal from before it was trimmed.
    let journal = (segment(&disk), disk.read(segment(&disk)).unwrap());
    let lake = Lake::open(options(&disk)).await.unwrap();
    lake.roll().await.unwrap();
    lake.close().await.unwrap();
    drop(lake);
    disk.write(&journal.0, journal.1).unwrap();
    let rolled = *catalog(&disk).events.last().unwrap();
    let lost = ids_in(&disk, rolled).len() as u64;
    assert!(lost > 0);
    remove(&disk, &layout(&disk).events_file(rolled.id));
    let losses = repaired(&disk, "lost and recovered", &[Kind::EventsMissing], &ids(0..460)).await;
    assert_eq!((losses.recovered, losses.events()), (lost, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_files_count_as_damage() {
    let made = made().await;
    let entry = catalog(&made).events[0];
    let file = layout(&made).events_file(entry.id);
    for (path, kind, left) in [
        (segment(&made), Kind::JournalDamaged, ids(0..400)),
        (file.clone(), Kind::EventsDamaged, &ids(0..460) - &ids_in(&made, entry)),
        (layout(&made).ids_file(entry.id), Kind::IndexDamaged, ids(0..460)),
        (files_in(&made, "users")[0].clone(), Kind::UsersDamaged, ids(0..460)),
        (layout(&made).catalog(), Kind::CatalogDamaged, ids(0..460)),
    ] {
        let disk = made.copy();
        disk.inject(Fault::eio(Operation::Read).below(&path).forever());
        let what = path.display().to_string();
        let report = look(&disk);
        assert_eq!(kinds(&report), [kind].into(), "{what}: {report}");
        let losses = repair(&verify_options(&disk), LABEL, &mut |_| {}).unwrap().losses.unwrap();
        assert_eq!(losses.unreadable, kind == Kind::JournalDamaged, "{what}");
        assert_eq!(losses.events().is_none(), kind == Kind::JournalDamaged, "{what}");
        disk.heal();
        sound(&disk, &what, &left).await;
    }
}
