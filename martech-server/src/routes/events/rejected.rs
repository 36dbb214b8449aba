//! Records in the log of a project which events of a request did not arrive, and why.

use std::{borrow::Cow, net::IpAddr};

use axum::http::{StatusCode, header, request::Parts};
use martech_core::{
    event::{EventError, Timestamp},
    sink::Outcome,
};

use super::{
    answer::{FULL_RESULTS, NOT_STORED},
    intake::{Origin, Refused},
    submit::Outcomes,
};
use crate::{
    http::params::Params,
    identity::ApiKey,
    observability::metrics::Ingested,
    projects::{Project, Projects, RejectedRequest, RejectedSender, Rejection},
};

/// The rejections of a request, with its sender as far as it is known.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) rejections: Vec<Rejection>,
    /// `None` if the request was rejected before its project was known.
    pub(super) project: Option<Project>,
    /// The key, if the sender presented a valid one.
    pub(super) key: Option<ApiKey>,
}

impl Rejected {
    /// Adds the rejections to the log of the project: that of the request, else that of the key, else the requested
    /// one, else `default`.
    pub(super) fn record(
        self,
        projects: &Projects,
        head: &Parts,
        address: IpAddr,
        status: StatusCode,
        request_id: Option<&str>,
    ) {
        let Self { rejections, project, key } = self;
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let request = RejectedRequest {
            status: Some(status.as_u16()),
            request_id,
            key: key.as_ref(),
            origin: text(header::ORIGIN),
            user_agent: text(header::USER_AGENT),
            sender: RejectedSender::new(key.as_ref(), address),
        };
        let named = || match &key {
            Some(key) => Some(key.project.clone()),
            None => Params::of(&head.uri).project().ok().flatten(),
        };
        let project = project.or_else(|| projects.opened_now(&named()?));
        let project = project.unwrap_or_else(|| projects.default().clone());
        project.rejects().add(&request, rejections, Timestamp::now());
    }
}

/// The message of events beyond the first [`FULL_RESULTS`] of a body.
const FURTHER: &str = "further events of a body whose response lists the first 100 in full and the others by code";

/// Returns the rejections of the events of a body: the first [`FULL_RESULTS`] each, and the others by code. Duplicates
/// are not rejections.
pub(super) fn of_events(
    refused: &[Refused],
    origins: &[Origin],
    outcomes: &Outcomes,
    ingested: &Ingested,
) -> Vec<Rejection> {
    let mut rejections = Rejections::default();
    for Refused { index, code, error } in refused {
        rejections.add(code.as_str().into(), |code| match error.as_deref() {
            Some(EventError { message, field, event_type, .. }) => Rejection {
                message: message.clone().into(),
                field: field.clone(),
                index: Some(*index),
                event_type: event_type.clone(),
                ..further(code)
            },
            None => further(code),
        });
    }
    let mut of_store = |origin: &Origin, code: Cow<'static, str>, message: Cow<'static, str>| {
        let event_type = ingested.event_type(origin.kind).cloned();
        rejections.add(code, |code| Rejection { message, index: Some(origin.index), event_type, ..further(code) });
    };
    for (at, outcome) in &outcomes.exceptions {
        match (origins.get(*at), outcome) {
            (None, _) | (_, Ok(Outcome::Stored | Outcome::Duplicate)) => {}
            (Some(origin), Ok(Outcome::Rejected { code, reason })) => {
                of_store(origin, code.clone().into(), reason.to_string().into());
            }
            (Some(origin), Err(_)) => of_store(origin, NOT_STORED.0.into(), NOT_STORED.1.into()),
        }
    }
    for origin in origins.iter().skip(outcomes.taken) {
        of_store(origin, NOT_STORED.0.into(), NOT_STORED.1.into());
    }
    rejections.listed.append(&mut rejections.further);
    rejections.listed
}

#[derive(Default)]
struct Rejections {
    listed: Vec<Rejection>,
    further: Vec<Rejection>,
}

impl Rejections {
    fn add(&mut self, code: Cow<'static, str>, make: impl FnOnce(Cow<'static, str>) -> Rejection) {
        if self.listed.len() < FULL_RESULTS {
            return self.listed.push(make(code));
        }
        match self.further.iter_mut().find(|further| further.code == code) {
            Some(further) => further.count += 1,
            None => self.further.push(further(code)),
        }
    }
}

fn further(code: Cow<'static, str>) -> Rejection {
    Rejection { code, message: FURTHER.into(), field: None, index: None, event_type: None, count: 1 }
}

#[cfg(test)]
mod tests {
    use martech_core::{
        RejectionCode,
        event::{EventId, EventType, EventTypes},
        sink::NotStored,
    };

    use super::*;

    #[test]
    fn lists_a_hundred_events_and_counts_the_others_by_code() {
        let ingested = Ingested::new(&EventTypes::known());
        let kind = ingested.kind(&EventType::SEARCH);
        let origins: Vec<_> = (0..1_000).map(|index| Origin { index, id: EventId::new_v7(), kind }).collect();
        let outcome = |at: usize| match at % 3 {
            0 => Ok(Outcome::Duplicate),
            1 => Ok(Outcome::Rejected { code: RejectionCode::ID_CONFLICT, reason: "no".into() }),
            _ => Err(NotStored::Returned),
        };
        let outcomes = Outcomes { taken: 950, exceptions: (0..900).map(|at| (at, outcome(at))).collect() };
        let rejections = of_events(&[], &origins, &outcomes, &ingested);
        let (listed, further) = rejections.split_at(FULL_RESULTS);
        assert!(listed.iter().all(|one| one.count == 1 && one.event_type == Some(EventType::SEARCH)));
        assert_eq!((listed[0].index, listed[1].index, &*listed[0].message), (Some(1), Some(2), "no"));
        let counts: Vec<_> = further.iter().map(|one| (&*one.code, one.count, one.index)).collect();
        assert_eq!(counts, [("id_conflict", 250, None), ("not_stored", 300, None)]);
    }
}
