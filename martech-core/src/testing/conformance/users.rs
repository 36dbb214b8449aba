//! Checks of the list of users: contents, order and pages.

use super::{
    EventSubject, Verdict, events,
    journeys::with_shop,
    trial::{assert_appended, assert_same, users_through_text},
};
use crate::{
    event::{Currency, Event},
    query::{Order, Reader, UserRow, UserSort, UsersQuery},
};

const SORTS: [UserSort; 6] =
    [UserSort::UserId, UserSort::FirstSeen, UserSort::LastSeen, UserSort::Events, UserSort::Orders, UserSort::Revenue];
const ORDERS: [Order; 2] = [Order::Ascending, Order::Descending];

/// Reads all pages of a list and checks the total of each page.
async fn walk<R: Reader>(store: &R, mut query: UsersQuery, total: usize) -> Vec<UserRow> {
    let mut users = Vec::new();
    loop {
        let page = store.users(query.clone()).await.expect("users succeeds");
        let (count, limit) = (page.users.len(), query.limit);
        assert!(count <= limit, "a page of at most {limit} users has {count}");
        assert_eq!(page.total, total as u64, "the total on a page: {query:?}");
        users.extend(page.users);
        let Some(next) = page.next else { return users };
        assert_eq!(count, limit, "a page is full when there is another");
        query.cursor = Some(users_through_text(&next, &query));
    }
}

/// Checks every sort in both orders, for several prefixes and currencies. Ties are ordered by user id.
pub async fn whole_lists<S: EventSubject>(subject: &S) -> Verdict {
    let (trial, model) = with_shop(subject, 100).await;
    let currencies = ["USD", "EUR", "JPY", "GBP"].map(|code| code.parse::<Currency>().expect("a code"));
    let prefixes = ["", "a", "A", "shopper-1", "user-1", "0123456789abcdef", "日", "😀", "\u{d7ff}", "x", "no such"];
    for prefix in prefixes.map(str::to_owned) {
        for sort in SORTS {
            for currency in currencies.into_iter().take(if sort == UserSort::Revenue { 4 } else { 1 }) {
                for order in ORDERS {
                    let query = UsersQuery { prefix: prefix.clone(), sort, order, currency, limit: 1000, cursor: None };
                    let (what, expected) = (format!("{query:?}"), model.users(&query));
                    assert_same(&walk(trial.store(), query, expected.len()).await, &expected, &what);
                }
            }
        }
    }
    Verdict::Passed
}

/// Checks that pages of every size follow each other without gaps or repeats, and that the last page has no cursor.
pub async fn pages<S: EventSubject>(subject: &S) -> Verdict {
    let (trial, model) = with_shop(subject, 101).await;
    for sort in SORTS {
        for order in ORDERS {
            let all = UsersQuery { sort, order, ..UsersQuery::default() };
            let expected = model.users(&all);
            let count = expected.len();
            for limit in [4, 7, count - 1, count, count + 1] {
                let query = UsersQuery { limit, ..all.clone() };
                let what = format!("{query:?}");
                assert_same(&walk(trial.store(), query, count).await, &expected, &what);
            }
        }
    }
    let query = UsersQuery { prefix: "a".to_owned(), limit: 1, ..UsersQuery::default() };
    let expected = model.users(&query);
    assert_same(&walk(trial.store(), query, expected.len()).await, &expected, "pages of one user");
    Verdict::Passed
}

/// Checks that users present during the whole walk appear exactly once, although other users arrive between pages.
pub async fn pages_while_events_arrive<S: EventSubject>(subject: &S) -> Verdict {
    let (mut trial, model) = with_shop(subject, 102).await;
    let mut arrived = 0;
    for order in ORDERS {
        let mut query = UsersQuery { sort: UserSort::UserId, order, limit: 5, ..UsersQuery::default() };
        let expected: Vec<String> = model.users(&query).into_iter().map(|user| user.user_id).collect();
        let mut found: Vec<String> = Vec::new();
        loop {
            let page = trial.store().users(query.clone()).await.expect("users succeeds");
            found.extend(page.users.into_iter().map(|user| user.user_id));
            let Some(next) = page.next else { break };
            // One directly behind the start of the next page in ascending order, and one far from it.
            for user_id in [format!("{}+{arrived}", found[found.len() - 1]), format!("later-{arrived}")] {
                arrived += 1;
                let user_id = user_id.chars().rev().take(100).collect::<Vec<_>>().into_iter().rev().collect();
                let event = Event { user_id, ..events::numbered(arrived) };
                assert_appended(&trial.append(&[event]).await, 1, &[], "an event between two pages");
            }
            query.cursor = Some(users_through_text(&next, &query));
            if arrived % 8 == 0 {
                trial.disturb().await;
            }
        }
        let in_order = |pair: &[String]| (pair[0] < pair[1]) == (order == Order::Ascending) && pair[0] != pair[1];
        assert!(found.windows(2).all(in_order), "pages are in order, without repeats: {found:?}");
        found.retain(|user| expected.contains(user));
        assert_same(&found, &expected, "users that existed throughout");
    }
    Verdict::Passed
}
