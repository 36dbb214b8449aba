//! Importing files.

use std::process::ExitCode;

/// Settings of an import.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {}

/// Imports files.
pub fn run(_args: ImportArgs) -> ExitCode {
    ExitCode::FAILURE
}
