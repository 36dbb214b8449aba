//! Disk events drawn from a seed: faults, power loss, flipped bits.

use std::io::ErrorKind;

use fastrand::Rng;
use martech_core::testing::{Crash, Effect, Fault, Operation, SimFs};

const ENOSPC: i32 = 28;

/// How a run ends that is not interrupted by a power loss.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Close,
    Crash(Crash),
}

pub(crate) fn end(random: &mut Rng) -> End {
    if random.u8(..3) == 0 { End::Close } else { End::Crash(crash(random)) }
}

/// Draws the kind of a crash.
pub(crate) fn crash(random: &mut Rng) -> Crash {
    match random.u8(..4) {
        0 => Crash::LoseUnsynced,
        1 => Crash::Killed,
        _ => Crash::KeepSome { seed: random.u64(..) },
    }
}

/// Draws a fault that applies soon, once or repeatedly until healed.
pub(crate) fn fault(random: &mut Rng) -> Fault {
    const OPERATIONS: [Operation; 15] = [
        Operation::Create,
        Operation::Open,
        Operation::Read,
        Operation::Write,
        Operation::Write,
        Operation::Write,
        Operation::Sync,
        Operation::Sync,
        Operation::Truncate,
        Operation::Rename,
        Operation::Remove,
        Operation::CreateDir,
        Operation::List,
        Operation::SyncDir,
        Operation::SyncDir,
    ];
    let operation = OPERATIONS[random.usize(..OPERATIONS.len())];
    let short = matches!(operation, Operation::Read | Operation::Write);
    let effect = match random.u8(..6) {
        0 if short => Effect::Short(random.usize(1..200)),
        1 if short => Effect::Fail(ErrorKind::Interrupted),
        0 | 1 => Effect::Os(ENOSPC),
        _ => return limit(random, Fault::eio(operation)),
    };
    limit(random, Fault::new(operation, effect))
}

fn limit(random: &mut Rng, fault: Fault) -> Fault {
    let fault = fault.skip([0, random.u64(..4), random.u64(..16)][random.usize(..3)]);
    match random.u8(..6) {
        0 => fault.times(2),
        1 => fault.times(1000),
        _ => fault,
    }
}

/// Flips one bit of a file, sometimes with a few nearby. Returns the place.
pub(crate) fn flip(random: &mut Rng, disk: &SimFs) -> Option<String> {
    let files: Vec<_> =
        disk.files().into_iter().filter(|file| disk.read(file).is_some_and(|it| !it.is_empty())).collect();
    let file = files.get(random.usize(..files.len().max(1)))?;
    let len = disk.read(file)?.len() as u64;
    let (offset, mask) = (random.u64(..len), 1 << random.u8(..8));
    disk.flip(file, offset, mask).unwrap();
    if random.bool() {
        disk.flip(file, (offset + random.u64(1..16)).min(len - 1), random.u8(1..)).unwrap();
    }
    Some(format!("{} at {offset} of {len}", file.display()))
}
