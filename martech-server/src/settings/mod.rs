//! Reads the command line and the environment, and reports all mistakes at once.
//!
//! clap stops at the first value that it cannot use. This module therefore records that value, removes it from the
//! command line or the environment, and parses everything again. The remaining settings are then checked as a whole.
//! Messages contain no value of a secret: secrets are the settings whose variables clap hides too.

mod check;
mod unknown;

use std::{collections::BTreeSet, error::Error, ffi::OsString, fmt, process::ExitCode};

use clap::{
    Arg, ArgMatches, Command as Clap, CommandFactory, FromArgMatches,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};

pub use self::check::run as run_check;
pub(crate) use self::unknown::unknown;
use crate::{Cli, secret_files};

/// A line for people that says which setting cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake(pub(crate) String);

/// Reasons why the settings cannot be used.
#[derive(Debug)]
pub enum SettingsError {
    /// The command line cannot be parsed, or it asks for help.
    Usage(Box<clap::Error>),
    /// The settings have mistakes.
    Mistakes(Mistakes),
}

/// All mistakes in the settings.
#[derive(Debug)]
pub struct Mistakes {
    list: Vec<Mistake>,
    code: u8,
}

impl SettingsError {
    /// Prints the error, and returns the exit code of the process: 2 if the command line cannot be parsed, 1 if the
    /// settings of a server cannot be used, and 0 if the command line asks for help.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                // Printing fails if standard output or error is closed, and then nobody can be informed.
                let _ = error.print();
                ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
            }
            Self::Mistakes(mistakes) => {
                eprintln!("martech-server: {mistakes}");
                ExitCode::from(mistakes.code)
            }
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used:")?;
        self.list.iter().try_for_each(|Mistake(line)| write!(f, "\n  {line}"))
    }
}

/// The parsed command line and environment.
pub(crate) struct Read {
    pub(crate) cli: Cli,
    pub(crate) command: Clap,
    pub(crate) matches: ArgMatches,
}

/// Parses `line`, which begins with the program name, and the environment of this process. `variable` looks up the
/// paths of secret files.
pub(crate) fn read(
    mut line: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Read, SettingsError> {
    let (mut command, unreadable) = secret_files::read(Cli::command(), variable);
    let mut list: Vec<Mistake> = unreadable.iter().map(|error| Mistake(error.to_string())).collect();
    // Settings, as clap shows them, that already have an entry in `list`.
    let mut wrong: BTreeSet<String> = BTreeSet::new();
    loop {
        let error = match command.clone().try_get_matches_from(&line) {
            Ok(matches) => {
                let cli = Cli::from_arg_matches(&matches).map_err(|error| SettingsError::Usage(error.into()))?;
                let is_server = check::is_of_server(&cli);
                list.extend(check::whole(&cli, &wrong));
                list.extend(shown_secrets(&command, &matches));
                list.dedup();
                let code = if is_server { 1 } else { 2 };
                let read = Read { cli, command, matches };
                return if list.is_empty() { Ok(read) } else { Err(SettingsError::Mistakes(Mistakes { list, code })) };
            }
            Err(error) => error,
        };
        let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        let at_fault = argument(&command, &error).filter(|arg| !is_help && wrong.insert(arg.to_string()));
        let Some(arg) = at_fault else {
            // The words after one that cannot be parsed have no known meaning.
            return Err(match list.is_empty() || is_help {
                true => SettingsError::Usage(error.into()),
                false => SettingsError::Mistakes(Mistakes { list, code: 2 }),
            });
        };
        let by_flag = take_flag(&mut line, &arg);
        list.push(Mistake(line_of(&arg, by_flag, &error)));
        if !by_flag {
            command = without_variable(command, &arg);
        }
    }
}

/// Settings that grant full access. Everyone on a machine can see its command lines.
const SECRET: [&str; 2] = ["admin_token", "token"];

/// Returns a mistake for each secret on the command line, of the server or of a command.
fn shown_secrets(command: &Clap, matches: &ArgMatches) -> Vec<Mistake> {
    let is_shown = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        SECRET.contains(&id) && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let told = |arg: &Arg| {
        let flag = arg.get_long().unwrap_or_default();
        let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned());
        let instead =
            variable.map_or_else(String::new, |name| format!("; set {name}, or {name}_FILE to the path of a file"));
        Mistake(format!("--{flag} is a secret, and `ps` shows a command line to everybody on this machine{instead}"))
    };
    let here = command.get_arguments().filter(is_shown).map(told);
    let below = matches.subcommand().and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    here.chain(below.into_iter().flat_map(|(command, matches)| shown_secrets(command, matches))).collect()
}

