//! Reading the command line and the environment, and telling all that is wrong with them at once.
//!
//! clap stops at the first value that it cannot use. So that value is written down and taken away, from the command line or
//! from the environment, and everything is read once more; what is left in the end is checked as a whole. No value of a
//! secret is told: those are the settings whose variables clap does not show either.

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

/// What cannot be used, and why: a line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake(pub(crate) String);

/// Why the settings cannot be used.
#[derive(Debug)]
pub enum SettingsError {
    /// The command line is none, or it asks for help.
    Usage(Box<clap::Error>),
    /// What the settings say is wrong.
    Mistakes(Mistakes),
}

/// All that is wrong with the settings.
#[derive(Debug)]
pub struct Mistakes {
    list: Vec<Mistake>,
    code: u8,
}

impl SettingsError {
    /// Tells it, and says with what the process ends: 2 where the command line cannot be understood, and 1 where the settings of a
    /// server cannot be used.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                // Standard output or error may be closed; then there is nobody to tell.
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

/// Everything that a command line and the environment say.
pub(crate) struct Read {
    pub(crate) cli: Cli,
    pub(crate) command: Clap,
    pub(crate) matches: ArgMatches,
}

/// Reads `line`, its first word the program's name, and the environment of this process. `variable` finds the names of files.
pub(crate) fn read(
    mut line: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Read, SettingsError> {
    let (mut command, unreadable) = secret_files::read(Cli::command(), variable);
    let mut list: Vec<Mistake> = unreadable.iter().map(|error| Mistake(error.to_string())).collect();
    // By their flags, those of which something else stands in `list` already.
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
            // What stands behind a word that cannot be understood, nobody knows.
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

/// Settings that open everything. All on a machine can see a command line.
const SECRET: [&str; 2] = ["admin_token", "token"];

/// Secrets that stand on the command line, of the server or of a command.
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

/// The setting whose value an error is about.
fn argument(command: &Clap, error: &clap::Error) -> Option<Arg> {
    let (ErrorKind::InvalidValue | ErrorKind::ValueValidation) = error.kind() else { return None };
    let ContextValue::String(shown) = error.get(ContextKind::InvalidArg)? else { return None };
    // Only then it knows how its arguments are shown.
    let mut command = command.clone();
    command.build();
    let of = |command: &Clap| command.get_arguments().find(|arg| arg.to_string() == *shown).cloned();
    let found = of(&command).or_else(|| command.get_subcommands().find_map(of));
    found.filter(|arg| arg.get_long().is_some())
}

/// Takes a flag and its values from the command line; whether it was there.
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
    fn all_mistakes_are_told_and_no_secret() {
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
    fn what_is_wrong_by_itself_is_not_compared_with_others() {
        let told = mistakes(&["--session-max", "61s", "--session-idle", "soon"]);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(mistakes(&["--session-max", "61s", "--session-idle", "60s"]), [""; 0]);
    }

    #[test]
    fn what_cannot_be_together_is_told() {
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
    fn passwords_of_a_connection_string_are_not_told() {
        let told = mistakes(&["--store", "mongodb://user:hidden@h:port/shop"]);
        assert!(told.len() == 1 && told[0].starts_with("--store ") && !told[0].contains("hidden"), "{told:#?}");
    }
}
