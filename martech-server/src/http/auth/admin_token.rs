//! The operator's admin token.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

/// The file of the token in the data folder.
const FILE: &str = "admin-token";

/// The operator's secret, which permits every request. `Debug` does not print it.
#[derive(Clone)]
pub struct AdminToken(String);

/// Errors of reading or creating the admin token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token is too short, or has characters other than visible ASCII.
    #[error("an admin token has at least {} characters, all of them visible ASCII", AdminToken::MIN_CHARS)]
    Weak,
    /// The file does not hold a usable token.
    #[error("{path} contains no valid admin token: {source}; remove the file to create a new one")]
    BadFile {
        /// The path of the file.
        path: PathBuf,
        /// The problem with its content.
        source: Box<TokenError>,
    },
    /// The file could not be read or created.
    #[error("{path}: {source}")]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The system provided no random bytes.
    #[error("cannot read random bytes from the system: {0}")]
    NoRandomness(getrandom::Error),
}

/// The origin of the token, for the log line at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOrigin {
    /// The variable `MARTECH_ADMIN_TOKEN`, or the file that `MARTECH_ADMIN_TOKEN_FILE` names.
    Given,
    /// An existing file.
    Read(PathBuf),
    /// A file that was created at this start.
    Made(PathBuf),
}

impl AdminToken {
    /// The minimum length of a token, in characters.
    pub const MIN_CHARS: usize = 16;

    /// Takes a token chosen by the operator.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::Weak`] if the token is too short or has characters other than visible ASCII.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let strong = text.len() >= Self::MIN_CHARS && text.bytes().all(|byte| byte.is_ascii_graphic());
        if strong { Ok(Self(text.to_owned())) } else { Err(TokenError::Weak) }
    }

    /// Returns the given token. Without one, reads the token from the data folder, or creates it there.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError::BadFile`] if the file holds no usable token, [`TokenError::Io`] if it cannot be read or
    /// created, and [`TokenError::NoRandomness`] if the system provides no random bytes.
    pub fn load(given: Option<AdminToken>, data_dir: &Path) -> Result<(Self, TokenOrigin), TokenError> {
        if let Some(token) = given {
            return Ok((token, TokenOrigin::Given));
        }
        let path = data_dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                warn_if_exposed(&path);
                let token = Self::new(text.trim_end())
                    .map_err(|source| TokenError::BadFile { path: path.clone(), source: source.into() })?;
                Ok((token, TokenOrigin::Read(path)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = Self::random()?;
                token.write(&path).map_err(|source| TokenError::Io { path: path.clone(), source })?;
                Ok((token, TokenOrigin::Made(path)))
            }
            Err(source) => Err(TokenError::Io { path, source }),
        }
    }

    fn random() -> Result<Self, TokenError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(TokenError::NoRandomness)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Writes the token to a file with mode 0600. The file appears under its name only when it is complete and durable.
    fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        writeln!(file, "{}", self.0)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Returns the token, for a request to a server.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    pub(super) fn matches(&self, candidate: &str) -> bool {
        self.0.as_bytes().ct_eq(candidate.as_bytes()).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(..)")
    }
}

fn warn_if_exposed(path: &Path) {
    if let Ok(metadata) = fs::metadata(path)
        && metadata.mode() & 0o077 != 0
    {
        tracing::warn!(path = %path.display(), "other users can read the admin token; run chmod 600 on this file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creates_a_token_once_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let (made, origin) = AdminToken::load(None, dir.path()).unwrap();
        let path = dir.path().join("admin-token");
        assert_eq!(origin, TokenOrigin::Made(path.clone()));
        assert_eq!(made.0.len(), 43, "32 bytes in base64url");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let (read, origin) = AdminToken::load(None, dir.path()).unwrap();
        assert_eq!(origin, TokenOrigin::Read(path));
        assert!(read.matches(&made.0));
    }

    #[test]
    fn given_token_takes_precedence_and_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let given = AdminToken::new("sixteen-chars-ok").unwrap();
        let (token, origin) = AdminToken::load(Some(given), dir.path()).unwrap();
        assert_eq!(origin, TokenOrigin::Given);
        assert!(token.matches("sixteen-chars-ok"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn rejects_weak_tokens() {
        assert!(matches!(AdminToken::new("fifteen-chars-x"), Err(TokenError::Weak)));
        assert!(matches!(AdminToken::new("with a blank inside"), Err(TokenError::Weak)));
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("admin-token"), "short\n").unwrap();
        assert!(matches!(AdminToken::load(None, dir.path()), Err(TokenError::BadFile { .. })));
    }

    #[test]
    fn debug_hides_the_secret() {
        let token = AdminToken::new("sixteen-chars-ok").unwrap();
        assert!(!format!("{token:?}").contains("sixteen"));
    }
}
