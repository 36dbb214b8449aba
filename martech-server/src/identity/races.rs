//! Account rules hold under concurrency, on one server and on several servers that share a MongoDB.

use futures_util::future::join_all;
use martech_core::mongodb::{MongoOptions, MongoStore};

use super::{
    invite::{LIFETIME, MAX_INVITATIONS},
    keys::MAX_KEYS,
    sign_up::MOST_BY_THEMSELVES,
    *,
};
use crate::{
    identity::{ProjectId, ProjectRecord},
    records::Entity,
};

const PASSWORD: &str = "correct horse";
const RACERS: usize = 8;

/// Servers that share their records.
struct Town {
    servers: Vec<Accounts>,
    now: Timestamp,
    database: Option<MongoStore>,
    _dir: tempfile::TempDir,
}

impl Town {
    fn new(records: &[Records], policy: SignUpPolicy, database: Option<MongoStore>, dir: tempfile::TempDir) -> Self {
        let open = |records: &Records| {
            let hasher = Hasher::new(Cost { memory: 64, passes: 1, lanes: 1 }).unwrap();
            Accounts::new(
                records.clone(),
                hasher,
                AccountSettings { policy, attempts: 1_000_000, ..AccountSettings::default() },
            )
        };
        let servers = records.iter().map(open).collect();
        Self { servers, now: Timestamp::from_millis(1_800_000_000_000), database, _dir: dir }
    }

    /// Returns one town on redb, and one on MongoDB if a test database is configured.
    async fn all(policy: SignUpPolicy) -> Vec<Self> {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::open(dir.path()).unwrap();
        let mut towns = vec![Self::new(&[records.clone(), records.clone(), records], policy, None, dir)];
        let Ok(uri) = std::env::var("MARTECH_TEST_MONGODB_URI") else {
            eprintln!("skipped on MongoDB: MARTECH_TEST_MONGODB_URI is not set");
            return towns;
        };
        let (server, query) = uri.split_once('?').unwrap_or((&uri, ""));
        let name = uuid::Uuid::new_v4().simple();
        let uri = format!("{}/martech_races_{name}?{query}", server.trim_end_matches('/'));
        let mut stores = Vec::new();
        for _ in 0..3 {
            stores.push(MongoStore::new(MongoOptions::new(uri.clone())).await.unwrap());
        }
        let records: Vec<Records> = stores.iter().map(Records::beside).collect();
        towns.push(Self::new(&records, policy, stores.pop(), tempfile::tempdir().unwrap()));
        towns
    }

    /// Returns the same towns with `count` owners each.
    async fn with_owners(policy: SignUpPolicy, count: usize) -> Vec<(Self, Vec<User>)> {
        let mut towns = Vec::new();
        for town in Self::all(policy).await {
            let owner = town.sign_up(0, "owner0", Entitlement::AdminToken).await.unwrap().user;
            let others = (1..count).map(|number| User {
                id: format!("owner{number}"),
                email: format!("owner{number}@shop.example").parse().unwrap(),
                ..owner.clone()
            });
            let all: Vec<User> = [owner.clone()].into_iter().chain(others).collect();
            town.put(&all).await;
            towns.push((town, all));
        }
        towns
    }

    fn rounds(&self) -> usize {
        if self.database.is_some() { 2 } else { 10 }
    }

    /// Runs `racers` tasks concurrently, on the servers in turn.
    async fn race<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        racers: usize,
        run: impl Fn(usize, Accounts) -> F,
    ) -> Vec<T> {
        let runs = (0..racers).map(|number| {
            let server = self.servers[number % self.servers.len()].clone();
            tokio::spawn(run(number, server))
        });
        join_all(runs).await.into_iter().map(Result::unwrap).collect()
    }

    async fn put<E: Entity>(&self, entities: &[E]) {
        let put = transact!(self.servers[0].records(), RecordsError, |transaction| {
            entities.iter().for_each(|entity| transaction.put(entity));
            Ok(())
        });
        put.unwrap();
    }

    async fn users(&self) -> Vec<User> {
        self.servers[0].records().all(None).await.unwrap()
    }

    async fn owners(&self) -> usize {
        self.users().await.iter().filter(|user| user.owns_the_server()).count()
    }

    async fn sign_up(&self, server: usize, name: &str, by: Entitlement<'_>) -> Result<SignedIn, AccountError> {
        sign_up(&self.servers[server], name, by, self.now).await
    }

    async fn invite(&self, project: &ProjectId, role: Role) -> String {
        let invited = self.servers[0].invite_as(&Actor::Operator, project, role, None, self.now);
        invited.await.unwrap().0
    }

    async fn end(self) {
        if let Some(store) = &self.database {
            store.database().drop().await.unwrap();
        }
    }
}

