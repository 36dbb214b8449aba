//! Sessions: expiry, listing and revocation, and the key that signs their cookies.

use super::*;

#[tokio::test]
async fn session_slides_and_expires() {
    let (mut shop, owner) = Shop::open(SignUpPolicy::Closed).await;
    assert_eq!(owner.session.expires_at, later(shop.now, 7 * DAY));
    shop.after(HOUR);
    assert!(!shop.session(&owner.token).await.unwrap().slid, "not with every request");
    shop.after(DAY);
    let handle = shop.session(&owner.token).await.unwrap();
    assert!(handle.slid);
    assert_eq!(handle.session.expires_at, later(shop.now, 7 * DAY));
    // A visit every six days extends the session, up to thirty days.
    let begun = owner.session.created_at;
    for _ in 0..4 {
        shop.after(6 * DAY);
        assert!(shop.session(&owner.token).await.is_some());
    }
    let last = shop.session(&owner.token).await.unwrap();
    assert_eq!(last.session.expires_at, later(begun, 30 * DAY));
    shop.now = last.session.expires_at;
    assert!(shop.session(&owner.token).await.is_none());

    let ann = shop.sign_in("owner", PASSWORD).await.unwrap();
    shop.after(7 * DAY);
    assert!(shop.session(&ann.token).await.is_none(), "an unused session ends");
}

#[tokio::test]
async fn unremembered_session_ends_within_a_day() {
    let (mut shop, _) = Shop::open(SignUpPolicy::Closed).await;
    let origin = Origin::default();
    let signed = shop.accounts.sign_in("owner@shop.example", PASSWORD, false, &origin, shop.now).await.unwrap();
    shop.after(23 * HOUR);
    assert!(!shop.session(&signed.token).await.unwrap().slid);
    shop.after(HOUR);
    assert!(shop.session(&signed.token).await.is_none());
}

#[tokio::test]
async fn lists_and_revokes_sessions() {
    let (mut shop, owner) = Shop::open(SignUpPolicy::Open).await;
    let stranger = shop.sign_up("ann", Entitlement::Nothing).await.unwrap();
    let mut signed = vec![owner.clone()];
    for _ in 0..4 {
        signed.push(shop.sign_in("owner", PASSWORD).await.unwrap());
    }
    let ids = |sessions: Vec<Session>| sessions.into_iter().map(|session| session.id).collect::<Vec<_>>();
    let expected: Vec<String> = signed.iter().map(|signed| signed.session.id.clone()).collect();
    assert_eq!(ids(shop.accounts.sessions(&owner.user, shop.now).await.unwrap()), expected);

    assert!(shop.accounts.sign_out(&signed[1].token).await.unwrap());
    assert!(!shop.accounts.sign_out(&signed[1].token).await.unwrap());
    // Sessions end by token or by the hash of a list, and only for their own user.
    assert!(shop.accounts.revoke(&owner.user, &signed[2].token).await.unwrap());
    assert!(shop.accounts.revoke(&owner.user, &signed[3].session.token_hash).await.unwrap());
    for token in [&stranger.token, &stranger.session.token_hash, "nonsense"] {
        assert!(!shop.accounts.revoke(&owner.user, token).await.unwrap());
    }
    for (signed, is_there) in signed.iter().zip([true, false, false, false, true]) {
        assert_eq!(shop.session(&signed.token).await.is_some(), is_there);
    }
    shop.accounts.revoke_all(&owner.user.id, Some(&owner.session)).await.unwrap();
    assert!(shop.session(&signed[4].token).await.is_none() && shop.session(&owner.token).await.is_some());
    shop.accounts.revoke_all(&owner.user.id, None).await.unwrap();
    assert!(shop.session(&owner.token).await.is_none() && shop.session(&stranger.token).await.is_some());

    let now = shop.after(7 * DAY);
    assert_eq!(shop.accounts.sweep(now).await.unwrap(), 1, "what is over goes");
}

#[tokio::test]
async fn keeps_at_most_a_hundred_sessions_per_user() {
    let (shop, owner) = Shop::open(SignUpPolicy::Closed).await;
    for _ in 0..100 {
        shop.started(&owner.user).await;
    }
    assert_eq!(shop.accounts.sessions(&owner.user, shop.now).await.unwrap().len(), 100);
    assert!(shop.session(&owner.token).await.is_none(), "the oldest has ended");
}

#[tokio::test]
async fn servers_share_the_cookie_key() {
    let dir = tempfile::tempdir().unwrap();
    let records = Records::open(dir.path()).unwrap();
    let server = || {
        let hasher = Hasher::new(Cost { memory: 64, passes: 1, lanes: 1 }).unwrap();
        Accounts::new(
            records.clone(),
            hasher,
            AccountSettings {
                policy: SignUpPolicy::Closed,
                times: SessionTimes { idle: DAY, most: DAY },
                attempts: 30,
            },
        )
    };
    let servers = [server(), server(), server()];
    let keys = futures_util::future::join_all(
        servers.iter().map(|server| async { server.cookie_key().await.unwrap().sign("x") }),
    );
    let keys = keys.await;
    assert!(keys.iter().all(|key| *key == keys[0]));
}