/// Returns the setting whose value caused an error.
fn argument(command: &Clap, error: &clap::Error) -> Option<Arg> {
    let (ErrorKind::InvalidValue | ErrorKind::ValueValidation) = error.kind() else { return None };
    let ContextValue::String(shown) = error.get(ContextKind::InvalidArg)? else { return None };
    // Only a built command knows how its arguments are shown.
    let mut command = command.clone();
    command.build();
    let of = |command: &Clap| command.get_arguments().find(|arg| arg.to_string() == *shown).cloned();
    let found = of(&command).or_else(|| command.get_subcommands().find_map(of));
    found.filter(|arg| arg.get_long().is_some())
}

/// Removes a flag and its values from the command line. Returns whether it was there.
fn take_flag(line: &mut Vec<OsString>, arg: &Arg) -> bool {
    let Some(flag) = arg.get_long().map(|name| format!("--{name}")) else { return false };
    let before = line.len();
    let mut is_value = false;
    line.retain(|word| {
        if is_value {
            is_value = false;
            return false;
        }
        is_value = *word == *flag;
        !is_value && !word.to_string_lossy().starts_with(&format!("{flag}="))
    });
    line.len() < before
}

fn without_variable(mut command: Clap, arg: &Arg) -> Clap {
    let id = arg.get_id();
    if command.get_arguments().any(|other| other.get_id() == id && other.get_env() == arg.get_env()) {
        command = command.mut_arg(id, |arg| arg.env(Resettable::Reset));
    }
    let below: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    below.iter().fold(command, |command, name| command.mut_subcommand(name, |below| without_variable(below, arg)))
}

fn line_of(arg: &Arg, by_flag: bool, error: &clap::Error) -> String {
    let flag = format!("--{}", arg.get_long().unwrap_or_default());
    let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned()).filter(|_| !by_flag);
    let name = variable.unwrap_or(flag);
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if !arg.is_hide_env_values_set() => format!(" is {value:?}"),
        _ => " cannot be used".to_owned(),
    };
    let reason = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(valid))) if !valid.is_empty() => format!("it is one of {}", valid.join(", ")),
        _ => "it needs a value".to_owned(),
    };
    format!("{name}{value}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(line: &[&str]) -> Vec<String> {
        let line = ["martech-server"].iter().chain(line).map(OsString::from).collect();
        match read(line, |_| None) {
            Ok(_) => Vec::new(),
            Err(SettingsError::Mistakes(Mistakes { list, .. })) => list.into_iter().map(|Mistake(line)| line).collect(),
            Err(SettingsError::Usage(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn reports_all_mistakes_without_secrets() {
        let told = mistakes(&[
            "--addr",
            "nowhere",
            "--admin-token=short",
            "--spool",
            "maybe",
            "--session-idle",
            "2h",
            "--session-max",
            "1h",
            "--store",
            "mysql://u:hidden@h/d",
            "--log",
            "a=b=c",
            "--password-lanes",
            "64",
            "--password-memory",
            "512KiB",
            "--max-body",
            "1MiB",
        ]);
        let beginnings = [
            "--addr is \"nowhere\": ",
            "--admin-token cannot be used: ",
            "--spool is \"maybe\": it is one of on, off",
            "--store cannot be used: ",
        ];
        assert!(beginnings.iter().all(|begin| told.iter().any(|line| line.starts_with(begin))), "{told:#?}");
        assert!(told.iter().any(|line| line.contains("--session-idle") && line.contains("--session-max")), "{told:#?}");
        assert!(told.iter().any(|line| line.starts_with("--log ")), "{told:#?}");
        assert_eq!(told.len(), 6, "64 lanes fit 512 KiB: {told:#?}");
        assert!(!told.concat().contains("short") && !told.concat().contains("hidden"));
        assert_eq!(mistakes(&["serve", "--addr=127.0.0.1:0", "--log", "warn,martech_server=debug,off"]), [""; 0]);
    }

    #[test]
    fn does_not_compare_invalid_values_with_others() {
        let told = mistakes(&["--session-max", "61s", "--session-idle", "soon"]);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(mistakes(&["--session-max", "61s", "--session-idle", "60s"]), [""; 0]);
    }

    #[test]
    fn reports_conflicting_or_invalid_settings() {
        for (line, about) in [
            (&["--drain-delay", "30s", "--drain-timeout", "20s"][..], "--drain-delay"),
            (&["--addr", "127.0.0.1:4000", "--metrics-addr", "127.0.0.1:4000"], "--metrics-addr"),
            (&["--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"], "/nowhere/cert.pem"),
            (&["--log", "wran"], "wran is no level (off, error, warn, info, debug, trace)"),
            (&["--log", "info,martech_core"], "martech_core=LEVEL"),
            (&["--event-types", "add to cart"], "--event-types is \"add to cart\": "),
        ] {
            let told = mistakes(line);
            assert!(told.len() == 1 && told[0].contains(about), "{told:#?}");
        }
    }

    #[test]
    fn hides_passwords_of_connection_strings() {
        let told = mistakes(&["--store", "mongodb://user:hidden@h:port/shop"]);
        assert!(told.len() == 1 && told[0].starts_with("--store ") && !told[0].contains("hidden"), "{told:#?}");
    }
}
