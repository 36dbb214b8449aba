//! Checks that concern several settings, or files that they name.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mongodb::options::ConnectionString;
use rustix::fs::{Access, access};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::ServeArgs;
use crate::{
    http::{auth::AdminToken, connections::Tls},
    identity::Hasher,
    observability::OtlpExporters,
    projects::backend::StoreChoice,
    routes::metrics::MetricsAddr,
};

/// Returns the mistakes in the settings of a server.
pub(crate) fn mistakes(args: &ServeArgs) -> Vec<String> {
    let of_collector = OtlpExporters::from_environment().err().map(|error| error.to_string());
    [session(args), password(args), log(&args.log), store(args), tls(args), drain(args), listeners(args), of_collector]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns the mistakes that a server finds only when it opens its data folder.
pub(crate) fn mistakes_of_folder(args: &ServeArgs) -> Vec<String> {
    [folder(&args.data_dir).err(), token(args)].into_iter().flatten().collect()
}

fn tls(args: &ServeArgs) -> Option<String> {
    Tls::load(&args.tls.files()).err().map(|error| format!("--tls-cert, --tls-key: {error}"))
}

fn session(args: &ServeArgs) -> Option<String> {
    let (idle, max) = (args.accounts.session_idle, args.accounts.session_max);
    (idle > max).then(|| {
        format!("--session-idle is {idle:?} and --session-max is {max:?}; --session-idle must not exceed --session-max")
    })
}

fn password(args: &ServeArgs) -> Option<String> {
    let error = Hasher::new(args.accounts.passwords.cost()).err()?;
    Some(format!("--password-memory, --password-passes and --password-lanes are not a valid combination: {error}"))
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
        "--log is {filter:?}: {word} is not a level (off, error, warn, info, debug, trace); for the level of one \
         module, write {word}=LEVEL"
    ))
}

fn drain(args: &ServeArgs) -> Option<String> {
    let (delay, timeout) = (args.connections.drain_delay, args.bounds.drain_timeout);
    (delay > timeout).then(|| {
        format!(
            "--drain-delay is {delay:?} and --drain-timeout is {timeout:?}; the delay must not exceed the timeout, which \
             includes it"
        )
    })
}

fn listeners(args: &ServeArgs) -> Option<String> {
    let same = args.addr.port() != 0 && args.metrics_addr == Some(MetricsAddr::At(args.addr));
    same.then(|| format!("--addr and --metrics-addr are both {}; metrics need their own address", args.addr))
}

/// Checks the connection string. The message does not repeat the parser's error, which may contain a part of the
/// string, and with it the password.
fn store(args: &ServeArgs) -> Option<String> {
    let StoreChoice::Mongo(uri) = &args.store.store else { return None };
    ConnectionString::parse(uri).err()?;
    Some(
        "--store is invalid: MongoDB's driver cannot parse the connection string \
         (mongodb://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS, with special characters in the password percent-encoded)"
            .to_owned(),
    )
}

/// Checks whether the data folder can be written or created. Changes nothing.
fn folder(dir: &Path) -> Result<(), String> {
    let told = |path: &Path, error: &dyn std::fmt::Display| {
        format!("--data-dir is {}: {}: {error}", dir.display(), path.display())
    };
    let mut folder: PathBuf = dir.to_owned();
    let metadata = loop {
        let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        match fs::metadata(shown) {
            Ok(metadata) => break metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.pop() => {}
            Err(error) => return Err(told(&folder, &error)),
        }
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
    if !metadata.is_dir() {
        return Err(told(folder, &"not a folder"));
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| told(folder, &format!("not writable: {error}")))
}

/// Checks a token that is stored in the data folder.
fn token(args: &ServeArgs) -> Option<String> {
    if args.admin_token.is_some() || !args.data_dir.join("admin-token").exists() {
        return None;
    }
    AdminToken::load(None, &args.data_dir).err().map(|error| error.to_string())
}
