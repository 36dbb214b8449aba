//! Secrets that lie in files, as orchestrators mount them: `NAME_FILE` names the file that holds the value of `NAME`.
//!
//! A flag comes before such a file, as it does before a variable.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::PathBuf,
};

use clap::{Arg, Command};

use crate::{AdminToken, StoreChoice};

/// Whether a text can be such a secret; what is wrong does not repeat it.
type Check = fn(&str) -> Result<(), String>;

/// The settings that are secrets.
pub(crate) const SECRETS: [(&str, Check); 3] =
    [("MARTECH_ADMIN_TOKEN", is_token), ("MARTECH_STORE", is_store), ("MARTECH_TOKEN", is_any)];

fn is_token(text: &str) -> Result<(), String> {
    AdminToken::new(text).map(drop).map_err(|error| error.to_string())
}

/// What a server takes, it says itself.
fn is_any(_: &str) -> Result<(), String> {
    Ok(())
}

fn is_store(text: &str) -> Result<(), String> {
    text.parse::<StoreChoice>().map(drop).map_err(str::to_owned)
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    /// It may be in the variable or in the file.
    #[error("{0} and {0}_FILE are both set; one of them is enough")]
    Both(&'static str),
    /// The file cannot be read.
    #[error("{name}_FILE is {path}, which cannot be read: {source}")]
    Unreadable {
        /// The setting.
        name: &'static str,
        /// What its variable says.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What the file holds is no such secret.
    #[error("what {0}_FILE names cannot be used: {1}")]
    Unusable(&'static str, String),
}

/// Lets the settings of a command, and of those below it, take their secrets from files; and what is wrong with those.
pub(crate) fn read(
    mut command: Command,
    variable: impl Fn(&str) -> Option<OsString>,
) -> (Command, Vec<SecretFileError>) {
    let mut errors = Vec::new();
    for (name, check) in SECRETS {
        let Some(path) = variable(&format!("{name}_FILE")).filter(|path| !path.is_empty()) else { continue };
        if variable(name).is_some() {
            errors.push(SecretFileError::Both(name));
            continue;
        }
        match secret(name, check, path.into()) {
            Ok(secret) => command = with_value(command, OsStr::new(name), &secret),
            Err(error) => errors.push(error),
        }
    }
    (command, errors)
}

fn secret(name: &'static str, check: Check, path: PathBuf) -> Result<String, SecretFileError> {
    let text = fs::read_to_string(&path).map_err(|source| SecretFileError::Unreadable { name, path, source })?;
    let secret = text.trim_end_matches(['\r', '\n']);
    check(secret).map_err(|wrong| SecretFileError::Unusable(name, wrong))?;
    Ok(secret.to_owned())
}

/// Where the setting of a variable is not given, it is this.
fn with_value(mut command: Command, name: &OsStr, value: &str) -> Command {
    let is_it = |arg: &&Arg| arg.get_env() == Some(name);
    let ids: Vec<_> = command.get_arguments().filter(is_it).map(|arg| arg.get_id().clone()).collect();
    for id in ids {
        command = command.mut_arg(id, |arg| arg.default_value(value.to_owned()).hide_default_value(true));
    }
    let below: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for each in below {
        command = command.mut_subcommand(each, |command| with_value(command, name, value));
    }
    command
}
