//! Background load during the kills: one thread requests rolls and compactions, another queries totals.

use std::collections::HashMap;

use crate::{
    board::{Activity, Board},
    client::{Client, Gone},
    ledger::STATS,
};

/// Requests rolls and compactions until the test ends.
pub(crate) fn keep_tidy(board: &Board, mut random: fastrand::Rng) {
    while let Some(server) = board.server() {
        let client = Client::new(board, server);
        let (activity, path) =
            if random.bool() { (Activity::Roll, "/admin/roll") } else { (Activity::Compaction, "/admin/compact") };
        // The request fails if the server is killed meanwhile.
        let _ = board.during(activity, || client.command(path));
        board.await_more(1);
    }
}

/// Queries totals until the test ends. Asserts that they include all acknowledged events and never decrease.
pub(crate) fn keep_asking(board: &Board) {
    let mut seen = Seen::default();
    while let Some(server) = board.server() {
        let client = Client::new(board, server);
        let _ = board.during(Activity::Query, || seen.ask(board, &client));
        board.await_more(100);
    }
}

#[derive(Default)]
struct Seen {
    events: u64,
    orders: u64,
    of_users: HashMap<String, u64>,
}

impl Seen {
    fn ask(&mut self, board: &Board, client: &Client<'_>) -> Result<(), Gone> {
        let acknowledged = board.acknowledged();
        let (before, orders) = count(client)?;
        assert!(before >= acknowledged, "/stats counts {before} events when {acknowledged} were acknowledged");
        assert!(before >= self.events, "/stats counted {} events, then {before}", self.events);
        assert!(orders >= self.orders, "/stats counted {} orders, then {orders}", self.orders);

        let users = client.all("/users?sort=userId&limit=20", "users")?;
        let mut sum = 0;
        for row in &users {
            let (user, events) = (row["userId"].as_str().unwrap(), row["events"].as_u64().unwrap());
            let known = self.of_users.entry(user.to_owned()).or_default();
            assert!(events >= *known, "/users counted {known} events of {user}, then {events}");
            *known = events;
            sum += events;
        }
        let (after, orders) = count(client)?;
        assert!((before..=after).contains(&sum), "/users counts {sum} events; /stats {before} before, {after} after");
        (self.events, self.orders) = (after, orders);
        Ok(())
    }
}

fn count(client: &Client<'_>) -> Result<(u64, u64), Gone> {
    let stats = client.get(STATS)?;
    let figure = |name: &str| stats["totals"][name].as_u64().unwrap();
    Ok((figure("events"), figure("orders")))
}
