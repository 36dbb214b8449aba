mod keys;
mod sessions;
mod sign_in;
mod sign_up;

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
        let accounts =
            Accounts::new(Records::open(dir.path()).unwrap(), hasher, AccountSettings { policy, times, attempts: 30 });
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
