//! The simulated disk gives the guarantees of a real one and no more. Also tests `fs::replace` on top of it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{io::ErrorKind, path::Path, sync::Arc};

use martech_core::{
    fs::{Disk, File, FileSystem, replace},
    testing::{Crash, Effect, Fault, Operation, SimFs},
};

fn with_dir() -> SimFs {
    let disk = SimFs::new();
    disk.create_dir_all(Path::new("d/e")).unwrap();
    disk
}

fn create(disk: &SimFs, path: &str) -> Arc<dyn File> {
    disk.create(Path::new(path)).unwrap()
}

fn put(file: &Arc<dyn File>, content: &[u8]) {
    append(file, content).unwrap();
}

fn append(file: &Arc<dyn File>, content: &[u8]) -> std::io::Result<()> {
    file.write_all_at(content, file.len()?)
}

fn lost(disk: &SimFs, path: &str) -> Option<Vec<u8>> {
    disk.crash(Crash::LoseUnsynced).read(path)
}

#[test]
fn file_and_name_are_durable_after_their_syncs() {
    let disk = with_dir();
    let file = create(&disk, "d/a");
    put(&file, b"one");
    file.sync().unwrap();
    assert_eq!(lost(&disk, "d/a"), None);
    disk.sync_dir(Path::new("d")).unwrap();
    put(&file, b"two");
    assert_eq!(lost(&disk, "d/a").unwrap(), b"one");
    assert_eq!(disk.read("d/a").unwrap(), b"onetwo");
    assert_eq!(disk.copy().read("d/a").unwrap(), b"onetwo");
    file.sync().unwrap();
    assert_eq!(lost(&disk, "./d//a").unwrap(), b"onetwo");
}

#[test]
fn truncation_is_durable_after_file_sync() {
    let disk = with_dir();
    disk.write("d/a", *b"durable").unwrap();
    let file = disk.open(Path::new("d/a")).unwrap();
    file.truncate(3).unwrap();
    put(&file, b"X");
    file.truncate(2).unwrap();
    put(&file, b"YZ");
    assert_eq!(disk.read("d/a").unwrap(), b"duYZ");
    assert_eq!(lost(&disk, "d/a").unwrap(), b"durable");
    file.sync().unwrap();
    assert_eq!(lost(&disk, "d/a").unwrap(), b"duYZ");
}

#[test]
fn renames_and_removals_are_durable_after_directory_sync() {
    let disk = with_dir();
    disk.write("d/old", *b"old").unwrap();
    disk.write("d/gone", *b"gone").unwrap();
    let file = create(&disk, "d/new");
    put(&file, b"new");
    file.sync().unwrap();
    disk.rename(Path::new("d/new"), Path::new("d/old")).unwrap();
    disk.remove(Path::new("d/gone")).unwrap();
    assert_eq!((lost(&disk, "d/old").unwrap(), lost(&disk, "d/gone").unwrap()), (b"old".to_vec(), b"gone".to_vec()));
    disk.sync_dir(Path::new("d")).unwrap();
    assert_eq!(disk.crash(Crash::LoseUnsynced).files(), [Path::new("d/old")]);
    assert_eq!(lost(&disk, "d/old").unwrap(), b"new");

    // Into another directory: the change belongs to the new directory, and the old name does not come back.
    create(&disk, "d/b");
    disk.rename(Path::new("d/b"), Path::new("d/e/b")).unwrap();
    disk.sync_dir(Path::new("d/e")).unwrap();
    disk.sync_dir(Path::new("d")).unwrap();
    assert_eq!(disk.crash(Crash::LoseUnsynced).files(), [Path::new("d/e/b"), Path::new("d/old")]);
}

#[test]
fn failed_sync_loses_pages_despite_later_success() {
    let disk = with_dir();
    disk.write("d/a", *b"safe").unwrap();
    let file = disk.open(Path::new("d/a")).unwrap();
    put(&file, b"lost");
    disk.inject(Fault::eio(Operation::Sync));
    file.sync().unwrap_err();
    put(&file, b"kept");
    file.sync().unwrap();
    assert_eq!(disk.read("d/a").unwrap(), b"safelostkept");
    assert_eq!(lost(&disk, "d/a").unwrap(), b"safe\0\0\0\0kept");
}