async fn sign_up(server: &Accounts, name: &str, by: Entitlement<'_>, now: Timestamp) -> Result<SignedIn, AccountError> {
    let email = format!("{name}@shop.example");
    let new = NewUser { name, email: &email, password: PASSWORD, image: None };
    server.sign_up(new, by, true, &Origin::default(), now).await
}

fn wins<T, E>(results: &[Result<T, E>]) -> usize {
    results.iter().filter(|result| result.is_ok()).count()
}

fn berlin() -> ProjectId {
    "berlin".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_demotions_and_removals_leave_an_owner() {
    for (town, owners) in Town::with_owners(SignUpPolicy::Closed, 4).await {
        for round in 0..town.rounds() {
            town.put(&owners).await;
            let (all, now) = (owners.clone(), town.now);
            let results = town.race(all.len(), |number, server| {
                let (by, whom) = (Actor::User(all[number].id.clone()), all[(number + 1) % all.len()].id.clone());
                async move {
                    let default = ProjectId::default();
                    match (number + round) % 2 {
                        0 => server.set_role(&by, &default, &whom, Some(Role::Analyst), KeyFate::End, now).await,
                        _ => server.remove_member(&by, &default, &whom, KeyFate::End, now).await,
                    }
                }
            });
            let done = wins(&results.await);
            assert_eq!(town.owners().await, owners.len() - done, "each success removed one owner");
            assert!(done < owners.len() && done > 0);
        }
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_demoted_owners_stays() {
    for (town, owners) in Town::with_owners(SignUpPolicy::Closed, 2).await {
        for round in 0..town.rounds() {
            town.put(&owners).await;
            let (all, now) = (owners.clone(), town.now);
            let results = town.race(2, |number, server| {
                // In even rounds both demote themselves, in odd rounds each demotes the other.
                let (by, whom) = (Actor::User(all[number].id.clone()), all[(number + round) % 2].id.clone());
                async move {
                    let default = ProjectId::default();
                    server.set_role(&by, &default, &whom, Some(Role::Analyst), KeyFate::End, now).await
                }
            });
            assert_eq!(wins(&results.await), 1);
            assert_eq!(town.owners().await, 1);
        }
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_first_sign_ups_succeeds() {
    for town in Town::all(SignUpPolicy::Closed).await {
        let link = town.servers[0].set_up_token(town.now).await.unwrap().unwrap();
        let now = town.now;
        let results = town.race(RACERS, |number, server| {
            let link = link.clone();
            async move {
                let name = format!("first{number}");
                match number % 3 {
                    0 => sign_up(&server, &name, Entitlement::AdminToken, now).await.map(|signed_in| signed_in.user),
                    1 => sign_up(&server, &name, Entitlement::Invitation(&link), now).await.map(|done| done.user),
                    _ => {
                        let email = format!("{name}@shop.example");
                        let new = NewUser { name: "", email: &email, password: PASSWORD, image: None };
                        let made = server.add_member(new, &ProjectId::default(), Some(Role::Analyst), now).await;
                        made.and_then(|user| user.owns_the_server().then_some(user).ok_or(AccountError::SetUpRequired))
                    }
                }
            }
        });
        assert_eq!(wins(&results.await), 1);
        assert_eq!(town.owners().await, 1);
        assert!(town.sign_up(0, "late", Entitlement::Invitation(&link)).await.is_err(), "the link is over");
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_project_keeps_no_roles_keys_or_invitations() {
    for (town, owners) in Town::with_owners(SignUpPolicy::Invitation, 1).await {
        for round in 0..town.rounds() {
            town.put(&[ProjectRecord::new(berlin(), town.now)]).await;
            let mut links = Vec::new();
            for _ in 0..RACERS {
                links.push(town.invite(&berlin(), Role::Owner).await);
            }
            let (now, owner) = (town.now, owners[0].id.clone());
            town.race(RACERS, |number, server| {
                let (link, owner) = (links[number].clone(), owner.clone());
                async move {
                    let by = Actor::User(owner.clone());
                    match number {
                        3 => {
                            let removed = transact!(server.records(), RecordsError, |transaction| {
                                transaction.remove::<ProjectRecord>("berlin");
                                remove_project_access(transaction, &berlin()).await
                            });
                            assert!(removed.unwrap());
                        }
                        4 => drop(server.invite_as(&by, &berlin(), Role::Analyst, None, now).await),
                        5 => {
                            let new = NewKey { name: "k".to_owned(), kind: KeyKind::Read, origins: Vec::new() };
                            drop(server.make_key(&by, &berlin(), new, now).await);
                        }
                        6 => drop(server.set_role(&by, &berlin(), &owner, Some(Role::Admin), KeyFate::End, now).await),
                        _ => {
                            let name = format!("r{round}n{number}");
                            drop(sign_up(&server, &name, Entitlement::Invitation(&link), now).await);
                        }
                    }
                }
            })
            .await;
            let left: Vec<User> =
                town.users().await.into_iter().filter(|user| user.roles.contains_key("berlin")).collect();
            assert!(left.is_empty(), "{left:?}");
            assert_eq!(town.servers[0].keys(&berlin(), now).await.unwrap(), []);
            assert_eq!(town.servers[0].invitations(&berlin(), now).await.unwrap(), []);
        }
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invitation_is_used_once_or_withdrawn() {
    for (town, _) in Town::with_owners(SignUpPolicy::Invitation, 1).await {
        for round in 0..town.rounds() {
            let link = town.invite(&ProjectId::default(), Role::Analyst).await;
            let now = town.now;
            let results = town.race(RACERS, |number, server| {
                let link = link.clone();
                async move {
                    match (round % 2, number) {
                        (0, 0) => {
                            let id = secret::digest(&link);
                            server.withdraw(&Actor::Operator, &ProjectId::default(), &id).await.unwrap()
                        }
                        _ => {
                            let name = format!("r{round}n{number}");
                            sign_up(&server, &name, Entitlement::Invitation(&link), now).await.is_ok()
                        }
                    }
                }
            });
            assert_eq!(results.await.into_iter().filter(|done| *done).count(), 1);
        }
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caps_hold_under_concurrency() {
    for (town, owners) in Town::with_owners(SignUpPolicy::Open, 1).await {
        let (now, default) = (town.now, ProjectId::default());
        let invitations = (1..MAX_INVITATIONS).map(|number| Invitation {
            token_hash: number.to_string(),
            project: default.clone(),
            role: Role::Analyst,
            email: None,
            invited_by: Some(ADMIN_TOKEN.to_owned()),
            created_at: now,
            expires_at: later(now, LIFETIME),
        });
        town.put(&invitations.collect::<Vec<_>>()).await;
        let results = town.race(RACERS, |_, server| async move {
            server.invite_as(&Actor::Operator, &ProjectId::default(), Role::Analyst, None, now).await
        });
        assert_eq!(wins(&results.await), 1);

        let new = || NewKey { name: "k".to_owned(), kind: KeyKind::Write, origins: Vec::new() };
        let (_, key) = town.servers[0].make_key(&Actor::Operator, &default, new(), now).await.unwrap();
        let more = (2..MAX_KEYS).map(|number| ApiKey {
            id: number.to_string(),
            secret_hash: number.to_string(),
            ..key.clone()
        });
        town.put(&more.collect::<Vec<_>>()).await;
        let results = town.race(RACERS, |_, server| async move {
            server.make_key(&Actor::Operator, &ProjectId::default(), new(), now).await
        });
        assert_eq!(wins(&results.await), 1);

        let there = town.users().await.len();
        let strangers = (there..MOST_BY_THEMSELVES - 1).map(|number| User {
            id: number.to_string(),
            email: format!("u{number}@shop.example").parse().unwrap(),
            roles: Default::default(),
            ..owners[0].clone()
        });
        town.put(&strangers.collect::<Vec<_>>()).await;
        let results = town.race(RACERS, |number, server| async move {
            sign_up(&server, &format!("new{number}"), Entitlement::Nothing, now).await
        });
        assert_eq!(wins(&results.await), 1);
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_outlives_a_revoked_key() {
    for (town, _) in Town::with_owners(SignUpPolicy::Closed, 1).await {
        let (now, default) = (town.now, ProjectId::default());
        let new = || NewKey { name: "k".to_owned(), kind: KeyKind::Read, origins: Vec::new() };
        for _ in 0..town.rounds() {
            let (secret, key) = town.servers[0].make_key(&Actor::Operator, &default, new(), now).await.unwrap();
            let rotated = town.race(RACERS, |number, server| {
                let id = key.id.clone();
                async move {
                    let default = ProjectId::default();
                    match number {
                        5 => server.revoke_key(&Actor::Operator, &default, &id, now).await.map(|_| None),
                        _ => server.rotate_key(&Actor::Operator, &default, &id, now).await.map(|(new, _)| Some(new)),
                    }
                }
            });
            let secrets = rotated.await.into_iter().flatten().flatten().chain([secret]);
            for (secret, server) in secrets.zip(town.servers.iter().cycle()) {
                assert_eq!(server.key(&secret, now).await.unwrap(), None);
            }
            // Concurrent rotations leave the current secret and one old secret.
            let (_, key) = town.servers[0].make_key(&Actor::Operator, &default, new(), now).await.unwrap();
            let rotated = town.race(RACERS, |_, server| {
                let id = key.id.clone();
                async move { server.rotate_key(&Actor::Operator, &ProjectId::default(), &id, now).await }
            });
            assert_eq!(wins(&rotated.await), RACERS);
            let left = town.servers[0].keys(&default, now).await.unwrap();
            let of_key: Vec<_> = left.iter().filter(|other| other.id == key.id).map(|key| key.expires_at).collect();
            assert_eq!((of_key.len(), of_key.iter().filter(|end| end.is_none()).count()), (2, 1));
        }
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_user_leaves_no_keys() {
    for (town, owners) in Town::with_owners(SignUpPolicy::Closed, 2).await {
        let now = town.now;
        for _ in 0..town.rounds() {
            town.put(&owners).await;
            let (by, whom) = (Actor::User(owners[0].id.clone()), owners[1].id.clone());
            town.race(RACERS, |number, server| {
                let (by, whom) = (by.clone(), whom.clone());
                async move {
                    let default = ProjectId::default();
                    match number {
                        4 => drop(server.remove_member(&by, &default, &whom, KeyFate::End, now).await.unwrap()),
                        _ => {
                            let new = NewKey { name: "k".to_owned(), kind: KeyKind::Read, origins: Vec::new() };
                            drop(server.make_key(&Actor::User(whom), &default, new, now).await);
                        }
                    }
                }
            })
            .await;
            let keys = town.servers[0].keys(&ProjectId::default(), now).await.unwrap();
            assert!(keys.iter().all(|key| key.created_by.as_ref() != Some(&owners[1].id)), "{keys:?}");
        }
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_reset_ends_concurrent_sign_ins() {
    for (town, owners) in Town::with_owners(SignUpPolicy::Closed, 1).await {
        let (now, owner) = (town.now, &owners[0]);
        let mut password = PASSWORD.to_owned();
        for round in 0..town.rounds() {
            let new = format!("battery staple {round}");
            let begun = town.race(RACERS, |number, server| {
                let (password, new, id) = (password.clone(), new.clone(), owner.id.clone());
                async move {
                    if number == 4 {
                        server.reset_password(&Actor::Operator, &id, &new, now).await.unwrap();
                        return None;
                    }
                    let origin = Origin::default();
                    server.sign_in("owner0@shop.example", &password, true, &origin, now).await.ok()
                }
            });
            for signed_in in begun.await.into_iter().flatten() {
                assert!(town.servers[0].session(&signed_in.token, now).await.unwrap().is_none());
            }
            assert_eq!(town.servers[0].sessions(owner, now).await.unwrap(), []);
            password = new;
        }
        town.end().await;
    }
}
