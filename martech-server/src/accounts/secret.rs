//! Tokens, and what is kept of them.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// 256 random bits, in base64url: a token, or a key.
pub(crate) fn random() -> String {
    let mut bytes = [0; 32];
    // A system that has no random bytes left cannot keep secrets: every program that needs them ends there.
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is stored of a token. Its 256 bits are random, so no salt is needed, nor a slow hash.
pub(crate) fn digest(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// What cookies are signed with, so that a made-up one costs no look at the records.
#[derive(Clone)]
pub(crate) struct CookieKey(Vec<u8>);

impl CookieKey {
    pub(crate) fn new(key: &str) -> Self {
        Self(key.as_bytes().to_vec())
    }

    /// `VALUE.SIGNATURE`, as [Better Auth](https://www.better-auth.com/docs/concepts/cookies) signs: HMAC-SHA-256 in base64.
    pub(crate) fn sign(&self, value: &str) -> String {
        format!("{value}.{}", STANDARD.encode(self.mac(value).finalize().into_bytes()))
    }

    /// The value, where the signature is ours.
    pub(crate) fn verify<'a>(&self, signed: &'a str) -> Option<&'a str> {
        let (value, signature) = signed.rsplit_once('.')?;
        let signature = STANDARD.decode(signature).ok()?;
        self.mac(value).verify_slice(&signature).ok().map(|()| value)
    }

    /// What is kept of something that could be guessed, were it hashed without the key.
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
    fn tokens_are_random_and_their_digests_are_not() {
        let (one, other) = (random(), random());
        assert!(one != other && one.len() == 43);
        // FIPS 180-2, appendix B.1.
        assert_eq!(digest("abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    }

    #[test]
    fn only_what_was_signed_is_believed() {
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
