//! The HTTP client of commands. Over `https://` it trusts public certificate authorities, or those of a given file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use ureq::{
    Agent,
    config::ConfigBuilder,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
    typestate::AgentScope,
};

/// The certificate authorities that a command trusts.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TrustArgs {
    /// PEM file with the certificates to trust behind https://, in place of public authorities
    #[arg(long, global = true, env = "MARTECH_CA_CERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
}

/// The errors of `--ca-cert`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("--ca-cert {0}: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("--ca-cert {0} contains no certificate; a certificate in PEM begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate(PathBuf),
}

impl TrustArgs {
    /// Returns the settings of an agent that returns responses of every status as values. The timeout for connecting is
    /// 10 s.
    pub(crate) fn agent(&self) -> Result<ConfigBuilder<AgentScope>, TrustError> {
        let roots = match &self.ca_cert {
            Some(path) => certificates(path)?,
            None => RootCerts::WebPki,
        };
        Ok(Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_connect(Some(Duration::from_secs(10)))
            .user_agent(concat!("martech-server/", env!("CARGO_PKG_VERSION"))))
    }
}

fn certificates(path: &Path) -> Result<RootCerts, TrustError> {
    let pem = fs::read(path).map_err(|error| TrustError::Unreadable(path.to_owned(), error))?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(TrustError::NoCertificate(path.to_owned()));
    }
    Ok(RootCerts::from(certificates))
}
