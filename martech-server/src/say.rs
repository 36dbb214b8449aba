//! What a command tells on standard output.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
};

/// Tells a line. Whoever reads may have seen enough and be gone, which changes nothing of what the command does.
pub(crate) fn say(line: impl fmt::Display) {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => eprintln!("martech-server: standard output: {error}"),
        _ => {}
    }
}
