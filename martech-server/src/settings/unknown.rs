//! Variables that look like settings and are none: most are slips of the pen.

use clap::Command;

use crate::secret_files;

/// Those of the scripts and tests beside this program, which may be there when it runs.
const OTHERS: [&str; 4] = ["MARTECH_TEST_", "MARTECH_SERVER", "MARTECH_EXPLORE", "MARTECH_SERVICE_"];

/// Of the names of variables, a line for each that no setting has; with the one that was meant, perhaps.
pub(crate) fn unknown(command: &Command, names: impl Iterator<Item = String>) -> Vec<String> {
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
    // Further off, it is a guess.
    match nearest.filter(|known| distance(known) <= 1 + name.len() / 5) {
        Some(known) => format!("{name} is no setting; is {known} meant?"),
        None => format!("{name} is no setting"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    #[test]
    fn a_misspelt_variable_is_told_with_the_right_one() {
        let names = ["MARTECH_ADR", "MARTECH_QUEUE_EVENT", "MARTECH_COFFEE", "MARTECH_ADDR", "MARTECH_STORE_FILE"];
        let more = ["MARTECH_TEST_KILLS", "PATH", "MARTECH_TOKEN", "MARTECH_SESSION_MAXX"];
        let told = unknown(&Cli::command(), names.iter().chain(&more).map(|name| (*name).to_owned()));
        assert_eq!(
            told,
            [
                "MARTECH_ADR is no setting; is MARTECH_ADDR meant?",
                "MARTECH_COFFEE is no setting",
                "MARTECH_QUEUE_EVENT is no setting; is MARTECH_QUEUE_EVENTS meant?",
                "MARTECH_SESSION_MAXX is no setting; is MARTECH_SESSION_MAX meant?",
            ]
        );
    }
}
