//! Password hashing: Argon2id on blocking threads, with a bounded number of concurrent hashes and a queue ordered by
//! [`Standing`].
//!
//! Passwords are hashed in the Unicode form NFC, because keyboards differ: `é` is one character, or an `e` and a
//! combining accent. Older hashes are of the text as typed, so verification also tries the other forms.

use std::{
    fmt,
    sync::{Arc, LazyLock, OnceLock},
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::task::spawn_blocking;
use unicode_normalization::UnicodeNormalization;

use super::{AccountError, priority_semaphore::PrioritySemaphore, throttle::Standing};

/// The permitted lengths of a password, in characters.
pub(crate) const LENGTHS: std::ops::RangeInclusive<usize> = 8..=128;

/// The 10,000 most common passwords of at least eight characters, in lower case and sorted: see `common-passwords.md`.
static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("common-passwords.txt").lines().collect());

/// Checks that a new password is long enough, short enough and not common.
pub(super) fn check(password: &str) -> Result<(), AccountError> {
    if password.nfc().count() < *LENGTHS.start() {
        return Err(AccountError::PasswordTooShort);
    }
    check_length(password)?;
    let is_common = COMMON.binary_search(&password.nfc().collect::<String>().to_lowercase().as_str()).is_ok();
    if is_common { Err(AccountError::PasswordTooCommon) } else { Ok(()) }
}

/// Checks the maximum length. Longer texts are not hashed.
pub(super) fn check_length(password: &str) -> Result<(), AccountError> {
    if password.chars().count() > *LENGTHS.end() { Err(AccountError::PasswordTooLong) } else { Ok(()) }
}

/// Returns the forms in which a password may have been hashed, the most likely one first.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.nfc().collect::<String>()];
    for form in [text.to_owned(), text.nfd().collect()] {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// The cost of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Memory, in KiB.
    pub(crate) memory: u32,
    /// Passes over the memory.
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

/// The minimum that [OWASP](https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html)
/// recommends.
impl Default for Cost {
    fn default() -> Self {
        Self { memory: 19 << 10, passes: 2, lanes: 1 }
    }
}

/// The length of the queue. When it is full, the request that ranks last is rejected.
const MAX_WAITING: usize = 64;

/// Hashes and verifies passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hasher {
    inner: Arc<Inner>,
}

struct Inner {
    argon2: Argon2<'static>,
    /// One permit for each core, because each hash takes its own memory.
    semaphore: PrioritySemaphore,
    /// The hash of a random text, created on first use. It is verified when there is no account, so that the response
    /// time is the same.
    decoy: OnceLock<Result<String, HashError>>,
}

/// The hash of a random text, created on first use. Verification uses it when there is no account, so that the response
/// time is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HashError {
    #[error("too many concurrent sign-ins; retry in a moment")]
    Busy,
    #[error("the password cannot be hashed: {0}")]
    Failed(&'static str),
}

