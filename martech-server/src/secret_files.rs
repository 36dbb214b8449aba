//! Secrets that lie in files, as orchestrators mount them: `NAME_FILE` names the file that holds the value of `NAME`.
//!
//! A flag comes before such a file, as it does before a variable.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::PathBuf,
};

use clap::{Arg, Command};

/// The settings that are secrets.
const SECRETS: [&str; 3] = ["MARTECH_ADMIN_TOKEN", "MARTECH_STORE", "MARTECH_TOKEN"];

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
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
}

/// Lets the settings of a command, and of those below it, take their secrets from files.
pub(crate) fn read(
    mut command: Command,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Command, SecretFileError> {
    for name in SECRETS {
        let Some(path) = variable(&format!("{name}_FILE")).filter(|path| !path.is_empty()) else { continue };
        if variable(name).is_some() {
            return Err(SecretFileError::Both(name));
        }
        let path = PathBuf::from(path);
        let text = fs::read_to_string(&path).map_err(|source| SecretFileError::Unreadable { name, path, source })?;
        command = with_value(command, OsStr::new(name), text.trim_end_matches(['\r', '\n']));
    }
    Ok(command)
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
