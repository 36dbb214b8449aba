//! Keys: creation, rotation, revocation and the cache.

use super::*;

#[tokio::test]
async fn keys_are_found_by_secret_until_revoked() {
    let (mut shop, _) = Shop::open(SignUpPolicy::Closed).await;
    let actor = Actor::Operator;
    let new = |name: &str, kind| NewKey { name: name.to_owned(), kind, origins: Vec::new() };
    let default = ProjectId::default();
    let (secret, made) = shop.accounts.make_key(&actor, &default, new("shop", KeyKind::Write), shop.now).await.unwrap();
    assert!(secret.starts_with("mt_write_") && secret.ends_with(&made.hint) && is_key(&secret));
    let (reading, _) = shop.accounts.make_key(&actor, &default, new("report", KeyKind::Read), shop.now).await.unwrap();
    assert!(reading.starts_with("mt_read_"));
    for _ in 0..2 {
        let found = shop.accounts.key(&secret, shop.now).await.unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.kind), (made.id.as_str(), KeyKind::Write));
    }
    assert!(shop.accounts.key(&made.secret_hash, shop.now).await.unwrap().is_none());
    assert!(shop.accounts.key(&format!("{secret}x"), shop.now).await.unwrap().is_none());
    let mut listed = shop.accounts.keys(&default, shop.now).await.unwrap();
    listed.sort_by(|left, right| left.id.cmp(&right.id));
    assert_eq!(listed.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["shop", "report"]);
    assert_eq!(listed[0].last_used_at, Some(shop.now));
    assert_eq!(listed[1].last_used_at, None);

    // After a rotation the old secret stays valid for a day, also if it is cached.
    let (second, _) = shop.accounts.rotate_key(&actor, &default, &made.id, shop.now).await.unwrap();
    assert!(shop.accounts.key(&second, shop.now).await.unwrap().is_some());
    assert!(shop.accounts.key(&secret, shop.now).await.unwrap().is_some());
    assert_eq!(shop.accounts.keys(&default, shop.now).await.unwrap().len(), 3);
    shop.after(DAY);
    assert!(shop.accounts.key(&secret, shop.now).await.unwrap().is_none());
    assert!(shop.accounts.key(&second, shop.now).await.unwrap().is_some());
    let (third, _) = shop.accounts.rotate_key(&actor, &default, &made.id, shop.now).await.unwrap();

    assert!(shop.accounts.revoke_key(&actor, &default, &made.id, shop.now).await.is_ok());
    let again = shop.accounts.revoke_key(&actor, &default, &made.id, shop.now).await;
    assert!(matches!(again, Err(AccountError::NoSuchKey)));
    for secret in [&secret, &second, &third] {
        assert!(shop.accounts.key(secret, shop.now).await.unwrap().is_none());
    }
    assert!(matches!(
        shop.accounts.rotate_key(&actor, &default, &made.id, shop.now).await,
        Err(AccountError::NoSuchKey)
    ));
    assert!(shop.accounts.key(&reading, shop.now).await.unwrap().is_some());
    let error = shop.accounts.make_key(&actor, &default, new("", KeyKind::Read), shop.now).await.unwrap_err();
    assert!(matches!(error, AccountError::InvalidField("name", _)));
}

#[tokio::test]
async fn cached_key_works_while_the_store_is_unavailable() {
    let (shop, _) = Shop::open(SignUpPolicy::Closed).await;
    let (actor, default) = (Actor::Operator, ProjectId::default());
    let new = |name: &str| NewKey { name: name.to_owned(), kind: KeyKind::Write, origins: Vec::new() };
    let (used, _) = shop.accounts.make_key(&actor, &default, new("used"), shop.now).await.unwrap();
    let (unused, _) = shop.accounts.make_key(&actor, &default, new("unused"), shop.now).await.unwrap();
    assert!(shop.accounts.key(&used, shop.now).await.unwrap().is_some());
    shop.accounts.close().await;
    tokio::time::pause();
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(shop.accounts.key(&used, shop.now).await.unwrap().unwrap().name, "used");
    }
    assert!(shop.accounts.key(&unused, shop.now).await.is_err());
}