impl Hasher {
    pub(crate) fn new(cost: Cost) -> Result<Self, HashError> {
        let params = Params::new(cost.memory, cost.passes, cost.lanes, None)
            .map_err(|_| HashError::Failed("Argon2 takes at least 8 KiB of memory for each lane, and one pass"))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let inner = Inner { argon2, semaphore: PrioritySemaphore::new(cores, MAX_WAITING), decoy: OnceLock::new() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Hashes a password with a new salt.
    pub(crate) async fn hash(&self, password: &str, standing: Standing) -> Result<String, HashError> {
        let password: String = password.nfc().collect();
        self.run(standing, move |inner| hash(&inner.argon2, &password)).await?
    }

    /// Returns whether a password matches a hash. Without a hash, returns `false` after the same time.
    pub(crate) async fn verify(
        &self,
        password: &str,
        hash: Option<&str>,
        standing: Standing,
    ) -> Result<bool, HashError> {
        let (forms, hash) = (forms(password), hash.map(str::to_owned));
        self.run(standing, move |inner| {
            // Create the decoy in any case, so that the time does not show whether an account exists.
            let decoy = inner.decoy.get_or_init(|| self::hash(&inner.argon2, &super::secret::random())).clone()?;
            let candidate = PasswordHash::new(hash.as_ref().unwrap_or(&decoy));
            let is_right = |candidate: &PasswordHash| {
                let tried = forms.iter().map(|form| inner.argon2.verify_password(form.as_bytes(), candidate).is_ok());
                // Try all forms, so that the time does not show which one matched.
                tried.fold(false, |found, is_right| found | is_right)
            };
            let matches = candidate.is_ok_and(|candidate| is_right(&candidate));
            Ok(matches && hash.is_some())
        })
        .await?
    }

    /// Returns whether the parameters of a hash differ from those of new hashes.
    pub(crate) fn is_outdated(&self, hash: &str) -> bool {
        let params = PasswordHash::new(hash).ok().and_then(|hash| {
            let is_ours = hash.algorithm == Algorithm::Argon2id.ident();
            Params::try_from(&hash).ok().filter(|_| is_ours)
        });
        let own = self.inner.argon2.params();
        params.is_none_or(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost()) != (own.m_cost(), own.t_cost(), own.p_cost())
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        standing: Standing,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let permit = self.inner.semaphore.take(standing).await.ok_or(HashError::Busy)?;
        let inner = self.inner.clone();
        let work = move || {
            // Keep the permit until the work ends, even if the caller stops waiting.
            let _permit = permit;
            work(&inner)
        };
        spawn_blocking(work).await.map_err(|_| HashError::Failed("the thread panicked"))
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, HashError> {
    let hash = argon2.hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|_| HashError::Failed("Argon2 refuses it"))
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("params", self.inner.argon2.params()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing::Known, *};

    const CHEAP: Cost = Cost { memory: 64, passes: 1, lanes: 1 };

    #[tokio::test]
    async fn verifies_the_right_password_only() {
        let hasher = Hasher::new(CHEAP).unwrap();
        let hash = hasher.hash("correct horse", Known).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert!(hasher.verify("correct horse", Some(&hash), Known).await.unwrap());
        assert!(!hasher.verify("correct horsE", Some(&hash), Known).await.unwrap());
        assert!(!hasher.verify("correct horse", None, Known).await.unwrap());
        assert!(!hasher.verify("correct horse", Some("no hash"), Known).await.unwrap());
        assert_ne!(hasher.hash("correct horse", Known).await.unwrap(), hash, "each hash has its own salt");
    }

    #[test]
    fn rejects_common_passwords() {
        assert_eq!(COMMON.len(), 10_000);
        assert!(COMMON.is_sorted() && COMMON.iter().all(|password| password.chars().count() >= *LENGTHS.start()));
        for common in ["password", "Password1", "12345678", "QWERTYUIOP", "iloveyou", "football", "password123"] {
            assert!(matches!(check(common), Err(AccountError::PasswordTooCommon)), "{common}");
        }
        for fine in ["correct horse", "battery staple", "pässword-1"] {
            assert!(check(fine).is_ok(), "{fine}");
        }
    }

    #[tokio::test]
    async fn verifies_passwords_in_any_unicode_form() {
        let hasher = Hasher::new(CHEAP).unwrap();
        let (composed, decomposed) = ("Z\u{fc}rich gl\u{fc}ht", "Zu\u{308}rich glu\u{308}ht");
        for set in [composed, decomposed] {
            let hash = hasher.hash(set, Known).await.unwrap();
            for typed in [composed, decomposed] {
                assert!(hasher.verify(typed, Some(&hash), Known).await.unwrap(), "{set:?} {typed:?}");
            }
            // A hash from before normalization.
            let old = super::hash(&hasher.inner.argon2, set).unwrap();
            for typed in [composed, decomposed] {
                assert!(hasher.verify(typed, Some(&old), Known).await.unwrap(), "{set:?} {typed:?}");
            }
        }
        let hash = hasher.hash(composed, Known).await.unwrap();
        assert!(!hasher.verify("Zurich gluht", Some(&hash), Known).await.unwrap());
        // Both count eight characters after normalization.
        assert!(check("u\u{308}".repeat(7).as_str()).is_err() && check("u\u{308}".repeat(8).as_str()).is_ok());
    }

    #[tokio::test]
    async fn verifies_hashes_of_another_cost_as_outdated() {
        let (old, new) = (Hasher::new(CHEAP).unwrap(), Hasher::new(Cost { passes: 2, ..CHEAP }).unwrap());
        let hash = old.hash("correct horse", Known).await.unwrap();
        assert!(new.verify("correct horse", Some(&hash), Known).await.unwrap());
        assert!(new.is_outdated(&hash) && !old.is_outdated(&hash) && new.is_outdated("no hash"));
        assert!(Hasher::new(Cost { memory: 1, ..CHEAP }).is_err());
    }

    #[tokio::test]
    async fn rejects_hashing_when_the_queue_is_full() {
        let hasher = Hasher::new(CHEAP).unwrap();
        let semaphore = &hasher.inner.semaphore;
        let mut all = Vec::new();
        while semaphore.free() > 0 {
            all.push(semaphore.take(Known).await);
        }
        let waiting: Vec<_> = (0..MAX_WAITING)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.hash("correct horse", Known).await })
            })
            .collect();
        while semaphore.waiting() < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.hash("correct horse", Known).await, Err(HashError::Busy));
        drop(all);
        for one in waiting {
            assert!(one.await.unwrap().is_ok());
        }
    }

    #[tokio::test]
    async fn abandoned_work_keeps_its_turn_until_it_ends() {
        let hasher = Hasher::new(CHEAP).unwrap();
        let permits = hasher.inner.semaphore.free();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let abandoned = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.run(Known, move |_| ended.recv()).await }
        });
        while hasher.inner.semaphore.free() == permits {
            tokio::task::yield_now().await;
        }
        abandoned.abort();
        assert!(abandoned.await.is_err());
        assert_eq!(hasher.inner.semaphore.free(), permits - 1, "its memory is still taken");
        end.send(()).unwrap();
        while hasher.inner.semaphore.free() < permits {
            tokio::task::yield_now().await;
        }
    }
}
