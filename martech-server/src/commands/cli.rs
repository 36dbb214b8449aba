//! The command line as a whole.

use clap::{Parser, Subcommand};

use super::{
    import::ImportArgs,
    migrate::MigrateArgs,
    user::UserArgs,
    verify::{RepairArgs, VerifyArgs},
};
use crate::config::ServeArgs;

/// Event ingestion and analytics for online shops, in one binary.
///
/// Without a command, it runs the server. Send events with POST /events (no token needed), and read them from /users,
/// /users/{userId}/journey and /stats with `Authorization: Bearer <admin token>`.
#[derive(Debug, Parser)]
#[command(name = "martech-server", version, args_conflicts_with_subcommands = true, disable_help_flag = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the server: accepts events over HTTP and answers queries about them (the default)
    #[command(disable_help_flag = true)]
    Serve(Box<ServeArgs>),
    /// Imports events from files or standard input
    Import(Box<ImportArgs>),
    /// Copies all events from one store to another
    Migrate(MigrateArgs),
    /// Checks a data folder, or the events in MongoDB and the spool in front of it, from end to end; changes nothing
    Verify(VerifyArgs),
    /// Creates, lists, changes and removes accounts
    User(Box<UserArgs>),
    /// Checks the settings of the server and prints them without secrets; changes nothing; exits with 0 if they are
    /// valid, 1 on a conflict, 2 if a value is invalid
    #[command(disable_help_flag = true)]
    Check(Box<ServeArgs>),
    /// Sets damage in a data folder aside and reports what was lost; no server may be running on it
    Repair(RepairArgs),
}

impl Cli {
    /// Returns the settings of the server, if the command line has them.
    pub(super) fn server(&self) -> Option<&ServeArgs> {
        match &self.command {
            None => Some(&self.serve),
            Some(Command::Serve(args) | Command::Check(args)) => Some(args),
            Some(_) => None,
        }
    }

    /// Returns the command that was given, or the default one.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| Command::Serve(Box::new(self.serve)))
    }
}

const AFTER_HELP: &str = "\
Sizes are written 512KiB, 64MiB, 2GiB; times 500ms, 30s, 5m, 1h. --help-advanced shows all settings.

Try it:
  martech-server &
  curl localhost:3000/events -H 'Content-Type: application/json' -d '{\"userId\":\"u1\",\"type\":\"page_view\"}'
  curl localhost:3000/users/u1/journey -H \"Authorization: Bearer $(cat data/admin-token)\"";
