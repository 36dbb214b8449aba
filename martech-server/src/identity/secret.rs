//! Random tokens and the hashes that are stored of them.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Returns 256 random bits in base64url, for a token or a key.
///
/// # Panics
///
/// Panics if the system provides no random bytes.
pub(crate) fn random() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the SHA-256 of a token in base64url, for storage. A token has 256 random bits, so the hash needs no salt and
/// may be fast.
pub(crate) fn digest(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// The key that signs cookies. The server rejects a cookie with a wrong signature without reading the records.
#[derive(Clone)]
pub(crate) struct CookieKey(Vec<u8>);

impl CookieKey {
    pub(crate) fn new(key: &str) -> Self {
        Self(key.as_bytes().to_vec())
    }

    /// Returns `VALUE.SIGNATURE` as [Better Auth](https://www.better-auth.com/docs/concepts/cookies) does: HMAC-SHA-256
    /// in base64.
    pub(crate) fn sign(&self, value: &str) -> String {
        format!("{value}.{}", STANDARD.encode(self.mac(value).finalize().into_bytes()))
    }

    /// Returns the value if the signature is valid.
    pub(crate) fn verify<'a>(&self, signed: &'a str) -> Option<&'a str> {
        let (value, signature) = signed.rsplit_once('.')?;
        let signature = STANDARD.decode(signature).ok()?;
        self.mac(value).verify_slice(&signature).ok().map(|()| value)
    }

    /// Returns a keyed hash of a value that could be guessed from a plain hash.
    pub(crate) fn digest(&self, value: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(value).finalize().into_bytes())
    }

    fn mac(&self, value: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(value.as_bytes());
        mac
    }
}

impl fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_digests_are_deterministic() {
        let (one, other) = (random(), random());
        assert!(one != other && one.len() == 43);
        // FIPS 180-2, appendix B.1.
        assert_eq!(digest("abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    }

    #[test]
    fn accepts_only_own_signatures() {
        let key = CookieKey::new("secret");
        let signed = key.sign("token");
        assert_eq!(signed.len(), "token.".len() + 44);
        assert_eq!(key.verify(&signed), Some("token"));
        assert_eq!(CookieKey::new("other").verify(&signed), None);
        for changed in
            [signed.replace("token", "Token"), signed[..signed.len() - 2].to_owned(), "token".into(), String::new()]
        {
            assert_eq!(key.verify(&changed), None, "{changed}");
        }
        assert!(!format!("{key:?}").contains("secret"));
    }
}
