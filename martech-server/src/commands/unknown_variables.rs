//! Finds variables that look like settings but are not: most are typos.

use std::env;

use clap::{Command, CommandFactory};

use super::cli::Cli;
use crate::config::secret_files;

/// Returns a line for each variable of this process that looks like a setting but is not.
pub(super) fn lines() -> Vec<String> {
    unknown(&Cli::command(), env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

/// Prefixes of variables for the scripts and tests of this program, which may be set when it runs.
const OTHERS: [&str; 3] = ["MARTECH_TEST_", "MARTECH_SERVER", "MARTECH_SERVICE_"];

/// Returns a line for each variable name that looks like a setting but is not, with the setting that was probably
/// meant.
fn unknown(command: &Command, names: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = Vec::new();
    collect(command, &mut known);
    known.extend(secret_files::SECRETS.iter().map(|(name, _)| format!("{name}_FILE")));
    let mut unknown: Vec<String> = names
        .filter(|name| name.starts_with("MARTECH_") && !known.contains(name))
        .filter(|name| !OTHERS.iter().any(|other| name.starts_with(other)))
        .collect();
    unknown.sort();
    unknown.into_iter().map(|name| line(&name, &known)).collect()
}

fn collect(command: &Command, known: &mut Vec<String>) {
    let names = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned));
    known.extend(names);
    command.get_subcommands().for_each(|below| collect(below, known));
}

fn line(name: &str, known: &[String]) -> String {
    let distance = |known: &&String| strsim::damerau_levenshtein(name, known);
    let nearest = known.iter().min_by_key(distance);
    // A more distant name would be a guess.
    match nearest.filter(|known| distance(known) <= 1 + name.len() / 5) {
        Some(known) => format!("{name} is not a setting; did you mean {known}?"),
        None => format!("{name} is not a setting"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_setting_for_a_misspelled_variable() {
        let names = ["MARTECH_ADR", "MARTECH_QUEUE_EVENT", "MARTECH_COFFEE", "MARTECH_ADDR", "MARTECH_STORE_FILE"];
        let more = ["MARTECH_TEST_KILLS", "PATH", "MARTECH_TOKEN", "MARTECH_SESSION_MAXX"];
        let told = unknown(&Cli::command(), names.iter().chain(&more).map(|name| (*name).to_owned()));
        assert_eq!(
            told,
            [
                "MARTECH_ADR is not a setting; did you mean MARTECH_ADDR?",
                "MARTECH_COFFEE is not a setting",
                "MARTECH_QUEUE_EVENT is not a setting; did you mean MARTECH_QUEUE_EVENTS?",
                "MARTECH_SESSION_MAXX is not a setting; did you mean MARTECH_SESSION_MAX?",
            ]
        );
    }
}
