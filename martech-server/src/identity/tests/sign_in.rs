//! Sign-in, wrong passwords, and changes by users of their own accounts.

use super::*;

#[tokio::test]
async fn sign_in_does_not_reveal_existing_accounts() {
    let (shop, owner) = Shop::open(SignUpPolicy::Closed).await;
    let wrong = shop.sign_in("owner", "wrong horse").await.unwrap_err();
    let nobody = shop.sign_in("nobody", PASSWORD).await.unwrap_err();
    assert!(matches!(wrong, AccountError::InvalidEmailOrPassword));
    assert_eq!(wrong.to_string(), nobody.to_string());
    let again =
        shop.accounts.sign_in("Owner@shop.EXAMPLE", PASSWORD, true, &Origin::default(), shop.now).await.unwrap();
    assert!(again.token != owner.token && again.user == owner.user);
    for token in [&again.token, &owner.token] {
        assert_eq!(shop.session(token).await.unwrap().user.entity, owner.user);
    }
    // The stored hash is not a valid token.
    assert!(shop.session(&owner.session.token_hash).await.is_none());
    assert!(shop.session("").await.is_none());
}

#[tokio::test]
async fn guesses_are_limited_by_address() {
    let (shop, _) = Shop::open(SignUpPolicy::Closed).await;
    let from = |last: u8| Origin { address: Some([192, 0, 2, last].into()), user_agent: None };
    let attempt = async |email: &str, password: &str, origin: Origin| {
        shop.accounts.sign_in(email, password, true, &origin, shop.now).await
    };
    for _ in 0..5 {
        assert!(attempt("owner@shop.example", "a guess of it", from(1)).await.is_err());
    }
    let error = attempt("owner@shop.example", PASSWORD, from(1)).await.unwrap_err();
    assert!(matches!(error, AccountError::TooManyRequests(wait) if wait > Duration::from_secs(20)), "{error:?}");
    assert!(attempt("owner@shop.example", PASSWORD, from(2)).await.is_ok(), "the owner is somewhere else");
}

#[tokio::test]
async fn wrong_passwords_are_recorded_in_the_audit_log() {
    let (shop, owner) = Shop::open(SignUpPolicy::Invitation).await;
    let failures = async || {
        let entries = shop.accounts.audit(None, 1000).await.unwrap();
        entries.iter().filter(|entry| entry.action == Action::SignInFailed).count()
    };
    assert!(shop.sign_in("owner", "wrong horse").await.is_err());
    assert_eq!(failures().await, 1);
    let user = shop.accounts.user(&owner.user.email).await.unwrap().unwrap();
    let handle = SessionHandle { session: owner.session.clone(), user, slid: false };
    let origin = Origin::default();
    let changed = shop.accounts.change_password(&handle, "wrong horse", "battery staple", false, &origin, shop.now);
    assert!(changed.await.is_err());
    assert_eq!(failures().await, 2);
}

#[tokio::test]
async fn audit_entries_of_failures_are_limited() {
    let (shop, _) = Shop::open(SignUpPolicy::Closed).await;
    for _ in 0..300 {
        shop.accounts.note_failure("owner@shop.example", &Origin::default(), shop.now).await;
    }
    let noted = shop.accounts.audit(None, 1000).await.unwrap().len();
    assert!((100..200).contains(&noted), "{noted}");
}

#[tokio::test]
async fn sign_in_rehashes_outdated_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let records = Records::open(dir.path()).unwrap();
    let times = SessionTimes { idle: DAY, most: DAY };
    let with = |passes| {
        let hasher = Hasher::new(Cost { memory: 64, passes, lanes: 1 }).unwrap();
        Accounts::new(records.clone(), hasher, AccountSettings { policy: SignUpPolicy::Closed, times, attempts: 30 })
    };
    let (old, new, now) = (with(1), with(2), Timestamp::now());
    let owner = NewUser { name: "", email: "owner@shop.example", password: PASSWORD, image: None };
    old.sign_up(owner, Entitlement::AdminToken, true, &Origin::default(), now).await.unwrap();
    for _ in 0..2 {
        let signed = new.sign_in("owner@shop.example", PASSWORD, true, &Origin::default(), now).await.unwrap();
        assert!(signed.user.password_hash.contains("t=2"), "{}", signed.user.password_hash);
    }
    assert!(old.sign_in("owner@shop.example", PASSWORD, true, &Origin::default(), now).await.is_ok());
}

#[tokio::test]
async fn password_change_needs_the_current_password() {
    let (shop, owner) = Shop::open(SignUpPolicy::Closed).await;
    let other = shop.sign_in("owner", PASSWORD).await.unwrap();
    let change = async |current: &str, new: &str, revoke| {
        let user = shop.accounts.user(&owner.user.email).await.unwrap().unwrap();
        let origin = Origin::default();
        let handle = SessionHandle { session: owner.session.clone(), user, slid: false };
        shop.accounts.change_password(&handle, current, new, revoke, &origin, shop.now).await
    };
    assert!(matches!(change("wrong horse", "battery staple", false).await, Err(AccountError::InvalidPassword)));
    assert!(matches!(change(PASSWORD, "short", false).await, Err(AccountError::PasswordTooShort)));
    assert!(change(PASSWORD, "battery staple", false).await.unwrap().is_none());
    assert!(shop.sign_in("owner", PASSWORD).await.is_err());
    assert!(shop.session(&other.token).await.is_some());
    let begun = change("battery staple", "staple battery", true).await.unwrap().unwrap();
    assert!(shop.session(&other.token).await.is_none() && shop.session(&owner.token).await.is_none());
    assert!(shop.session(&begun.token).await.is_some());
    assert!(shop.sign_in("owner", "staple battery").await.is_ok());
}

#[tokio::test]
async fn users_update_their_own_profile() {
    let (shop, owner) = Shop::open(SignUpPolicy::Closed).await;
    let update = async |name, image| shop.accounts.update_user(&owner.user.id, name, image, shop.now).await;
    let image = "https://shop.example/me.png";
    let changed = update(Some("Olga"), Some(Some(image))).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.image.as_deref()), ("Olga", Some(image)));
    let changed = update(None, Some(None)).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.image), ("Olga", None));
    assert!(update(Some("\u{7}"), None).await.is_err());
    // Concurrent updates of different fields both take effect.
    let (one, other) = tokio::join!(update(Some("Oda"), None), update(None, Some(Some(image))));
    assert!(one.is_ok() && other.is_ok());
    let user = shop.accounts.user(&owner.user.email).await.unwrap().unwrap();
    assert_eq!((user.name.as_str(), user.image.as_deref()), ("Oda", Some(image)));
    // An update fails for a removed account, also if another account has its email address.
    let gone = shop.accounts.update_user("another-id", Some("Otto"), None, shop.now).await;
    assert!(matches!(gone, Err(AccountError::NoSuchMember)));
}
