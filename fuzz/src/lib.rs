//! Fuzz targets. Each module is one target: a function that takes arbitrary bytes and panics when an invariant is
//! violated.
//!
//! Built by cargo-fuzz, the programs in `fuzz_targets/` let libFuzzer choose the bytes. Built as usual, they process
//! the files given as arguments, and `tests/replay.rs` runs every target over its seeds.

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

/// Defines the program of a target.
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
