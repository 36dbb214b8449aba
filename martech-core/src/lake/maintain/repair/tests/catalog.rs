use super::*;
use crate::lake::LakeError;

#[tokio::test(flavor = "multi_thread")]
async fn rebuilds_catalog_without_losing_or_duplicating_events() {
    let made = made().await;
    let path = Path::new("/data/catalog");
    let mut random = fastrand::Rng::with_seed(4);
    for manner in 0..3 {
        let disk = made.copy();
        match manner {
            0 => remove(&disk, path),
            1 => truncate(&disk, path, &mut random),
            _ => drop(flip(&disk, path, &mut random)),
        }
        let error = Lake::open(options(&disk)).await.unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
        let losses = repaired(&disk, &format!("catalog {manner}"), &[Kind::CatalogDamaged], &ids(0..460)).await;
        assert!(losses.unproven);
        assert_eq!(losses.events(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn detects_damaged_file_without_catalog() {
    let made = made().await;
    let mut random = fastrand::Rng::with_seed(5);
    for entry in catalog(&made).events {
        let disk = made.copy();
        let path = layout(&disk).events_file(entry.id);
        let tail = serde_json::to_value(entry.tail).unwrap()["bytes"].as_u64().unwrap();
        let data = disk.read(&path).unwrap().len() as u64 - tail;
        disk.flip(&path, random.u64(..data), 1 << random.u8(..8)).unwrap();
        remove(&disk, Path::new("/data/catalog"));
        let left = &ids(0..460) - &ids_in(&made, entry);
        let found = [Kind::CatalogDamaged, Kind::EventsDamaged];
        let losses = repaired(&disk, &path.display().to_string(), &found, &left).await;
        assert_eq!((losses.files.len(), losses.events()), (1, None), "the number of events is unknown");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removes_duplicates_if_compacted_files_were_not_deleted() {
    let before = made().await;
    let disk = before.copy();
    let lake = Lake::open(options(&disk)).await.unwrap();
    lake.compact().await.unwrap();
    drop(lake);
    // Simulates a crash before the old files were removed, with the catalog lost as well.
    for (path, content) in tree(&before) {
        if disk.read(&path).is_none() {
            disk.write(&path, content).unwrap();
        }
    }
    remove(&disk, Path::new("/data/catalog"));
    let found = [Kind::CatalogDamaged, Kind::Doubled];
    let losses = repaired(&disk, "both", &found, &ids(0..460)).await;
    assert_eq!((losses.events(), losses.copies), (Some(0), 400));
}

#[tokio::test(flavor = "multi_thread")]
async fn corrects_catalog_that_contradicts_files() {
    type Edit = fn(&mut Catalog);
    let edits: [(&str, Edit, &[Kind]); 7] = [
        ("rows", |catalog| catalog.events[1].rows += 1, &[Kind::CatalogWrong]),
        ("bytes", |catalog| catalog.events[1].bytes += 1, &[Kind::CatalogWrong]),
        ("days", |catalog| catalog.events[1].days = catalog.events[1].days.with(0), &[Kind::CatalogWrong]),
        ("next number", |catalog| catalog.next_file = 2, &[Kind::CatalogDamaged]),
        ("a file twice", |catalog| catalog.events.push(catalog.events[0]), &[Kind::CatalogDamaged]),
        ("rows of users", |catalog| catalog.users[0].rows += 1, &[Kind::UsersDamaged]),
        ("sequence too high", |catalog| catalog.sequence += 2, &[Kind::NotInFiles]),
    ];
    let made = made().await;
    for (what, change, found) in edits {
        let disk = made.copy();
        edit(&disk, change);
        let losses = repaired(&disk, what, found, &ids(0..460)).await;
        assert_eq!((losses.events(), losses.copies), (Some(0), 0), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn detects_sequence_that_is_too_low() {
    let disk = made().await;
    edit(&disk, |catalog| catalog.sequence -= 1);
    let losses = repaired(&disk, "sequence", &[Kind::JournalDamaged], &ids(0..460)).await;
    assert_eq!((losses.frames, losses.events()), (1, None), "the catalog says that there was one more frame");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_files_reveal_event_file_missing_in_catalog() {
    let disk = made().await;
    edit(&disk, |catalog| {
        catalog.events.remove(0);
    });
    let report = look(&disk);
    assert_eq!(kinds(&report), [Kind::UsersDamaged].into(), "{report}");
    assert!(report.findings.iter().any(|finding| finding.kind == Kind::Orphan));
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_format_is_not_damage() {
    let disk = made().await;
    let text = String::from_utf8(disk.read("/data/catalog").unwrap()).unwrap();
    let state = text.lines().next().unwrap().replace("\"format\":3", "\"format\":4");
    let newer = format!("{state}\n{:08x}\n", crc32c::crc32c(state.as_bytes()));
    disk.write("/data/catalog", newer).unwrap();
    let before = tree(&disk);
    let refused = repair(&verify_options(&disk), LABEL, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, LakeError::UnknownFormat { format: 4, .. }), "{refused}");
    assert_eq!(tree(&disk), before);
}
