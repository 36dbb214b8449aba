//! `martech-server verify` and `martech-server repair`: check a data folder for damage, and set damage aside.

mod accounts;
mod mongo;

use std::{fmt, path::PathBuf, process::ExitCode};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use martech_core::lake::{
    LakeError,
    repair::{self, Losses},
    verify::{self, Progress, Report, VerifyOptions},
};
use serde::Serialize;
use serde_json::json;

use self::accounts::AccountsReport;
use crate::{commands::output::print_line, config::StoreArgs};

/// Arguments of `verify`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit code: 0 no damage, 1 damage, 2 no verdict (no such folder, a server is running on it, ...)"
)]
pub struct VerifyArgs {
    /// The data folder
    #[arg(long, env = "MARTECH_DATA_DIR", default_value = "./data", value_name = "DIR")]
    data_dir: PathBuf,

    #[command(flatten)]
    store: StoreArgs,

    /// Prints the report as JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `repair`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Without --yes, the command reports what it would do and changes nothing. Damaged or replaced files are moved to \
DIR/damaged/TIME/, never removed, with a report.json of the losses.

Exit code: 0 no damage is left, 1 there is damage and --yes was not given, 2 the repair did not finish; run it again")]
pub struct RepairArgs {
    /// The data folder
    #[arg(long, env = "MARTECH_DATA_DIR", default_value = "./data", value_name = "DIR")]
    data_dir: PathBuf,

    /// Performs the repair; without it, the command only reports what it would do
    #[arg(long)]
    yes: bool,

    /// Prints the findings and the changes as JSON
    #[arg(long)]
    json: bool,
}

/// Exit code if there is no verdict, or if a repair leaves damage.
const FAILED: u8 = 2;

/// Checks a data folder or a MongoDB, and prints the report on standard output.
pub(super) fn verify(args: &VerifyArgs) -> ExitCode {
    if let Some(options) = args.store.mongo() {
        return mongo::verify(args, options);
    }
    match check(&args.data_dir) {
        Ok(report) => {
            print(args.json, &report, || report.to_string());
            ExitCode::from(u8::from(!report.is_clean()))
        }
        Err(error) => fail(&error),
    }
}

/// Repairs a data folder, or reports what a repair would do, and prints the result on standard output.
pub(super) fn repair(args: &RepairArgs) -> ExitCode {
    if args.yes { carry_out(args) } else { plan(args) }
}

/// Findings in a data folder: its events and its accounts.
#[derive(Serialize)]
struct Findings {
    #[serde(flatten)]
    events: Report,
    accounts: AccountsReport,
}

impl Findings {
    fn is_clean(&self) -> bool {
        self.events.is_clean() && self.accounts.is_clean()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.events, self.accounts.told())
    }
}

fn check(dir: &PathBuf) -> Result<Findings, LakeError> {
    let bar = Bar::new();
    let events = verify::verify(&VerifyOptions::new(dir), &mut |progress| bar.show(progress))?;
    Ok(Findings { events, accounts: AccountsReport::of(dir) })
}

fn plan(args: &RepairArgs) -> ExitCode {
    match check(&args.data_dir) {
        Ok(report) => {
            print(args.json, &json!({ "found": report, "losses": null, "resumed": null }), || {
                match report.is_clean() {
                    true => format!("{report}\nnothing to repair"),
                    false => format!(
                        "{report}\nnothing was changed; `martech-server repair --yes` does what the `repair:` lines say"
                    ),
                }
            });
            ExitCode::from(u8::from(!report.is_clean()))
        }
        Err(error) => fail(&error),
    }
}

fn carry_out(args: &RepairArgs) -> ExitCode {
    let label = Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    let done = {
        let bar = Bar::new();
        repair::repair(&VerifyOptions::new(&args.data_dir), &label, &mut |progress| bar.show(progress))
    };
    let done = match done {
        Ok(done) => done,
        Err(error) => return fail(&error),
    };
    let accounts = match AccountsReport::of(&args.data_dir).set_aside(&args.data_dir, &label) {
        Ok(accounts) => accounts,
        Err(error) => return fail(&format_args!("cannot set the accounts aside: {error}")),
    };
    // A second check decides whether the repair is complete.
    let after = match check(&args.data_dir) {
        Ok(after) => after,
        Err(error) => return fail(&error),
    };
    print(
        args.json,
        &json!({
            "resumed": done.resumed, "found": done.found, "losses": done.losses, "accounts": accounts, "after": after
        }),
        || {
            let resumed = done.resumed.iter().map(|losses| format!("finished an interrupted repair:\n{losses}\n"));
            let events = done.losses.as_ref().map(|losses| repaired(&done.found, losses, &after));
            let accounts = matches!(accounts, AccountsReport::SetAside { .. }).then(|| accounts.told());
            let repaired: Vec<String> = events.into_iter().chain(accounts).collect();
            let repaired = if repaired.is_empty() { "nothing to repair".to_owned() } else { repaired.join("\n") };
            resumed.chain([repaired]).collect()
        },
    );
    ExitCode::from(if after.is_clean() { 0 } else { FAILED })
}

fn repaired(found: &Report, losses: &Losses, after: &Findings) -> String {
    format!("{found}\n\nrepaired:\n{losses}\n\nchecked again:\n{after}")
}

fn print(json: bool, value: &impl serde::Serialize, text: impl FnOnce() -> String) {
    let text =
        if json { serde_json::to_string_pretty(value).unwrap_or_else(|error| error.to_string()) } else { text() };
    print_line(text);
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("martech-server: {error}");
    ExitCode::from(FAILED)
}

const TEMPLATE: &str = "{prefix:6} {wide_bar} {percent:>3} % eta {eta}";

/// Returns a progress bar on standard error. The bar hides itself if standard error is no terminal.
pub(crate) fn bar(prefix: impl Into<String>, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total.max(1)).with_prefix(prefix.into());
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar
}

/// Progress bar of a check that runs in phases.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        Self(bar(String::new(), 1))
    }

    fn show(&self, progress: Progress) {
        let prefix = progress.phase.to_string();
        if self.0.prefix() != prefix {
            self.0.set_prefix(prefix);
            self.0.reset();
        }
        self.0.set_length(progress.total.max(1));
        self.0.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_template_is_valid() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
