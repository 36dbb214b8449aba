//! `POST /events`: a body in, what became of each event out.

mod answer;
mod count;
mod intake;
mod submit;

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use martech_core::event::Timestamp;

use self::{answer::Answer, intake::Intake};
use crate::{
    App,
    auth::admit,
    error::ApiError,
    limits::{self, Traffic},
    params::Params,
};

/// `POST /events`; also from pages of other origins, where those are allowed.
pub(super) fn router(app: &App) -> Router<App> {
    let mut route = post(ingest);
    if app.rates().any(Traffic::Ingest) {
        route = route.route_layer(middleware::from_fn_with_state((app.clone(), Traffic::Ingest), limits::limit));
    }
    // Where there are none, no request pays for asking.
    if app.access().allowed_origins.is_empty() {
        return Router::new().route("/events", route);
    }
    let route = route.options(preflight).layer(middleware::from_fn_with_state(app.clone(), share));
    Router::new().route("/events", route)
}

/// What a browser asks before it lets a page of another origin send events.
async fn preflight() -> impl IntoResponse {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-encoding, content-type, x-request-id"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

async fn share(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = app.access().allowed_origins.headers(request.headers());
    let mut response = next.run(request).await;
    response.headers_mut().extend(headers);
    response
}

/// What a sender waits for. In the order in which metrics list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ack {
    /// The events are in the queue. What is a duplicate is not known yet and counts as accepted.
    Buffered,
    /// The events are on disk.
    Durable,
    /// The events are in the store, where queries see them. Without a spool that is the same step.
    Stored,
}

impl Ack {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "buffered" => Ok(Self::Buffered),
            "durable" => Ok(Self::Durable),
            "stored" => Ok(Self::Stored),
            _ => Err("must be buffered, durable or stored"),
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Buffered | Self::Durable => StatusCode::ACCEPTED,
            Self::Stored => StatusCode::OK,
        }
    }
}

/// Which events an answer lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    /// Those that were not accepted.
    Exceptions,
    /// All of them, so that a sender learns the ids that were made.
    All,
}

/// `POST /events?ack=buffered|durable|stored&results=all&key=...&project=...`
pub(super) async fn ingest(State(app): State<App>, mut params: Params, request: Request) -> Result<Response, ApiError> {
    let ack = params.one("ack", Ack::parse)?.unwrap_or(Ack::Durable);
    let all = |text: &str| if text == "all" { Ok(Listing::All) } else { Err("must be all, or be left out") };
    let listing = params.one("results", all)?.unwrap_or(Listing::Exceptions);
    let key = params.one("key", |text| Ok::<_, &str>(text.to_owned()))?;
    let project = params.project()?;
    params.finish()?;

    let (head, body) = request.into_parts();
    if let Err(refused) = app.overload().admit() {
        app.bodies().turn_away(&head.headers, body).await;
        return Err(refused);
    }
    let project = admit(&app, &head, key.as_deref(), project).await?;
    let waits_for_mongodb = ack == Ack::Stored && project.backend().is_spooled();
    if !waits_for_mongodb && let Err(refused) = app.overload().admit_to(&project) {
        app.bodies().turn_away(&head.headers, body).await;
        return Err(refused);
    }
    let received = app.bodies().read(&head.headers, body).await?;
    let (came, ingested) = (Instant::now(), app.metrics().ingested.clone());
    let (rules, single_limit, counter) =
        (Arc::clone(&project.settings().rules), app.bodies().limits().single, ingested.clone());
    let read =
        move |format, bytes: &[u8]| intake::read(&rules, format, bytes, single_limit, Timestamp::now(), &counter);
    // Held to the end: what was parsed takes as much memory as the body did.
    let (intake, _charge) = app.bodies().parse(received, read).await?;
    let Intake { single, events, origins, refused } = intake?;

    let sink = if ack == Ack::Stored { project.stored_sink() } else { project.sink() };
    let submitted = submit::submit(sink, app.queue(), events, ack).await;
    let fates = submitted.inspect_err(|_| count::refused(&ingested, &origins))?;
    count::taken(&ingested, &origins, &fates);
    let answer = Answer::new(origins, refused, fates, listing);
    ingested.took(ack as usize, came);
    Ok(match answer.verdict(single) {
        Ok(()) => (ack.status(), Json(answer)).into_response(),
        Err(error) => error.with(answer),
    })
}
