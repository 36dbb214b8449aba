//! `martech-server check`: prints the settings of a server if they are valid, and all mistakes otherwise.

use std::{env, process::ExitCode};

use clap::{ArgMatches, Command, parser::ValueSource};

use super::{
    output::print_line,
    settings::{HIDDEN, SettingsError},
    unknown_variables,
};
use crate::{
    config::{ServeArgs, mistakes_of_folder},
    observability::OtlpExporters,
};

/// Runs the command. `command` and `matches` are the whole command line.
pub(super) fn run(args: &ServeArgs, command: &Command, matches: &ArgMatches) -> ExitCode {
    let mistakes = mistakes_of_folder(args);
    if !mistakes.is_empty() {
        return SettingsError::Mistakes { list: mistakes, code: 1 }.report();
    }
    for line in shown(command, matches) {
        print_line(line);
    }
    if let Ok(exporters) = OtlpExporters::from_environment() {
        print_line(format_args!("# OpenTelemetry sends {}", exporters.describe().unwrap_or("nothing")));
    }
    for line in unknown_variables::lines() {
        eprintln!("martech-server: warning: {line}");
    }
    ExitCode::SUCCESS
}

/// Returns a line for each setting, with its variable, its value and its source.
fn shown(command: &Command, matches: &ArgMatches) -> Vec<String> {
    let Some((name, matches)) = matches.subcommand() else { return Vec::new() };
    let Some(command) = command.find_subcommand(name) else { return Vec::new() };
    let line = |arg: &clap::Arg| {
        let variable = arg.get_env()?.to_str()?;
        let Some(raw) = matches.get_raw(arg.get_id().as_str()) else {
            return Some(format!("# {variable} is not set"));
        };
        let value = raw.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",");
        let by_file = env::var_os(format!("{variable}_FILE")).is_some_and(|path| !path.is_empty());
        let source = match matches.value_source(arg.get_id().as_str()) {
            Some(ValueSource::CommandLine) => "command line".to_owned(),
            Some(ValueSource::EnvVariable) => "environment".to_owned(),
            _ if arg.is_hide_env_values_set() && by_file => format!("{variable}_FILE"),
            _ => "default".to_owned(),
        };
        let value = if arg.is_hide_env_values_set() && source != "default" { HIDDEN.to_owned() } else { value };
        Some(format!("{:<56} # {source}", format!("{variable}={value}")))
    };
    command.get_arguments().filter_map(line).collect()
}
