//! Secrets in files, as orchestrators mount them: `NAME_FILE` names the file that holds the value of `NAME`.
//!
//! A flag takes precedence over such a file, as over a variable.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::PathBuf,
};

use clap::{Arg, Command};

use crate::{http::auth::AdminToken, projects::backend::StoreChoice};

/// Validates a secret. The error must not contain the secret.
type Check = fn(&str) -> Result<(), String>;

/// The settings that are secrets.
pub(crate) const SECRETS: [(&str, Check); 3] =
    [("MARTECH_ADMIN_TOKEN", is_token), ("MARTECH_STORE", is_store), ("MARTECH_TOKEN", is_any)];

fn is_token(text: &str) -> Result<(), String> {
    AdminToken::new(text).map(drop).map_err(|error| error.to_string())
}

/// Accepts any text. The server that receives the token validates it.
fn is_any(_: &str) -> Result<(), String> {
    Ok(())
}

fn is_store(text: &str) -> Result<(), String> {
    text.parse::<StoreChoice>().map(drop).map_err(str::to_owned)
}

/// Errors of reading a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    /// The variable and the file are both given.
    #[error("{0} and {0}_FILE are both set; set only one of them")]
    Both(&'static str),
    /// The file cannot be read.
    #[error("{name}_FILE is {path}, which cannot be read: {source}")]
    Unreadable {
        /// The name of the setting.
        name: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The content of the file is not valid for the setting.
    #[error("the file that {0}_FILE names has an invalid value: {1}")]
    Unusable(&'static str, String),
}

/// Sets secrets from files as defaults of a command and its subcommands. Returns the command and all errors.
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

/// Makes `value` the default of all arguments that read the variable `name`.
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
