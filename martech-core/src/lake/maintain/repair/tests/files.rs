use super::*;
use crate::lake::{
    files::{
        events_writer::{EventsWriter, Folders, id_pages, write_sorted},
        facts::FactsBuilder,
        ids,
        schema::column,
    },
    rows::{
        hot::{Encoded, Hot},
        sorted::Sorted,
        window::Days,
    },
};
use arrow_array::{RecordBatch, StringArray, cast::AsArray};

#[tokio::test(flavor = "multi_thread")]
async fn sets_aside_damaged_event_file_and_loses_nothing_else() {
    let made = made().await;
    let entries = catalog(&made).events;
    let mut random = fastrand::Rng::with_seed(1);
    for (number, entry) in entries.iter().enumerate() {
        let left = &ids(0..460) - &ids_in(&made, *entry);
        let path = layout(&made).events_file(entry.id);
        for manner in [number % 3, (number + 1) % 3] {
            let disk = made.copy();
            match manner {
                0 => remove(&disk, &path),
                1 => truncate(&disk, &path, &mut random),
                _ => drop(flip(&disk, &path, &mut random)),
            }

            let kind = if manner == 0 { Kind::EventsMissing } else { Kind::EventsDamaged };
            let losses = repaired(&disk, &format!("{} {manner}", path.display()), &[kind], &left).await;
            assert_eq!(losses.events(), Some(entry.rows));
            assert_eq!(losses.files.len(), 1);
            assert_eq!(layout(&made).root.join(&losses.files[0].path), path);
            let report = disk.read(Path::new("/data").join(&losses.folder).join("report.json")).unwrap();
            assert_eq!(serde_json::from_slice::<Losses>(&report).unwrap(), losses);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_aside_both_of_two_swapped_files() {
    let disk = made().await;
    let entries = catalog(&disk).events;
    let (left, right) = (entries[0], *entries.iter().rev().find(|entry| entry.days == entries[0].days).unwrap());
    let remaining = &(&ids(0..460) - &ids_in(&disk, left)) - &ids_in(&disk, right);
    let paths = [left, right].map(|entry| layout(&disk).events_file(entry.id));
    let contents = paths.clone().map(|path| disk.read(path).unwrap());
    disk.write(&paths[0], contents[1].clone()).unwrap();
    disk.write(&paths[1], contents[0].clone()).unwrap();
    let losses = repaired(&disk, "exchanged", &[Kind::EventsDamaged], &remaining).await;
    assert_eq!(losses.events(), Some(left.rows + right.rows));
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuilds_id_indexes_and_users_files() {
    let made = made().await;
    let mut random = fastrand::Rng::with_seed(2);
    for (folder, kind) in [("ids", Kind::IndexDamaged), ("users", Kind::UsersDamaged)] {
        let files = files_in(&made, folder);
        for (manner, path) in files.iter().cycle().take(files.len().max(4)).enumerate() {
            let disk = made.copy();
            let other = &files[(manner + 1) % files.len()];
            match manner % 4 {
                0 => remove(&disk, path),
                1 => truncate(&disk, path, &mut random),
                2 => drop(flip(&disk, path, &mut random)),
                _ => disk.write(path, disk.read(other).unwrap()).unwrap(),
            }
            let losses = repaired(&disk, &format!("{} {manner}", path.display()), &[kind], &ids(0..460)).await;
            assert_eq!(losses.events(), Some(0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_of_a_crash_are_not_damage() {
    let disk = made().await;
    disk.write("/data/events/0000000777.parquet", "half a file").unwrap();
    disk.write("/data/users/0000000778.tmp", "half a file").unwrap();
    let report = look(&disk);
    assert!(report.is_clean());
    assert_eq!(report.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Orphan; 2]);
    sound(&disk, "orphans", &ids(0..460)).await;
}

/// Writes events to files and adds these to the catalog, without deduplication.
fn force(disk: &SimFs, events: &[Event]) {
    let layout = layout(disk);
    let mut catalog = catalog(disk);
    let mut hot = Hot::default();
    hot.push(Arc::new(Encoded::new(events).into_chunk_without(&[])), 1);
    let (mut entries, sorted) = (Vec::new(), Sorted::by_user([&hot], ""));
    let take_id = || catalog.take_file_id();
    write_sorted(&Shared::new(layout.clone()), &sorted, 16, take_id, &mut entries, &mut Folders::default(), |_| ())
        .unwrap();
    catalog.events.extend(entries);
    catalog.store(&layout).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_one_copy_of_duplicate_events() {
    let made = made().await;
    let twice: Vec<_> = (50..150).map(event).collect();
    let disk = made.copy();
    force(&disk, &twice);
    let found = [Kind::Doubled, Kind::UsersDamaged];
    let losses = repaired(&disk, "doubled", &found, &ids(0..460)).await;
    assert_eq!((losses.events(), losses.copies, losses.conflicts.len()), (Some(0), 100, 0));

    // The copy that was received later is dropped, whichever file holds it.
    let disk = made.copy();
    let later = twice
        .iter()
        .map(|event| Event { received_at: Timestamp::from_millis(START + 9 * 86_400_000), ..event.clone() });
    force(&disk, &later.collect::<Vec<_>>());
    repaired(&disk, "received again", &found, &ids(0..460)).await;
    let received = events_of(&disk).await.into_iter().map(|event| event.received_at).collect::<BTreeSet<_>>();
    assert_eq!(received.len(), 1);

    // If two copies differ, the right one cannot be known.
    let disk = made.copy();
    let differ = |event: &Event| Event { properties: Some(r#"{"page":"/other"}"#.to_owned()), ..event.clone() };
    let mut changed: Vec<_> = twice[..10].iter().map(differ).collect();
    changed.extend_from_slice(&twice[10..20]);
    force(&disk, &changed);
    let left = &ids(0..460) - &ids(50..60);
    let losses = repaired(&disk, "different", &found, &left).await;
    assert_eq!((losses.events(), losses.copies, losses.conflicts.len()), (Some(10), 10, 10));
    assert!(losses.conflicts.iter().all(|conflict| conflict.copies == 2));
}

async fn events_of(disk: &SimFs) -> Vec<Event> {
    let lake = Lake::open(options(disk)).await.unwrap();
    let users = lake.users(UsersQuery { limit: 100, ..UsersQuery::default() }).await.unwrap();
    let mut events = Vec::new();
    for user in users.users {
        events.extend(
            lake.journey(JourneyQuery { limit: 1000, ..JourneyQuery::new(&user.user_id) }).await.unwrap().events,
        );
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn detects_unsorted_file_and_wrong_days() {
    let made = made().await;
    let disk = made.copy();
    let events: Vec<_> = (1000..1040).map(event).collect();
    force(&disk, &events);
    let entry = *catalog(&disk).events.last().unwrap();
    // The same rows in reverse order, with a valid checksum.
    let layout = layout(&disk);
    let (file, mut batches) = (events_file(&disk, entry), Vec::new());
    file.for_each_batch(64, |batch| {
        batches.push(batch.clone());
        Ok(())
    })
    .unwrap();
    let reversed = arrow_array::UInt32Array::from_iter_values((0..batches[0].num_rows() as u32).rev());
    let reversed = arrow_select::take::take_record_batch(&batches[0], &reversed).unwrap();
    let wrong = [(&reversed, 0, Kind::EventsDamaged), (&batches[0], 1, Kind::CatalogWrong)];
    for (batch, later, kind) in wrong {
        let disk = disk.copy();
        let shared = Shared::new(Layout { fs: Arc::new(disk.clone()), ..layout.clone() });
        let mut writer = EventsWriter::create(&shared, 900, 64, 1).unwrap();
        writer.write(batch).unwrap();
        let mut forged = writer.finish(&mut Folders::default()).unwrap();
        forged.days = Days::of_day(entry.days.first() + later);
        edit(&disk, |catalog| {
            catalog.events.pop();
            catalog.events.push(forged);
            catalog.next_file = 901;
        });
        let report = look(&disk);
        assert!(kinds(&report).contains(&kind), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn detects_every_flipped_bit() {
    let made = made().await;
    let newest_frame = {
        let journal = files_in(&made, "journal").pop().unwrap();
        let length = made.read(&journal).unwrap().len() as u64;
        (journal, length)
    };
    // A damaged cache is no damage.
    let files: Vec<_> = made.files().into_iter().filter(|path| !path.starts_with("/data/facts")).collect();
    let mut random = fastrand::Rng::with_seed(3);
    for round in 0..120 {
        let disk = made.copy();
        let path = &files[round % files.len()];
        let offset = flip(&disk, path, &mut random);
        let report = look(&disk);
        // Damage to the newest frame cannot be told from an interrupted write.
        let torn = report.findings.iter().any(|finding| finding.kind == Kind::TornTail);
        let excused = torn && *path == newest_frame.0 && offset > newest_frame.1 / 2;
        assert!(!report.is_clean() || excused, "byte {offset} of {}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_aside_facts_that_contradict_their_events() {
    let disk = made().await;
    let entry = catalog(&disk).events[0];
    let (shared, file) = (Shared::new(layout(&disk)), events_file(&disk, entry));
    let mut wrong = FactsBuilder::new(shared.facts.seed(), 0);
    file.for_each_batch(64, |batch| {
        let mut columns = batch.columns().to_vec();
        columns.swap(column::PAGE, column::PRODUCT);
        wrong.push(&RecordBatch::try_new(batch.schema(), columns).unwrap());
        Ok(())
    })
    .unwrap();
    shared.facts.write(entry.id, &wrong.finish(entry.tail)).unwrap();
    let losses = repaired(&disk, "facts", &[Kind::FactsWrong], &ids(0..460)).await;
    assert_eq!((losses.events(), losses.set_aside.len()), (Some(0), 1));
}

/// Gives every third event of a file properties that older programs accepted. Returns the number of these events.
fn with_halves(disk: &SimFs, entry: EventsEntry) -> u64 {
    let (layout, mut catalog) = (layout(disk), catalog(disk));
    let shared = Shared::new(layout.clone());
    let mut writer = EventsWriter::create(&shared, catalog.take_file_id(), entry.rows as usize, 1).unwrap();
    let mut count = 0;
    events_file(disk, entry)
        .for_each_batch(64, |batch| {
            let properties = batch.column(column::PROPERTIES).as_string::<i32>();
            let halved = properties.iter().enumerate().map(|(row, text)| {
                count += u64::from(row % 3 == 0);
                if row % 3 == 0 { Some(r#"{"q":"cut \ud83d","\udc00":["\ud83d\ude00"]}"#) } else { text }
            });
            let mut columns = batch.columns().to_vec();
            columns[column::PROPERTIES] = Arc::new(halved.collect::<StringArray>());
            writer.write_unchanged(&RecordBatch::try_new(batch.schema(), columns).unwrap())
        })
        .unwrap();
    let made = writer.finish(&mut Folders::default()).unwrap();
    *catalog.events.iter_mut().find(|other| **other == entry).unwrap() = made;
    catalog.store(&layout).unwrap();
    EventsFile::events(entry, &Arc::new(Shared::new(layout.clone())))
        .paths()
        .iter()
        .for_each(|path| remove(disk, path));
    count
}

/// Returns the properties of all events, and whether strict JSON readers accept them.
async fn all_properties(disk: &SimFs) -> Vec<(String, bool)> {
    let lake = Lake::open(options(disk)).await.unwrap();
    let mut texts = Vec::new();
    for user in lake.users(UsersQuery { limit: 100, ..UsersQuery::default() }).await.unwrap().users {
        let journey = lake.journey(JourneyQuery { limit: 1000, ..JourneyQuery::new(user.user_id) }).await.unwrap();
        texts.extend(journey.events.into_iter().filter_map(|event| event.properties));
    }
    lake.close().await.unwrap();
    let is_strict = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    texts.into_iter().map(|text| (text.clone(), is_strict(&text))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_and_merge_replace_lone_surrogates() {
    let disk = made().await;
    let entry = catalog(&disk).events[0];
    let halved = with_halves(&disk, entry);
    assert!(halved > 10);
    let report = look(&disk);
    let finding = report.damage().next().unwrap();
    assert_eq!((finding.kind, finding.events, report.damage().count()), (Kind::HalfCharacters, Some(halved), 1));
    let strict = |texts: &[(String, bool)]| texts.iter().filter(|(_, strict)| *strict).count() as u64;
    assert_eq!(strict(&all_properties(&disk).await), 460 - halved);

    let merged = disk.copy();
    let lake = Lake::open(options(&merged)).await.unwrap();
    lake.compact().await.unwrap();
    lake.close().await.unwrap();
    drop(lake);
    sound(&merged, "merged", &ids(0..460)).await;

    let losses = repaired(&disk, "halves", &[Kind::HalfCharacters], &ids(0..460)).await;
    assert_eq!((losses.events(), losses.files.len()), (Some(0), 0));
    let texts = all_properties(&disk).await;
    assert_eq!(strict(&texts), 460);
    let whole = r#"{"q":"cut \ufffd","\ufffd":["\ud83d\ude00"]}"#;
    assert_eq!(texts.iter().filter(|(text, _)| text == whole).count() as u64, halved);

    // Together with other damage.
    let disk = made().await;
    let entry = catalog(&disk).events[0];
    let halved = with_halves(&disk, entry);
    let index = layout(&disk).ids_file(catalog(&disk).events[0].id);
    disk.flip(&index, 30, 1).unwrap();
    files_in(&disk, "users").iter().for_each(|path| remove(&disk, path));
    let kinds = [Kind::HalfCharacters, Kind::IndexDamaged, Kind::UsersDamaged];
    repaired(&disk, "halves and more", &kinds, &ids(0..460)).await;
    assert_eq!(
        all_properties(&disk).await.iter().filter(|(text, strict)| *strict && text == whole).count() as u64,
        halved
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn first_version_index_works_until_its_file_is_merged() {
    let disk = made().await;
    let layout = layout(&disk);
    edit(&disk, |catalog| {
        for entry in &mut catalog.events {
            let file = events_file(&disk, *entry);
            let pages = id_pages(&file.open().unwrap().1.metadata).unwrap();
            let old = ids::encode_1(&rows_of(&file).unwrap(), &pages);
            let path = layout.ids_file(entry.id);
            entry.bytes = entry.bytes - disk.read(&path).unwrap().len() as u64 + old.len() as u64;
            disk.write(&path, old).unwrap();
        }
    });
    let report = look(&disk);
    assert!(report.is_clean(), "{report}");

    let lake = Lake::open(options(&disk)).await.unwrap();
    let honest: Vec<_> = (0..400).map(event).collect();
    let forged: Vec<_> = honest.iter().map(|event| Event { user_id: "someone else".into(), ..event.clone() }).collect();
    for events in [&honest, &forged] {
        assert_eq!(
            lake.append(events).await.unwrap().duplicates.len(),
            400,
            "file indexes of the first version cannot tell them apart"
        );
    }
    lake.compact().await.unwrap();
    assert_eq!(lake.append(&honest).await.unwrap().duplicates.len(), 400);
    assert_eq!(lake.append(&forged).await.unwrap().rejected.len(), 400);
    lake.close().await.unwrap();
    drop(lake);
    sound(&disk, "merged", &ids(0..460)).await;
}
