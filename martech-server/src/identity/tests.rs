use super::*;
use crate::{
    identity::{
        ProjectId,
        actor::{ADMIN_TOKEN, Actor},
        invite::LIFETIME,
        sign_up::has_owner,
    },
    records::Entity,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const PASSWORD: &str = "correct horse";

struct Shop {
    accounts: Accounts,
    now: Timestamp,
    _dir: tempfile::TempDir,
}

impl Shop {
    fn new(policy: SignUpPolicy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hasher = Hasher::new(Cost { memory: 64, passes: 1, lanes: 1 }).unwrap();
        let times = SessionTimes { idle: 7 * DAY, most: 30 * DAY };
        let accounts = Accounts::new(
            AnyRecords::open(dir.path()).unwrap(),
            hasher,
            AccountSettings { policy, times, attempts: 30 },
        );
        Self { accounts, now: Timestamp::from_millis(1_800_000_000_000), _dir: dir }
    }

    /// Creates a shop with an owner.
    async fn open(policy: SignUpPolicy) -> (Self, SignedIn) {
        let shop = Self::new(policy);
        let owner = shop.sign_up("owner", Entitlement::AdminToken).await.unwrap();
        (shop, owner)
    }

    fn after(&mut self, time: Duration) -> Timestamp {
        self.now = later(self.now, time);
        self.now
    }

    async fn sign_up(&self, name: &str, entitlement: Entitlement<'_>) -> Result<SignedIn, AccountError> {
        let email = format!("{name}@shop.example");
        let new = NewUser { name, email: &email, password: PASSWORD, image: None };
        self.accounts.sign_up(new, entitlement, true, &Origin::default(), self.now).await
    }

    async fn sign_in(&self, name: &str, password: &str) -> Result<SignedIn, AccountError> {
        let email = format!("{name}@shop.example");
        self.accounts.sign_in(&email, password, true, &Origin::default(), self.now).await
    }

    async fn invite(&self, role: Role, email: Option<&str>) -> String {
        let email = email.map(|name| format!("{name}@shop.example").parse().unwrap());
        let token = secret::random();
        let invitation = Invitation {
            token_hash: secret::digest(&token),
            project: ProjectId::default(),
            role,
            email,
            invited_by: Some(ADMIN_TOKEN.to_owned()),
            created_at: self.now,
            expires_at: later(self.now, LIFETIME),
        };
        self.put(&[invitation]).await;
        token
    }

    async fn put<E: Entity>(&self, entities: &[E]) {
        let put = transact!(self.accounts.records(), RecordsError, |transaction| {
            entities.iter().for_each(|entity| transaction.put(entity));
            Ok(())
        });
        put.unwrap();
    }

    async fn has_owner(&self) -> bool {
        transact!(self.accounts.records(), RecordsError, |transaction| { has_owner(transaction).await }).unwrap()
    }

    /// Starts a session without a password.
    async fn started(&self, user: &User) -> SignedIn {
        let started = transact!(self.accounts.records(), RecordsError, |transaction| {
            self.accounts.start_session(transaction, user, true, (&Origin::default(), None), self.now).await
        });
        started.unwrap()
    }

    async fn session(&self, token: &str) -> Option<SessionHandle> {
        self.accounts.session(token, self.now).await.unwrap()
    }
}

#[tokio::test]
async fn only_the_first_account_becomes_the_owner() {
    let shop = Shop::new(SignUpPolicy::Open);
    assert!(matches!(shop.sign_up("stranger", Entitlement::Nothing).await, Err(AccountError::SetUpRequired)));
    let invitation = shop.invite(Role::Owner, None).await;
    let error = shop.sign_up("stranger", Entitlement::Invitation(&invitation)).await;
    assert!(matches!(error, Err(AccountError::SetUpRequired)), "only the server's own invitation makes an owner");
    let (link, other) =
        (shop.accounts.set_up_token(shop.now).await.unwrap(), shop.accounts.set_up_token(shop.now).await);
    let owner = shop.sign_up("owner", Entitlement::Invitation(&link.unwrap())).await.unwrap();
    assert_eq!(owner.user.role(&ProjectId::default()), Some(Role::Owner));
    // Neither the other link nor the admin token creates a second owner.
    let error = shop.sign_up("late", Entitlement::Invitation(&other.unwrap().unwrap())).await;
    assert!(matches!(error, Err(AccountError::InvalidInvitation)));
    assert_eq!(shop.accounts.set_up_token(shop.now).await.unwrap(), None);
    let analyst = shop.sign_up("late", Entitlement::AdminToken).await.unwrap();
    assert_eq!(analyst.user.role(&ProjectId::default()), Some(Role::Analyst));
}

#[tokio::test]
async fn one_of_two_first_sign_ups_succeeds() {
    let shop = Shop::new(SignUpPolicy::Closed);
    let (one, other) =
        tokio::join!(shop.sign_up("one", Entitlement::AdminToken), shop.sign_up("other", Entitlement::AdminToken));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert!(shop.has_owner().await);
}

#[tokio::test]
async fn set_up_ends_with_the_first_account() {
    let shop = Shop::new(SignUpPolicy::Invitation);
    let link = shop.accounts.set_up_token(shop.now).await.unwrap().unwrap();
    let first = shop.sign_up("first", Entitlement::Invitation(&link)).await.unwrap().user;
    // The first owner invites a second one, who demotes and removes the first.
    let invitation = shop.invite(Role::Owner, None).await;
    let second = shop.sign_up("second", Entitlement::Invitation(&invitation)).await.unwrap().user;
    let (by, default) = (Actor::User(second.id), ProjectId::default());
    shop.accounts.set_role(&by, &default, &first.id, Some(Role::Analyst), KeyFate::End, shop.now).await.unwrap();
    shop.accounts.remove_member(&by, &default, &first.id, KeyFate::End, shop.now).await.unwrap();
    assert!(shop.has_owner().await, "the second owns the server");
    assert_eq!(shop.accounts.set_up_token(shop.now).await.unwrap(), None, "a restart tells no link");
    let again = shop.sign_up("first", Entitlement::Invitation(&link)).await;
    assert!(matches!(again, Err(AccountError::InvalidInvitation)), "{again:?}");
    let invitation = shop.invite(Role::Analyst, None).await;
    assert!(shop.sign_up("third", Entitlement::Invitation(&invitation)).await.is_ok(), "invitations go on to work");
}

#[tokio::test]
async fn invitation_works_once_before_expiry_for_its_recipient() {
    let (mut shop, _) = Shop::open(SignUpPolicy::Invitation).await;
    assert!(matches!(shop.sign_up("ann", Entitlement::Nothing).await, Err(AccountError::InvitationRequired)));
    assert!(matches!(
        shop.sign_up("ann", Entitlement::Invitation("made up")).await,
        Err(AccountError::InvalidInvitation)
    ));
    let for_ann = shop.invite(Role::Admin, Some("ann")).await;
    assert!(matches!(
        shop.sign_up("ben", Entitlement::Invitation(&for_ann)).await,
        Err(AccountError::InvalidInvitation)
    ));
    let ann = shop.sign_up("ann", Entitlement::Invitation(&for_ann)).await.unwrap();
    assert_eq!(ann.user.role(&ProjectId::default()), Some(Role::Admin));
    assert!(matches!(
        shop.sign_up("ben", Entitlement::Invitation(&for_ann)).await,
        Err(AccountError::InvalidInvitation)
    ));

    let anybody = shop.invite(Role::Analyst, None).await;
    let entitled = || Entitlement::Invitation(&anybody);
    let (ben, eve) = tokio::join!(shop.sign_up("ben", entitled()), shop.sign_up("eve", entitled()));
    assert!(ben.is_ok() != eve.is_ok(), "{ben:?} {eve:?}");

    let stale = shop.invite(Role::Analyst, None).await;
    shop.after(LIFETIME);
    assert!(matches!(
        shop.sign_up("late", Entitlement::Invitation(&stale)).await,
        Err(AccountError::InvalidInvitation)
    ));
}

#[tokio::test]
async fn applies_closed_and_open_sign_up_policies() {
    let (shop, _) = Shop::open(SignUpPolicy::Closed).await;
    let invitation = shop.invite(Role::Analyst, None).await;
    for entitlement in [Entitlement::Nothing, Entitlement::Invitation(&invitation), Entitlement::AdminToken] {
        assert!(matches!(shop.sign_up("ann", entitlement).await, Err(AccountError::SignUpClosed)));
    }
    let (shop, _) = Shop::open(SignUpPolicy::Open).await;
    let ann = shop.sign_up("ann", Entitlement::Nothing).await.unwrap();
    assert_eq!(ann.user.role(&ProjectId::default()), Some(Role::Analyst));
}

#[tokio::test]
async fn sign_up_validates_profile_and_password() {
    let (shop, _) = Shop::open(SignUpPolicy::Open).await;
    let sign_up = async |name: &str, email: &str, password: &str, image| {
        let new = NewUser { name, email, password, image };
        shop.accounts.sign_up(new, Entitlement::Nothing, true, &Origin::default(), shop.now).await.unwrap_err()
    };
    let long = "x".repeat(129);
    assert!(matches!(sign_up("Ann", "ann", PASSWORD, None).await, AccountError::InvalidField("email", _)));
    assert!(matches!(sign_up("Ann", "ann@shop.example", "seven77", None).await, AccountError::PasswordTooShort));
    assert!(matches!(sign_up("Ann", "ann@shop.example", &long, None).await, AccountError::PasswordTooLong));
    assert!(matches!(sign_up(&long, "ann@shop.example", PASSWORD, None).await, AccountError::InvalidField("name", _)));
    assert!(matches!(
        sign_up("A\nnn", "ann@shop.example", PASSWORD, None).await,
        AccountError::InvalidField("name", _)
    ));
    for image in ["http://x.example/a.png", "javascript:alert(1)", "https://x.example/ä", " https://x.example"] {
        let error = sign_up("Ann", "ann@shop.example", PASSWORD, Some(image)).await;
        assert!(matches!(error, AccountError::InvalidField("image", _)), "{image}");
    }
    assert!(matches!(sign_up("Owner", "OWNER@Shop.example", PASSWORD, None).await, AccountError::UserAlreadyExists));
}

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
    assert!(shop.session(&ann.token).await.is_none(), "who does not come back is signed out");
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
async fn audit_entries_of_failures_are_limited() {
    let (shop, _) = Shop::open(SignUpPolicy::Closed).await;
    for _ in 0..300 {
        shop.accounts.note_failure("owner@shop.example", &Origin::default(), shop.now).await;
    }
    let noted = shop.accounts.audit(None, 1000).await.unwrap().len();
    assert!((100..200).contains(&noted), "{noted}");
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
async fn sign_in_rehashes_outdated_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let records = AnyRecords::open(dir.path()).unwrap();
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
async fn servers_share_the_cookie_key() {
    let dir = tempfile::tempdir().unwrap();
    let records = AnyRecords::open(dir.path()).unwrap();
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

#[tokio::test]
async fn open_server_limits_accounts_without_invitation() {
    let (shop, owner) = Shop::open(SignUpPolicy::Open).await;
    let strangers = (1..sign_up::MOST_BY_THEMSELVES).map(|number| {
        let email: Email = format!("u{number}@shop.example").parse().unwrap();
        User { id: number.to_string(), email, ..owner.user.clone() }
    });
    shop.put(&strangers.collect::<Vec<_>>()).await;
    let refused = shop.sign_up("eve", Entitlement::Nothing).await;
    assert!(matches!(refused, Err(AccountError::TooManyAccounts)));
    let token = shop.invite(Role::Analyst, None).await;
    assert!(shop.sign_up("ann", Entitlement::Invitation(&token)).await.is_ok());
}

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

#[tokio::test]
async fn invitation_depends_on_current_role_of_inviter() {
    let (shop, owner) = Shop::open(SignUpPolicy::Invitation).await;
    let (accounts, project, now) = (&shop.accounts, ProjectId::default(), shop.now);
    let invitation = shop.invite(Role::Admin, Some("ann")).await;
    let ann = shop.sign_up("ann", Entitlement::Invitation(&invitation)).await.unwrap().user;
    let actor = Actor::User(ann.id.clone());
    let invite = async || accounts.invite_as(&actor, &project, Role::Analyst, None, now).await.unwrap().0;
    let by_owner = Actor::User(owner.user.id);
    let (first, second, third) = (invite().await, invite().await, invite().await);
    assert!(shop.sign_up("ben", Entitlement::Invitation(&first)).await.is_ok());

    accounts.set_role(&by_owner, &project, &ann.id, Some(Role::Analyst), KeyFate::End, now).await.unwrap();
    let refused = shop.sign_up("carl", Entitlement::Invitation(&second)).await;
    assert!(matches!(refused, Err(AccountError::InvalidInvitation)), "{refused:?}");
    accounts.set_role(&by_owner, &project, &ann.id, Some(Role::Admin), KeyFate::End, now).await.unwrap();
    assert!(shop.sign_up("carl", Entitlement::Invitation(&second)).await.is_ok(), "she may again");

    accounts.remove_member(&by_owner, &project, &ann.id, KeyFate::End, now).await.unwrap();
    let refused = shop.sign_up("ann", Entitlement::Invitation(&third)).await;
    assert!(matches!(refused, Err(AccountError::InvalidInvitation)), "not by her own invitation: {refused:?}");
}
