//! TLS in the server: a certificate and key from PEM files, read again when they change.
//!
//! Each handshake checks whether the files changed. The check costs two metadata calls, which is little compared with
//! the handshake. If the files cannot be used, the previous pair stays in use. This happens while both files are being
//! replaced, for example, when a new certificate is next to an old key.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
        version::{TLS12, TLS13},
    },
    server::TlsStream,
};

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The PEM files of the certificate, with its chain, and of its private key. The server uses TLS if there are both.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsFiles {
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// Reasons why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate without a key, or a key without a certificate.
    #[error("one is set without the other; TLS needs both")]
    Half,
    /// A file that cannot be read or has the wrong contents.
    #[error("{path}: {1}", path = .0.display())]
    File(PathBuf, String),
    /// The certificate and the key do not match, or are of an unsupported kind.
    #[error("{cert} and {key} cannot be used together: {reason}", cert = .cert.display(), key = .key.display())]
    Pair {
        /// The path of the certificate.
        cert: PathBuf,
        /// The path of the key.
        key: PathBuf,
        /// The reason.
        reason: rustls::Error,
    },
    /// The TLS library rejects the configuration.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Accepts TLS connections.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Loads the certificate and its key. Returns `None` without either.
    pub(crate) fn load(files: &TlsFiles) -> Result<Option<Self>, TlsError> {
        let (cert, key) = match (&files.cert, &files.key) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => return Ok(None),
            _ => return Err(TlsError::Half),
        };
        let provider = Arc::new(ring::default_provider());
        let files = Files { cert: cert.clone(), key: key.clone(), provider: provider.clone() };
        let seen = files.stamp();
        let pair = files.read()?;
        let pairs = Pairs { files, current: Mutex::new(Current { seen, pair }) };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(pairs));
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(Some(Self(TlsAcceptor::from(Arc::new(config)))))
    }

    /// Performs the handshake.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        self.0.accept(stream).await
    }
}

/// Returns whether client and server agreed on HTTP/2 (ALPN).
pub(super) fn speaks_http2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP2)
}

#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
}

/// Modification time and size of each file, to detect changes.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Files {
    fn stamp(&self) -> Stamp {
        [&self.cert, &self.key].map(|path| {
            let found = fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        })
    }

    fn read(&self) -> Result<Arc<CertifiedKey>, TlsError> {
        let chain = CertificateDer::pem_file_iter(&self.cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|error| unreadable(&self.cert, "certificate", &error))?;
        if chain.is_empty() {
            return Err(unreadable(&self.cert, "certificate", &pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unreadable(&self.key, "key", &error))?;
        CertifiedKey::from_der(chain, key, &self.provider).map(Arc::new).map_err(|reason| TlsError::Pair {
            cert: self.cert.clone(),
            key: self.key.clone(),
            reason,
        })
    }
}

fn unreadable(path: &Path, what: &str, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("there is no {what} in it, in PEM"),
        error => format!("this is no PEM: {error}"),
    };
    TlsError::File(path.to_owned(), reason)
}

/// The certificate and key in use, which are read again when the files change.
#[derive(Debug)]
struct Pairs {
    files: Files,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    seen: Stamp,
    pair: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Pairs {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let stamp = self.files.stamp();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp != current.seen {
            // Read once for each state of the files, even if they cannot be used.
            current.seen = stamp;
            match self.files.read() {
                Ok(pair) => {
                    current.pair = pair;
                    tracing::info!(cert = %self.files.cert.display(), "a new certificate is in use");
                }
                Err(error) => tracing::error!(%error, "cannot load the new certificate; keeping the previous one"),
            }
        }
        Some(current.pair.clone())
    }
}
