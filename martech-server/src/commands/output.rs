//! Standard output of commands.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
};

/// Prints a line. A closed pipe is not an error: the reader may have seen enough, and the command goes on.
pub(crate) fn print_line(line: impl fmt::Display) {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => eprintln!("martech-server: standard output: {error}"),
        _ => {}
    }
}
