//! Verification and repair of a run's disks.

use std::{path::Path, sync::Arc};

use martech_core::{
    lake::{
        repair::{Repair, repair},
        verify::{Kind, Report, VerifyOptions, verify},
    },
    testing::SimFs,
};

fn options(disk: &SimFs, dir: &Path) -> VerifyOptions {
    // With this little memory, checking the ids of a day takes several passes.
    VerifyOptions::new(dir).fs(Arc::new(disk.clone())).memory(512)
}

/// Asserts that no damage is found, apart from torn groups of frames after a power loss.
pub(crate) fn assert_sound(disk: &SimFs, dir: &Path, power_was_lost: bool) {
    let report = look(disk, dir);
    let excused = |kind: Kind| power_was_lost && kind == Kind::JournalDamaged;
    assert!(report.damage().all(|finding| excused(finding.kind)), "{report}");
}

/// Repairs a directory and asserts that no damage is left.
pub(crate) fn repaired(disk: &SimFs, dir: &Path) -> Repair {
    let done = repair(&options(disk, dir), "now", &mut |_| {}).unwrap_or_else(|error| panic!("no repair: {error}"));
    let report = look(disk, dir);
    assert!(report.is_clean(), "after the repair: {report}");
    done
}

fn look(disk: &SimFs, dir: &Path) -> Report {
    verify(&options(disk, dir), &mut |_| {}).unwrap_or_else(|error| panic!("no verdict: {error}"))
}