#[test]
fn torn_crash_keeps_durable_data_and_is_deterministic() {
    let disk = with_dir();
    disk.write("d/a", vec![1; 1_000]).unwrap();
    let file = disk.open(Path::new("d/a")).unwrap();
    put(&file, &vec![2; 10_000]);
    create(&disk, "d/b");
    let outcomes: Vec<_> = (0..50).map(|seed| disk.crash(Crash::KeepSome { seed })).collect();
    for (seed, outcome) in (0..).zip(&outcomes) {
        let content = outcome.read("d/a").unwrap();
        assert!(content[..1_000].iter().all(|byte| *byte == 1));
        assert!(content[1_000..].iter().all(|byte| *byte == 2 || *byte == 0));
        assert_eq!(disk.crash(Crash::KeepSome { seed }).read("d/a").unwrap(), content);
    }
    let any = |check: &dyn Fn(&SimFs) -> bool| outcomes.iter().any(check);
    assert!(any(&|disk| disk.read("d/a").unwrap().contains(&0)), "no sector was lost");
    assert!(
        any(&|disk| disk.read("d/a").unwrap().len() > 5_000) && any(&|disk| disk.read("d/a").unwrap().len() < 5_000)
    );
    assert!(any(&|disk| disk.read("d/b").is_some()) && any(&|disk| disk.read("d/b").is_none()));
}

#[test]
fn unsynced_data_can_be_lost_after_a_kill() {
    let disk = with_dir();
    disk.write("d/old", *b"old").unwrap();
    let file = create(&disk, "d/new");
    put(&file, b"new");
    file.sync().unwrap();
    disk.rename(Path::new("d/new"), Path::new("d/old")).unwrap();
    put(&file, b"er");
    let killed = disk.crash(Crash::Killed);
    assert_eq!(killed.read("d/old").unwrap(), b"newer");
    assert_eq!(killed.used(), 5);
    assert_eq!(lost(&killed, "d/old").unwrap(), b"old");
    killed.sync_dir(Path::new("d")).unwrap();
    assert_eq!(lost(&killed, "d/old").unwrap(), b"new");
    killed.open(Path::new("d/old")).unwrap().sync().unwrap();
    assert_eq!(lost(&killed, "d/old").unwrap(), b"newer");
    assert_eq!(lost(&disk, "d/old").unwrap(), b"old", "the other disk does not have it");
}

#[test]
fn directories_lose_newest_changes_independently() {
    let disk = with_dir();
    disk.create_dir_all(Path::new("f")).unwrap();
    for name in ["d/1", "f/1", "d/2", "f/2"] {
        create(&disk, name);
    }
    let outcomes: Vec<_> = (0..200).map(|seed| disk.crash(Crash::KeepSome { seed })).collect();
    let there = |disk: &SimFs, name: &str| disk.read(name).is_some();
    assert!(outcomes.iter().all(|disk| there(disk, "d/1") || !there(disk, "d/2")));
    assert!(outcomes.iter().any(|disk| there(disk, "d/2") && !there(disk, "f/1")));
    assert!(outcomes.iter().any(|disk| there(disk, "f/2") && !there(disk, "d/1")));
}

#[test]
fn lost_directory_loses_its_contents() {
    let disk = with_dir();
    disk.inject(Fault::eio(Operation::SyncDir).below("d"));
    disk.create_dir_all(Path::new("d/new")).unwrap_err();
    create(&disk, "d/new/a").sync().unwrap();
    disk.sync_dir(Path::new("d/new")).unwrap();
    assert_eq!(lost(&disk, "d/new/a"), None);
    // Repeating the call makes the existing directory durable.
    disk.create_dir_all(Path::new("d/new")).unwrap();
    assert_eq!(lost(&disk, "d/new/a").unwrap(), b"");
}

#[test]
fn writes_after_truncation_may_mix_with_truncated_bytes() {
    let disk = with_dir();
    disk.write("d/a", vec![1; 4096]).unwrap();
    let file = disk.open(Path::new("d/a")).unwrap();
    file.truncate(1024).unwrap();
    put(&file, &vec![2; 1024]);
    let outcomes: Vec<_> = (0..200).map(|seed| disk.crash(Crash::KeepSome { seed }).read("d/a").unwrap()).collect();
    assert!(outcomes.iter().all(|content| content[..1024] == [1; 1024]));
    let has = |content: &[u8], byte: u8| content[1024..].contains(&byte);
    assert!(outcomes.iter().any(|content| content.len() == 4096 && has(content, 1) && has(content, 2)));
    assert!(outcomes.iter().any(|content| content.len() == 2048 && has(content, 2)));
    assert!(outcomes.iter().any(|content| content.len() == 1024));
}

