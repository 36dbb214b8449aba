//! Event ingestion and analytics for online shops, in one binary.

use std::process::ExitCode;

/// jemalloc returns free memory to the system. glibc keeps much of it, because each thread allocates from its own
/// arena.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    martech_server::run()
}
