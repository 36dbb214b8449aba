//! Reads the command line, the environment and the files of secrets.
//!
//! clap reports the first value that it cannot parse. The parsed settings of a server are then checked as a whole, and
//! all mistakes are reported at once. Messages contain no value of a secret: secrets are the settings whose variables
//! clap hides too.

use std::{env, ffi::OsString, fmt, process::ExitCode};

use clap::{
    Arg, ArgMatches, Command, CommandFactory, FromArgMatches,
    builder::StyledStr,
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};

use super::cli::Cli;
use crate::config::{self, secret_files};

/// Stands for a value that is not shown.
pub(super) const HIDDEN: &str = "(hidden)";

/// The reasons for which the settings cannot be used.
#[derive(Debug)]
pub(super) enum SettingsError {
    /// The command line cannot be parsed, or it asks for help.
    Usage(Box<clap::Error>),
    /// The settings have mistakes: a line for each, and the exit code of the process.
    Mistakes {
        /// The lines.
        list: Vec<String>,
        /// The exit code.
        code: u8,
    },
}

impl SettingsError {
    /// Prints the error, and returns the exit code of the process: 2 if the command line cannot be parsed, 1 if the
    /// settings of a server do not go together, and 0 if the command line asks for help.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                // Printing fails if standard output or error is closed, and then nobody can be informed.
                let _ = error.print();
                ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
            }
            Self::Mistakes { code, .. } => {
                eprintln!("martech-server: {self}");
                ExitCode::from(*code)
            }
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Mistakes { list, .. } => {
                f.write_str("invalid settings:")?;
                list.iter().try_for_each(|line| write!(f, "\n  {line}"))
            }
        }
    }
}

impl std::error::Error for SettingsError {}

/// The parsed command line and environment.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) cli: Cli,
    pub(super) command: Command,
    pub(super) matches: ArgMatches,
}

impl Settings {
    /// Reads the settings of this process.
    pub(super) fn of_process() -> Result<Self, SettingsError> {
        Self::read(env::args_os().collect(), |name| env::var_os(name))
    }

    /// Parses `line`, which begins with the program name, and the environment of this process. `variable` looks up the
    /// paths of secret files.
    fn read(line: Vec<OsString>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let (command, unreadable) = secret_files::read(Cli::command(), variable);
        let parsed = command.clone().try_get_matches_from(&line);
        let matches = parsed.map_err(|error| SettingsError::Usage(explained(&command, &line, error).into()))?;
        let cli = Cli::from_arg_matches(&matches).map_err(|error| SettingsError::Usage(error.into()))?;
        let settings = Self { cli, command, matches };
        let mut list: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
        list.extend(shown_secrets(&settings.command, &settings.matches));
        // A flag that all levels of a command share is found at each of them.
        list.dedup();
        let server = settings.cli.server();
        list.extend(server.map(config::mistakes).unwrap_or_default());
        let code = if server.is_some() { 1 } else { 2 };
        if list.is_empty() { Ok(settings) } else { Err(SettingsError::Mistakes { list, code }) }
    }
}

/// Hides the value of a secret in an error, and names the variable that an invalid value comes from.
fn explained(command: &Command, line: &[OsString], mut error: clap::Error) -> clap::Error {
    let (Some(ContextValue::String(shown)), Some(_)) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return error;
    };
    // Only a built command knows how its arguments are shown.
    let mut command = command.clone();
    command.build();
    let find = |command: &Command| command.get_arguments().find(|arg| arg.to_string() == *shown).cloned();
    let Some(arg) = find(&command).or_else(|| command.get_subcommands().find_map(find)) else { return error };
    if arg.is_hide_env_values_set() {
        error.insert(ContextKind::InvalidValue, ContextValue::String(HIDDEN.to_owned()));
    }
    let flag = format!("--{}", arg.get_long().unwrap_or_default());
    let is_on_line = line.iter().any(|word| word.to_string_lossy().split('=').next() == Some(&flag));
    if let Some(name) = arg.get_env().filter(|name| !is_on_line && env::var_os(name).is_some()) {
        let tip = StyledStr::from(format!("the value comes from {}", name.to_string_lossy()));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// Settings that grant full access. Everyone on a machine can see its command lines.
const SECRET: [&str; 2] = ["admin_token", "token"];

/// Returns a line for each secret on the command line, of the server or of a command.
fn shown_secrets(command: &Command, matches: &ArgMatches) -> Vec<String> {
    let is_shown = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        SECRET.contains(&id) && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let told = |arg: &Arg| {
        let flag = arg.get_long().unwrap_or_default();
        let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned());
        let instead =
            variable.map_or_else(String::new, |name| format!("; set {name}, or {name}_FILE to the path of a file"));
        format!("--{flag} is a secret, and `ps` shows command lines to every user of this machine{instead}")
    };
    let here = command.get_arguments().filter(is_shown).map(told);
    let below = matches.subcommand().and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    here.chain(below.into_iter().flat_map(|(command, matches)| shown_secrets(command, matches))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(line: &[&str]) -> Vec<String> {
        let line = ["martech-server"].iter().chain(line).map(OsString::from).collect();
        match Settings::read(line, |_| None) {
            Ok(_) => Vec::new(),
            Err(SettingsError::Mistakes { list, .. }) => list,
            Err(SettingsError::Usage(error)) => vec![error.to_string()],
        }
    }

    #[test]
    fn reports_all_conflicts_at_once() {
        let told = errors(&[
            "--session-idle=2h",
            "--session-max=1h",
            "--log=a=b=c",
            "--drain-delay=30s",
            "--drain-timeout=20s",
            "--addr=127.0.0.1:4000",
            "--metrics-addr=127.0.0.1:4000",
            "--tls-cert=/nowhere/cert.pem",
            "--tls-key=/nowhere/key.pem",
            "--password-lanes=64",
            "--password-memory=512KiB",
        ]);
        for about in ["--session-idle", "--log", "--drain-delay", "--metrics-addr", "/nowhere/cert.pem"] {
            assert!(told.iter().any(|line| line.contains(about)), "{about}: {told:#?}");
        }
        assert_eq!(told.len(), 5, "64 lanes fit 512 KiB: {told:#?}");
        assert_eq!(errors(&["serve", "--addr=127.0.0.1:0", "--log", "warn,martech_server=debug,off"]), [""; 0]);
    }

    #[test]
    fn rejects_log_filters_that_would_log_nothing() {
        for (filter, about) in [
            ("wran", "wran is not a level (off, error, warn, info, debug, trace)"),
            ("info,martech_core", "martech_core=LEVEL"),
        ] {
            let told = errors(&["--log", filter]);
            assert!(told.len() == 1 && told[0].contains(about), "{told:#?}");
        }
    }

    #[test]
    fn errors_contain_no_secret() {
        for line in [["--admin-token", "hidden"], ["--store", "mysql://u:hidden@h/d"]] {
            let told = errors(&line);
            assert!(told.len() == 1 && told[0].contains("(hidden)") && !told[0].contains("u:hidden"), "{told:#?}");
        }
        let told = errors(&["--store", "mongodb://user:hidden@h:port/shop"]);
        assert!(told.len() == 1 && told[0].starts_with("--store ") && !told[0].contains("hidden"), "{told:#?}");
    }
}