#[test]
fn overwritten_sectors_are_old_or_new() {
    let disk = with_dir();
    disk.write("d/a", vec![1; 4096]).unwrap();
    let file = disk.open(Path::new("d/a")).unwrap();
    file.write_all_at(&[2; 1024], 1024).unwrap();
    assert_eq!(disk.used(), 4096);
    assert_eq!(lost(&disk, "d/a").unwrap(), [1; 4096]);
    let outcomes: Vec<_> = (0..100).map(|seed| disk.crash(Crash::KeepSome { seed }).read("d/a").unwrap()).collect();
    for content in &outcomes {
        assert_eq!(content.len(), 4096, "nothing was cut");
        assert!(content[..1024] == [1; 1024] && content[2048..] == [1; 2048]);
        assert!(content[1024..2048].chunks(512).all(|sector| sector == [1; 512] || sector == [2; 512]));
    }
    assert!(outcomes.iter().any(|content| content[1024..1536] != content[1536..2048]), "no write was torn");
    disk.inject(Fault::eio(Operation::Sync));
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(lost(&disk, "d/a").unwrap(), [1; 4096], "given up by the sync that failed");
    file.write_all_at(&[3; 512], 1024).unwrap();
    file.sync().unwrap();
    assert_eq!(lost(&disk, "d/a").unwrap()[..2048], [[1; 1024].as_slice(), &[3; 512], &[1; 512]].concat());
}

#[test]
fn power_is_lost_at_the_scheduled_change() {
    let disk = with_dir();
    let file = create(&disk, "d/a");
    disk.lose_power_after(2, Crash::Killed);
    put(&file, b"one");
    put(&file, b"two");
    assert!(disk.after_power_loss().is_none());
    assert_eq!(file.read_at(&mut [0; 3], 0).unwrap(), 3, "reading changes nothing");
    assert_eq!(append(&file, b"three").unwrap_err().raw_os_error(), Some(5));
    assert_eq!(disk.after_power_loss().unwrap().read("d/a").unwrap(), b"onetwo");
    file.sync().unwrap_err();
    file.read_at(&mut [0; 3], 0).unwrap_err();
    let again = with_dir();
    create(&again, "d/a");
    assert_ne!(again.fingerprint(), disk.fingerprint());
}

#[test]
fn changes_are_blocked_until_released() {
    let disk = with_dir();
    let file = create(&disk, "d/a");
    let held = disk.hold();
    let writer = std::thread::spawn({
        let file = file.clone();
        move || put(&file, b"held")
    });
    held.wait();
    assert_eq!(file.len().unwrap(), 0);
    drop(held);
    writer.join().unwrap();
    assert_eq!(file.len().unwrap(), 4);
}

