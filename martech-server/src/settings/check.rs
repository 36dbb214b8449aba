//! Checks that concern several settings, and `martech-server check`.

use std::{
    collections::BTreeSet,
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::parser::ValueSource;
use mongodb::options::ConnectionString;
use rustix::fs::{Access, access};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::{Mistake, Read, unknown};
use crate::{
    AdminToken, Cli, Command, MetricsAddr, ServeArgs, StoreChoice, accounts::Hasher, say::say, serve::Tls,
    telemetry::OtlpExporters,
};

pub(super) fn is_of_server(cli: &Cli) -> bool {
    matches!(cli.command_ref(), None | Some(Command::Serve(_) | Command::Check(_)))
}

/// Returns the mistakes in the settings of a server as a whole. Mistakes in `wrong` settings have been reported
/// already.
pub(super) fn whole(cli: &Cli, wrong: &BTreeSet<String>) -> Vec<Mistake> {
    let (args, is_check) = match cli.command_ref() {
        None => (cli.serve_ref(), false),
        Some(Command::Serve(args)) => (&**args, false),
        Some(Command::Check(args)) => (&**args, true),
        Some(_) => return Vec::new(),
    };
    let is_told =
        |flags: &[&str]| flags.iter().any(|flag| wrong.iter().any(|shown| shown.split(' ').next() == Some(flag)));
    let mut found: Vec<(&[&str], Option<String>)> = vec![
        (&["--session-idle", "--session-max"], session(args)),
        (&["--password-memory", "--password-lanes"], password(args)),
        (&["--log"], log(&args.log)),
        (&["--store"], store(args)),
        (
            &["--tls-cert", "--tls-key"],
            Tls::load(&args.tls).err().map(|error| format!("--tls-cert, --tls-key: {error}")),
        ),
        (&["--drain-delay", "--drain-timeout"], drain(args)),
        (&["--addr", "--metrics-addr"], listeners(args)),
    ];
    if is_check {
        found.push((&["--data-dir"], folder(&args.data_dir).err()));
        found.push((&["--admin-token", "--data-dir"], token(args)));
    }
    let untold = found.into_iter().filter(|(flags, _)| !is_told(flags));
    let of_collector = OtlpExporters::from_environment().err().map(|error| error.to_string());
    untold.filter_map(|(_, mistake)| mistake).chain(of_collector).map(Mistake).collect()
}

fn session(args: &ServeArgs) -> Option<String> {
    let (idle, max) = (args.accounts.session_idle, args.accounts.session_max);
    (idle > max).then(|| {
        format!("--session-idle is {idle:?} and --session-max is {max:?}: a session that ends anyway cannot be idle for longer")
    })
}

fn password(args: &ServeArgs) -> Option<String> {
    let error = Hasher::new(args.accounts.passwords.cost()).err()?;
    Some(format!("--password-memory, --password-passes and --password-lanes do not go together: {error}"))
}

/// Checks the log filter. A bare word is parsed as a module name, so that `wran` would log nothing.
fn log(filter: &str) -> Option<String> {
    if let Err(error) = EnvFilter::try_new(filter) {
        return Some(format!("--log is {filter:?}: {error}"));
    }
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    let word = filter.split(',').map(str::trim).find(|word| {
        let is_name = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte));
        !word.is_empty() && is_name && !is_level(word)
    })?;
    Some(format!(
        "--log is {filter:?}: {word} is no level (off, error, warn, info, debug, trace); of one module it is \
         {word}=LEVEL"
    ))
}

fn drain(args: &ServeArgs) -> Option<String> {
    let (delay, timeout) = (args.connections.drain_delay, args.bounds.drain_timeout);
    (delay > timeout).then(|| {
        format!("--drain-delay is {delay:?} and --drain-timeout {timeout:?}: the delay is a part of that time")
    })
}

fn listeners(args: &ServeArgs) -> Option<String> {
    let same = args.addr.port() != 0 && args.metrics_addr == Some(MetricsAddr::At(args.addr));
    same.then(|| format!("--addr and --metrics-addr are both {}: metrics have a listener of their own", args.addr))
}

/// Checks the connection string. The message does not repeat the parser's error, which may contain a part of the
/// string, and with it the password.
fn store(args: &ServeArgs) -> Option<String> {
    let StoreChoice::Mongo(uri) = &args.store.store else { return None };
    ConnectionString::parse(uri).err()?;
    Some(
        "--store cannot be used: it is no connection string that MongoDB's driver can read \
         (mongodb://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS, with whatever is special in a password percent-encoded)"
            .to_owned(),
    )
}

/// Checks whether the data folder can be written or created. Changes nothing.
fn folder(dir: &Path) -> Result<(), String> {
    let told = |path: &Path, error: &dyn std::fmt::Display| {
        format!("--data-dir is {}: {}: {error}", dir.display(), path.display())
    };
    let mut place: PathBuf = dir.to_owned();
    let metadata = loop {
        let shown = if place.as_os_str().is_empty() { Path::new(".") } else { &place };
        match fs::metadata(shown) {
            Ok(metadata) => break metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound && place.pop() => {}
            Err(error) => return Err(told(&place, &error)),
        }
    };
    let place = if place.as_os_str().is_empty() { Path::new(".") } else { &place };
    if !metadata.is_dir() {
        return Err(told(place, &"is no folder"));
    }
    access(place, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| told(place, &format!("cannot be written: {error}")))
}

/// Checks a token that is stored in the data folder.
fn token(args: &ServeArgs) -> Option<String> {
    if args.admin_token.is_some() || !args.data_dir.join("admin-token").exists() {
        return None;
    }
    AdminToken::load(None, &args.data_dir).err().map(|error| error.to_string())
}

/// Stands for a value that is not shown.
const HIDDEN: &str = "(hidden)";

/// Runs `martech-server check`: prints the settings if they are valid, and all mistakes otherwise.
pub fn run() -> ExitCode {
    let read = match super::read(env::args_os().collect(), |name| env::var_os(name)) {
        Ok(read) => read,
        Err(error) => return error.report(),
    };
    for line in shown(&read) {
        say(line);
    }
    if let Ok(exporters) = OtlpExporters::from_environment() {
        say(format_args!("# OpenTelemetry sends {}", exporters.describe().unwrap_or("nothing")));
    }
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for line in unknown(&read.command, names) {
        eprintln!("martech-server: warning: {line}");
    }
    ExitCode::SUCCESS
}

/// Returns a line for each setting, with its variable, its value and its source.
fn shown(read: &Read) -> Vec<String> {
    let Some((name, matches)) = read.matches.subcommand() else { return Vec::new() };
    let Some(command) = read.command.find_subcommand(name) else { return Vec::new() };
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
