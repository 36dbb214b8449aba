//! What is fuzzed: each module is a target, a function that takes any bytes and panics when something does not hold.
//!
//! Built by cargo-fuzz, the programs in `fuzz_targets/` let libFuzzer choose the bytes. Built as usual, they run over
//! the files that they are given, and `tests/replay.rs` runs every target over its seeds.

pub mod body;
pub mod catalog;
pub mod event;
pub mod files;
mod format;
pub mod import;
pub mod journal;
mod lake;
pub mod money;
pub mod query;
pub mod spool;

/// The program of a target.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name::run(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            std::env::args_os().skip(1).try_for_each(|path| Ok($crate::$name::run(&std::fs::read(path)?)))
        }
    };
}
