//! The command line: one module for each command.

mod check;
mod cli;
mod http_client;
pub(crate) mod import;
mod migrate;
mod output;
mod serve;
mod settings;
mod signals;
#[cfg(test)]
mod tests;
mod unknown_variables;
mod user;
mod verify;

use std::process::ExitCode;

pub use self::cli::{Cli, Command};
use self::settings::Settings;
use crate::util::file_permissions;

/// Runs the program: reads the settings of this process, and runs its command.
pub fn run() -> ExitCode {
    file_permissions::restrict_umask();
    let settings = match Settings::of_process() {
        Ok(settings) => settings,
        Err(error) => return error.report(),
    };
    let Settings { cli, command, matches } = settings;
    match cli.into_command() {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args, &command, &matches),
        Command::Import(args) => import::run(*args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Verify(args) => verify::verify(&args),
        Command::User(args) => user::run(&args),
        Command::Repair(args) => verify::repair(&args),
    }
}
