//! Tests of the settings as the command line defines them.

use std::path::Path;

use clap::{CommandFactory, FromArgMatches, Parser};

use super::{Cli, Command};
use crate::{
    config::{ServeArgs, secret_files},
    routes::metrics::MetricsAddr,
    util::parse_addr,
};

fn serve(args: &[&str]) -> Result<Box<ServeArgs>, clap::Error> {
    let cli = Cli::try_parse_from(["martech-server"].iter().chain(args))?;
    match cli.into_command() {
        Command::Serve(args) => Ok(args),
        _ => panic!("expected the serve command"),
    }
}

#[test]
fn command_line_definition_is_valid() {
    Cli::command().debug_assert();
}

#[test]
fn serves_without_a_command() {
    let bare = serve(&["--addr", "127.0.0.1:0", "--roll-bytes", "1MiB"]).unwrap();
    let named = serve(&["serve", "--addr", "127.0.0.1:0", "--roll-bytes", "1MiB"]).unwrap();
    assert_eq!(bare.addr.port(), 0);
    assert_eq!(bare.backend().lake(Path::new("data")).roll_bytes, 1 << 20);
    assert_eq!(named.backend().lake(Path::new("data")).roll_bytes, 1 << 20);
}

#[test]
fn rejects_invalid_values() {
    for args in [
        ["--admin-token", "short"],
        ["--currency", "$"],
        ["--currency", "Euro"],
        ["--time-zone", "Mars/Olympus"],
        ["--time-zone", "Etc/Unknown"],
        ["--time-zone", "Factory"],
        ["--roll-age", "soon"],
        ["--roll-age", "1000000h"],
        ["--queue-events", "0"],
        ["--queue-bytes", "1KiB"],
        ["--event-types", "9lives"],
    ] {
        assert!(serve(&args).is_err(), "{args:?}");
    }
}

#[test]
fn resolves_host_names_of_addresses() {
    let localhost = serve(&["--addr", "localhost:3000", "--metrics-addr", "localhost:9464"]).unwrap();
    assert!(localhost.addr.ip().is_loopback() && localhost.addr.port() == 3000, "{}", localhost.addr);
    assert!(matches!(localhost.metrics_addr, Some(MetricsAddr::At(addr)) if addr.ip().is_loopback()));
    assert_eq!(serve(&["--addr", "[::1]:7"]).unwrap().addr.to_string(), "[::1]:7");
    for wrong in ["3000", ":3000", "localhost", "localhost:", "localhost:70000", "http://localhost:3000", "::1:3000x"] {
        let error = parse_addr(wrong).unwrap_err();
        assert!(error.contains("such as 127.0.0.1:3000, localhost:3000"), "{wrong}: {error}");
    }
}

/// Returns each setting of the server: flag, variable, and default if there is one.
fn settings() -> Vec<(String, String, Option<String>)> {
    let mut command = Cli::command();
    command.build();
    let serve = command.find_subcommand("serve").unwrap();
    let setting = |arg: &clap::Arg| {
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_str().unwrap()).collect();
        let default = Some(defaults.join(",")).filter(|default| !default.is_empty());
        Some((format!("--{}", arg.get_long()?), arg.get_env()?.to_str()?.to_owned(), default))
    };
    let found: Vec<_> = serve.get_arguments().filter_map(setting).collect();
    assert!(found.len() > 40, "{found:?}");
    found
}

#[test]
fn example_file_lists_all_settings_with_defaults() {
    let example = include_str!("../../../.env.example");
    for (_, variable, default) in settings() {
        let value = |line: &'static str| line.strip_prefix(&*variable)?.strip_prefix('=');
        let set: Vec<&str> = example.lines().filter_map(value).collect();
        let shown = example.lines().filter_map(|line| line.strip_prefix('#')).filter_map(value).count();
        assert_eq!(set.len() + shown, 1, "{variable} occurs in .env.example once");
        // Lines that are commented out are examples.
        assert!(
            set.iter().all(|set| Some(*set) == default.as_deref()),
            "{variable} in .env.example: {set:?}, {default:?}"
        );
    }
}

#[test]
fn reads_secrets_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let (token, store) = (dir.path().join("token"), dir.path().join("store"));
    std::fs::write(&token, "sixteen-chars-ok\n").unwrap();
    std::fs::write(&store, "mongodb://u:p@h/shop\r\n").unwrap();
    let parse = |variables: &[(&str, &std::path::Path)], args: &[&str]| {
        let find = |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| value.into());
        let (command, errors) = secret_files::read(Cli::command(), find);
        if let Some(error) = errors.first() {
            return Err(error.to_string());
        }
        let matches = command.try_get_matches_from(["martech-server"].iter().chain(args)).unwrap();
        match Cli::from_arg_matches(&matches).unwrap().into_command() {
            Command::Serve(args) => Ok((args.admin_token.is_some(), args.store.store.to_string())),
            _ => panic!("expected the serve command"),
        }
    };
    let files = [("MARTECH_ADMIN_TOKEN_FILE", token.as_path()), ("MARTECH_STORE_FILE", &store)];
    let found = Ok::<_, String>((true, "mongodb://h/shop".to_owned()));
    assert_eq!(parse(&files, &[]), found);
    assert_eq!(parse(&files, &["serve"]), found);
    assert_eq!(parse(&files, &["--store", "lake"]), Ok((true, "lake".to_owned())));
    let both = [("MARTECH_STORE", store.as_path()), ("MARTECH_STORE_FILE", &store)];
    assert!(parse(&both, &[]).unwrap_err().contains("MARTECH_STORE and MARTECH_STORE_FILE are both set"));
    let nowhere = dir.path().join("nowhere");
    std::fs::write(&token, "short").unwrap();
    let error = parse(&files, &[]).unwrap_err();
    assert!(error.contains("MARTECH_ADMIN_TOKEN_FILE") && !error.contains("short\""), "{error}");
    let error = parse(&[("MARTECH_STORE_FILE", &nowhere)], &[]).unwrap_err();
    assert!(error.contains("MARTECH_STORE_FILE") && error.contains("nowhere"), "{error}");
}

#[test]
fn help_shows_common_settings_and_advanced_help_shows_all() {
    let help = |flag: &str| Cli::try_parse_from(["martech-server", flag]).unwrap_err().to_string();
    let (common, all) = (help("--help"), help("--help-advanced"));
    let count = |text: &str| settings().iter().filter(|(flag, ..)| text.contains(&format!("{flag} <"))).count();
    assert_eq!(count(&all), settings().len());
    assert!((15..=25).contains(&count(&common)), "{common}");
    assert_eq!(help("-h"), common);
    let of_command = Cli::try_parse_from(["martech-server", "serve", "--help"]).unwrap_err().to_string();
    assert_eq!(count(&of_command), count(&common));
}

#[test]
fn every_command_has_help() {
    for command in
        ["serve", "check", "import", "migrate", "verify", "repair", "user", "user add", "user list", "user remove"]
    {
        for flag in ["-h", "--help"] {
            let line = ["martech-server"].into_iter().chain(command.split(' ')).chain([flag]);
            let error = Cli::try_parse_from(line).unwrap_err();
            assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{command} {flag}: {error}");
        }
    }
}

#[test]
fn help_shows_no_secret() {
    let help = Cli::command().render_long_help().to_string();
    assert!(help.contains("MARTECH_ADMIN_TOKEN]"), "the variable is named without its value:\n{help}");
}
