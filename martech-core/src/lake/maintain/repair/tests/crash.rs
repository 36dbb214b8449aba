use super::*;
use crate::{
    lake::LakeError,
    testing::{Crash, Fault, Operation},
};

const OPERATIONS: [Operation; 6] =
    [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncDir, Operation::Remove];

/// Returns a lake with a damaged id index, event file, users file and journal, and the ids that a repair should keep.
async fn ruined() -> (SimFs, Ids) {
    let disk = made().await;
    let entries = catalog(&disk).events;
    let left = &(&ids(0..460) - &ids_in(&disk, entries[0])) - &ids(400..420);
    disk.flip(layout(&disk).events_file(entries[0].id), 300, 1).unwrap();
    disk.flip(layout(&disk).ids_file(entries[1].id), 50, 1).unwrap();
    disk.flip(&files_in(&disk, "users")[0], 50, 1).unwrap();
    disk.flip(files_in(&disk, "journal").pop().unwrap(), 36 + 20 + 100, 4).unwrap();
    (disk.copy(), left)
}

#[tokio::test(flavor = "multi_thread")]
async fn next_repair_completes_a_repair_that_failed() {
    let (ruined, left) = ruined().await;
    let sound_run = ruined.copy();
    let mut resumed = 0;
    let before: Vec<u64> = OPERATIONS.map(|operation| sound_run.count(operation)).into();
    repair(&verify_options(&sound_run), LABEL, &mut |_| {}).unwrap();
    sound(&sound_run, "nothing fails", &left).await;
    for (operation, before) in OPERATIONS.into_iter().zip(before) {
        let count = sound_run.count(operation) - before;
        for skip in (0..count).step_by(count as usize / 6 + 1) {
            let disk = ruined.copy();
            disk.inject(Fault::eio(operation).skip(skip).times(u64::MAX));
            let what = format!("{operation:?} {skip} fails");
            if repair(&verify_options(&disk), LABEL, &mut |_| {}).is_ok() {
                continue;
            }
            for after in [disk.copy(), disk.crash(Crash::LoseUnsynced), disk.crash(Crash::KeepSome { seed: skip })] {
                let half_done = after.read("/data/repair.json").is_some();
                if half_done {
                    assert_eq!(kinds(&look(&after)), [Kind::UnfinishedRepair].into(), "{what}");
                    let refused = Lake::open(options(&after)).await.unwrap_err();
                    assert!(matches!(refused, LakeError::Repairing(_)), "{what}: {refused}");
                }
                let done = repair(&verify_options(&after), "2026-11-23T11-00-00Z", &mut |_| {});
                let done = done.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(done.resumed.is_some(), half_done, "{what}");
                resumed += u32::from(half_done);
                sound(&after, &what, &left).await;
            }
        }
    }
    assert!(resumed > 10, "{resumed} repairs were interrupted after they had decided");
}