#[test]
fn space_is_limited_and_freed() {
    let disk = with_dir();
    disk.set_capacity(10);
    let (a, b) = (create(&disk, "d/a"), create(&disk, "d/b"));
    put(&a, b"123456");
    assert_eq!(b.write_at(b"12345", 0).unwrap(), 4);
    assert_eq!(b.write_at(b"5", 4).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(b.write_at(b"", 4).unwrap(), 0);
    assert_eq!(b.write_at(b"1234", 0).unwrap(), 4, "overwriting needs no more space");
    a.truncate(5).unwrap();
    put(&b, b"5");
    disk.remove(Path::new("d/a")).unwrap();
    assert_eq!(disk.used(), 5);
    put(&b, b"67890");
    drop((a, b));
    assert_eq!(disk.used(), 10);
    disk.rename(Path::new("d/b"), Path::new("d/c")).unwrap();
    create(&disk, "d/b");
    disk.rename(Path::new("d/b"), Path::new("d/c")).unwrap();
    assert_eq!(disk.used(), 0);
}

#[test]
fn faults_match_operation_count_and_path() {
    let disk = with_dir();
    let (a, b) = (create(&disk, "d/a"), create(&disk, "d/e/b"));
    disk.inject(Fault::new(Operation::Write, Effect::Fail(ErrorKind::TimedOut)).skip(1).times(2).below("d/e"));
    let write = |file: &Arc<dyn File>| file.write_at(b"x", file.len().unwrap()).map_err(|error| error.kind());
    assert_eq!([write(&b), write(&a), write(&b)], [Ok(1), Ok(1), Err(ErrorKind::TimedOut)]);
    assert_eq!([write(&a), write(&b), write(&b)], [Ok(1), Err(ErrorKind::TimedOut), Ok(1)]);
    assert_eq!(disk.count(Operation::Write), 6);
    disk.inject(Fault::eio(Operation::List).forever());
    assert_eq!(disk.list(Path::new("d")).unwrap_err().raw_os_error(), Some(5));
    disk.list(Path::new("d")).unwrap_err();
    disk.heal();
    disk.list(Path::new("d")).unwrap();
    disk.flip("d/a", 1, 0b11).unwrap();
    assert_eq!(disk.read("d/a").unwrap(), [b'x', b'x' ^ 3]);
    disk.flip("d/a", 2, 1).unwrap_err();
}

/// Both file systems return the same results for the same calls.
#[test]
fn results_match_the_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let sim = SimFs::new();
    sim.create_dir_all(dir.path()).unwrap();
    let answers = |fs: &dyn FileSystem| {
        let path = |name: &str| dir.path().join(name);
        let kind = |result: std::io::Result<()>| result.map_err(|error| error.kind());
        let mut answers = vec![
            kind(fs.create_dir_all(&path("a/b"))),
            kind(fs.create_dir_all(&path("a/b"))),
            kind(fs.create(&path("a/f")).map(drop)),
            kind(fs.create(&path("a/f")).map(drop)),
            kind(fs.create(&path("no/f")).map(drop)),
            kind(fs.open(&path("a/g")).map(drop)),
            kind(fs.remove(&path("a/g"))),
            kind(fs.rename(&path("a/g"), &path("a/h"))),
            kind(fs.rename(&path("a/f"), &path("no/f"))),
            kind(fs.remove_dir(&path("a"))),
            kind(fs.remove_dir(&path("no"))),
            kind(fs.list(&path("no")).map(drop)),
            kind(fs.sync_dir(&path("a"))),
            kind(fs.sync_dir(&path("no"))),
        ];
        let file = fs.open(&path("a/f")).unwrap();
        file.write_all_at(b"hello, you", 0).unwrap();
        file.write_all_at(b" world", 5).unwrap();
        let mut buffer = [0; 5];
        file.read_exact_at(&mut buffer, 6).unwrap();
        assert_eq!(&buffer, b"world");
        assert_eq!((file.read_at(&mut buffer, 9).unwrap(), file.read_at(&mut buffer, 11).unwrap()), (2, 0));
        assert_eq!(file.read_at(&mut buffer, 99).unwrap(), 0);
        answers.push(kind(file.read_exact_at(&mut buffer, 8)));
        file.truncate(5).unwrap();
        file.write_all_at(b"!", 5).unwrap();
        assert_eq!(file.len().unwrap(), 6);
        fs.rename(&path("a/f"), &path("a/g")).unwrap();
        let listed = fs.list(&path("a")).unwrap();
        fs.remove(&path("a/g")).unwrap();
        assert_eq!(file.len().unwrap(), 6, "an open file outlives its name");
        fs.remove_dir(&path("a/b")).unwrap();
        (answers, listed)
    };
    assert_eq!(answers(&sim), answers(&Disk));
}

#[test]
fn replaced_file_is_old_or_new_after_any_fault() {
    let path = Path::new("d/catalog");
    for operation in [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncDir] {
        let disk = with_dir();
        replace(&disk, path, b"old").unwrap();
        disk.inject(Fault::eio(operation));
        replace(&disk, path, b"new").unwrap_err();
        assert_eq!(disk.files(), [path], "{operation:?} leaves a file behind");
        for seed in 0..20 {
            let after = disk.crash(Crash::KeepSome { seed }).read(path).unwrap();
            assert!(after == b"old" || after == b"new", "{operation:?}: {after:?}");
        }
        replace(&disk, path, b"newer").unwrap();
        assert_eq!(lost(&disk, "d/catalog").unwrap(), b"newer");
    }
}

#[test]
fn replaces_file_in_the_working_directory() {
    let disk = SimFs::new();
    replace(&disk, Path::new("catalog"), b"x").unwrap();
    assert_eq!(lost(&disk, "catalog").unwrap(), b"x");
}
