//! Event ingestion and analytics for online shops, in one binary.

fn main() {}
