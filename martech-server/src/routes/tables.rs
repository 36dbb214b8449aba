//! The answers of queries as tables.

use std::collections::BTreeSet;

use martech_core::{
    event::Currency,
    query::{CurrencyAmount, Journey, Stats, Totals, Users},
};

use crate::http::csv::{Csv, Table};

// Examples for the API description.
pub(super) const STATS_EXAMPLE: &str = "\
start,events,users,newUsers,sessions,orders,revenue_EUR\r\n2026-11-22T00:00:00+01:00,41,2,1,3,1,59.90\r\n";
pub(super) const JOURNEY_EXAMPLE: &str = "\
eventId,userId,type,occurredAt,receivedAt,sessionId,anonymousId,properties\r\n\
018f3c7e-5a1b-7c2d-8e4f-0a1b2c3d4e5f,u1,page_view,2026-11-22T10:15:00.250Z,2026-11-22T10:15:00.412Z,s1,,\
\"{\"\"page\"\":\"\"/shoes\"\"}\"\r\n";
pub(super) const USERS_EXAMPLE: &str = "\
userId,firstSeen,lastSeen,events,sessions,orders,revenue_EUR\r\n\
u1,2026-11-01T08:00:00.000Z,2026-11-22T10:15:00.250Z,41,3,1,59.90\r\n";

/// One row for each bucket of the series.
impl Table for Stats {
    fn name(&self) -> String {
        let [from, to] =
            [self.from, self.to].map(|time| time.to_string().split('T').next().unwrap_or_default().to_owned());
        format!("stats-{from}-{to}")
    }

    fn write(&self, csv: &mut Csv) {
        csv.names(["start", "events", "users", "newUsers", "sessions", "orders"]);
        let currencies = Currencies::of(self.series.iter().map(|bucket| &*bucket.totals.revenue));
        currencies.write_names(csv);
        for bucket in &self.series {
            csv.value(bucket.start);
            let Totals { events, users, new_users, sessions, orders, revenue, .. } = &bucket.totals;
            for count in [events, users, new_users, sessions, orders] {
                csv.value(count);
            }
            currencies.write(revenue, csv);
        }
    }

    fn next_cursor(&self) -> Option<&str> {
        None
    }
}

/// One row for each user of the page.
impl Table for Users {
    fn name(&self) -> String {
        "users".to_owned()
    }

    fn write(&self, csv: &mut Csv) {
        csv.names(["userId", "firstSeen", "lastSeen", "events", "sessions", "orders"]);
        let currencies = Currencies::of(self.users.iter().map(|user| &*user.revenue));
        currencies.write_names(csv);
        for user in &self.users {
            csv.text(&user.user_id);
            csv.value(user.first_seen);
            csv.value(user.last_seen);
            for count in [user.events, user.sessions, user.orders] {
                csv.value(count);
            }
            currencies.write(&user.revenue, csv);
        }
    }

    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

/// One row for each event of the page. The columns are those that `POST /events` and `import` know.
impl Table for Journey {
    fn name(&self) -> String {
        "journey".to_owned()
    }

    fn write(&self, csv: &mut Csv) {
        let names = ["eventId", "userId", "type", "occurredAt", "receivedAt", "sessionId", "anonymousId", "properties"];
        csv.names(names);
        csv.end_row();
        for event in &self.events {
            csv.value(event.id);
            csv.text(&self.user_id);
            csv.text(event.event_type.as_str());
            csv.value(event.occurred_at);
            csv.value(event.received_at);
            for text in [&event.session_id, &event.anonymous_id, &event.properties] {
                match text {
                    Some(text) => csv.text(text),
                    None => csv.empty(),
                }
            }
            csv.end_row();
        }
    }

    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

/// The currencies of a table. Each has a column at the end of the rows.
struct Currencies(BTreeSet<Currency>);

impl Currencies {
    fn of<'a>(amounts: impl Iterator<Item = &'a [CurrencyAmount]>) -> Self {
        Self(amounts.flatten().map(|amount| amount.currency).collect())
    }

    fn write_names(&self, csv: &mut Csv) {
        for currency in &self.0 {
            csv.value(format_args!("revenue_{currency}"));
        }
        csv.end_row();
    }

    fn write(&self, amounts: &[CurrencyAmount], csv: &mut Csv) {
        for currency in &self.0 {
            match amounts.iter().find(|amount| amount.currency == *currency) {
                Some(amount) => csv.value(amount.amount.in_currency(*currency)),
                None => csv.empty(),
            }
        }
        csv.end_row();
    }
}
