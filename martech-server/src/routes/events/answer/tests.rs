use martech_core::{event::ErrorCode, sink::NotStored};
use serde_json::{Value, json};

use axum::http::StatusCode;

use super::*;
use crate::observability::metrics::Kind;

fn origins(indices: impl IntoIterator<Item = usize>) -> Vec<Origin> {
    indices.into_iter().map(|index| Origin { index, id: EventId::new_v7(), kind: Kind::default() }).collect()
}

/// Returns refused events as parsing a body does: only the first [`FULL_RESULTS`] have an error.
fn refused(events: impl IntoIterator<Item = (usize, ErrorCode)>, message: &str) -> Vec<Refused> {
    let refuse = |(position, (index, code)): (usize, (usize, ErrorCode))| {
        let (field, message) = (Some("type".into()), message.into());
        let error = EventError { code, field, message, event_id: None, event_type: None };
        Refused { index, code, error: (position < FULL_RESULTS).then(|| Box::new(error)) }
    };
    events.into_iter().enumerate().map(refuse).collect()
}

fn counts(answer: &Answer) -> [usize; 4] {
    [answer.accepted, answer.duplicates, answer.rejected, answer.failed]
}

fn told(answer: &Answer) -> Value {
    serde_json::to_value(answer).unwrap()
}

#[test]
fn reports_positions_as_body_indices() {
    let outcomes = Outcomes { taken: 3, exceptions: vec![(1, Ok(Outcome::Duplicate))] };
    let refused = refused([(1, ErrorCode::UnknownType)], "no such type");
    let answer = Answer::new(origins([0, 2, 3]), refused, outcomes, Listing::Exceptions);
    assert_eq!(counts(&answer), [2, 1, 1, 0]);
    assert_eq!(
        told(&answer)["results"],
        json!([
            { "index": 1, "status": "rejected", "code": "unknown_type", "field": "type", "message": "no such type" },
            { "index": 2, "status": "duplicate", "code": "duplicate",
              "message": "an event with this id is stored already; this one was not added" },
        ])
    );
    assert!(answer.verdict(false).is_ok());
}

#[tokio::test]
async fn one_accepted_event_has_a_constant_response() {
    let body = async |count, listing| {
        let outcomes = Outcomes { taken: count, exceptions: Vec::new() };
        let answer = Answer::new(origins(0..count), Vec::new(), outcomes, listing);
        let response = answer.respond(StatusCode::ACCEPTED).unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        (axum::body::to_bytes(response.into_body(), 1 << 10).await.unwrap(), serde_json::to_vec(&answer).unwrap())
    };
    let (one, serialized) = body(1, Listing::Exceptions).await;
    assert_eq!((&one[..], ONE_ACCEPTED), (&serialized[..], &serialized[..]));
    for (count, listing) in [(0, Listing::Exceptions), (2, Listing::Exceptions), (1, Listing::All)] {
        let (sent, serialized) = body(count, listing).await;
        assert_eq!(sent, serialized, "{count} events, {listing:?}");
    }
}

#[test]
fn lists_ids_and_accepted_events_in_order_on_request() {
    let origins = origins([0, 2, 3]);
    let id = |at: usize| origins[at].id.to_string();
    let expected = json!([
        { "index": 0, "status": "accepted", "eventId": id(0) },
        { "index": 1, "status": "rejected", "code": "unknown_type", "field": "type", "message": "no" },
        { "index": 2, "status": "duplicate", "code": "duplicate", "eventId": id(1),
          "message": "an event with this id is stored already; this one was not added" },
        { "index": 3, "status": "accepted", "eventId": id(2) },
    ]);
    let outcomes = Outcomes { taken: 3, exceptions: vec![(1, Ok(Outcome::Duplicate))] };
    let refused = refused([(1, ErrorCode::UnknownType)], "no");
    assert_eq!(told(&Answer::new(origins, refused, outcomes, Listing::All))["results"], expected);
}

/// Uses 1,000 events: events with an even index are invalid, and every fourth event is a duplicate.
#[test]
fn groups_further_exceptions_by_code() {
    let odd = (1..1000).step_by(2);
    let duplicates = (1..500).step_by(2).map(|at| (at, Ok(Outcome::Duplicate))).collect();
    let outcomes = Outcomes { taken: 500, exceptions: duplicates };
    let refused = refused((0..1000).step_by(2).map(|index| (index, ErrorCode::UnknownType)), "no");
    let answer = Answer::new(origins(odd), refused, outcomes, Listing::Exceptions);
    assert_eq!(counts(&answer), [250, 250, 500, 0]);
    let told = told(&answer);
    let results = told["results"].as_array().unwrap();
    assert_eq!(results.len(), FULL_RESULTS);
    assert!(results.iter().all(|result| result["message"].as_str().is_some_and(|text| !text.is_empty())));
    let more = told["more"].as_array().unwrap();
    assert_eq!(more.len(), 2);
    let indices = |more: &Value| -> Vec<usize> {
        more["indices"].as_str().unwrap().split(',').map(|index| index.parse().unwrap()).collect()
    };
    let rest = |status: &str| {
        let listed = results.iter().filter(|result| result["status"] == status);
        let mut all: Vec<usize> = listed.map(|result| result["index"].as_u64().unwrap() as usize).collect();
        let more = more.iter().find(|more| more["status"] == status).unwrap();
        assert_eq!(indices(more).len() as u64, more["count"].as_u64().unwrap());
        all.extend(indices(more));
        all
    };
    assert_eq!(rest("rejected"), (0..1000).step_by(2).collect::<Vec<_>>());
    assert_eq!(rest("duplicate"), (3..1000).step_by(4).collect::<Vec<_>>());
}

/// Uses the shortest possible events, with alternating error codes, so that no indexes form a run.
#[test]
fn response_size_is_bounded_by_request_size() {
    const EVENTS: usize = 100_000;
    let question = "{},".len() * EVENTS;
    let codes = [ErrorCode::MissingField, ErrorCode::UnknownField];
    let refused = refused((0..EVENTS).map(|index| (index, codes[index % 2])), &"x".repeat(200));
    let answer = Answer::new(Vec::new(), refused, Outcomes::default(), Listing::All);
    let bytes = serde_json::to_vec(&answer).unwrap().len();
    assert!(bytes < 2 * question + 64 * 1024, "{bytes} bytes for {question}");
}

#[test]
fn batch_of_only_duplicates_succeeds() {
    let outcomes = Outcomes { taken: 1, exceptions: vec![(0, Ok(Outcome::Duplicate))] };
    assert!(Answer::new(origins([0]), Vec::new(), outcomes, Listing::Exceptions).verdict(true).is_ok());
}

#[test]
fn counts_unstored_events_as_failed() {
    let outcomes = Outcomes { taken: 2, exceptions: vec![(0, Err(NotStored::Returned))] };
    let answer = Answer::new(origins([0, 1, 2]), Vec::new(), outcomes, Listing::All);
    assert_eq!(counts(&answer), [1, 0, 0, 2]);
    assert_eq!(answer.verdict(false).unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
}
