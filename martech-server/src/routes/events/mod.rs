//! `POST /events`: reads the events of a body, submits them to the sink, and reports the outcome of each.

mod answer;
mod cors;
mod count;
mod indices;
mod intake;
mod rejected;
mod shape;
mod submit;

use std::{
    net::IpAddr,
    pin::pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::{Method, StatusCode, Uri, header, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use martech_core::event::Timestamp;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use self::{answer::Answer, intake::Intake, rejected::Rejected, shape::EventsBody};
use crate::{
    http::{
        auth::{Admitted, NotAdmitted, admit},
        bodies::{self, Holder, RequestBody},
        error::{self, ApiError},
        framing,
        headers::add_defaults,
        openapi::{
            Refusals,
            faults::{
                Draining, Forbidden, InvalidKey, InvalidParameter, NoSuchProject, OfEvents, OriginNotAllowed,
                RateLimited, StoreUnavailable, Unauthorized,
            },
        },
        params::Params,
        rate_limits::{RateCheck, Traffic},
    },
    identity::{ApiKey, ProjectId},
    observability::{RequestId, Timeline, metrics::Route},
    projects::{Ack, Circuit, IngestRefusal, Project, Rejection},
    routes::ApiState,
};

/// Returns the route `/events`, with CORS for the pages of allowed origins.
pub(super) fn router(state: &ApiState) -> OpenApiRouter<ApiState> {
    let with_preflight = |route: MethodRouter<ApiState>| {
        route.options(cors::preflight).layer(middleware::from_fn_with_state(state.access.clone(), cors::layer))
    };
    OpenApiRouter::new().routes(routes!(send).map(with_preflight))
}

/// Returns whether a request is answered by [`answer`] instead of the router.
pub(super) fn is_ingest<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST && request.uri().path() == PATH
}

const PATH: &str = "/events";

/// Answers `POST /events`.
///
/// Most requests of a server send events, so they do not pass through the router and its layers, which cost several
/// times as much as the events themselves. The steps are the same, in this order: request id and address, framing, rate
/// limit, parameters, key, body, events, queue, acknowledgment, metrics, log, and the log of rejections.
pub(super) async fn answer<B: RequestBody>(state: &ApiState, request: Request<B>) -> Response {
    let observation = state.observer.begin(&request, Route::Events);
    let address = observation.address;
    let (head, body) = request.into_parts();
    let rate_check = Arc::new(RateCheck::begin(&state.access.rates, Traffic::Ingest, address));
    let rejected = OnceLock::new();
    let mut response = {
        let ingest = Ingest { state, head: &head, address, rate_check: &rate_check, rejected: &rejected };
        let handler = pin!(async { ingest.answer(body).await.into_response() });
        observation.answer(handler).await
    };
    if let Some(rejected) = rejected.into_inner() {
        let request_id = response.headers().get(RequestId::HEADER).and_then(|id| id.to_str().ok());
        rejected.record(&state.projects, &head, address, response.status(), request_id);
    }
    let headers = response.headers_mut();
    rate_check.tell(headers);
    cors::add_headers(&state.access, head.headers.get(header::ORIGIN), headers).await;
    add_defaults(headers);
    response
}

/// The parameters of a request.
struct Asked {
    ack: Ack,
    listing: Listing,
    key: Option<String>,
    project: Option<ProjectId>,
}

impl Asked {
    fn parse(uri: &Uri) -> Result<Self, ApiError> {
        let mut params = Params::of(uri);
        let all = |text: &str| if text == "all" { Ok(Listing::All) } else { Err("must be all, or be left out") };
        let asked = Self {
            ack: params.one("ack", Ack::parse)?.unwrap_or(Ack::Durable),
            listing: params.one("results", all)?.unwrap_or(Listing::Exceptions),
            key: params.one("key", |text| Ok::<_, &str>(text.to_owned()))?,
            project: params.project()?,
        };
        params.finish()?;
        Ok(asked)
    }
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

/// The events that a response lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    /// The events that were not accepted.
    Exceptions,
    /// All events, with their ids.
    All,
}

/// Send events.
///
/// The body is one event, a list of events, or NDJSON, optionally compressed with gzip or zstd (`Content-Encoding`).
/// The server checks each event of a list separately. The response lists the events that were not accepted: the first
/// 100 in full, and the others by status and code. An event with an `eventId` is stored once, even if you send it
/// again.
#[utoipa::path(
    post,
    path = "/events",
    tag = "Events",
    operation_id = "sendEvents",
    params(
        ("ack" = inline(Option<Ack>), Query, description = "The step to wait for: the events are in memory (`buffered`), on disk \
            (`durable`, the default), or in the store, where queries see them (`stored`)."),
        ("results" = Option<String>, Query, pattern = "^all$", description = "`all` also lists the accepted events, and the ids of events."),
        ("key" = Option<String>, Query, description = "A write key, for senders that cannot set headers."),
        ("project" = inline(Option<ProjectId>), Query, description = "The project; by default that of the key, or `default`."),
    ),
    request_body(
        description = "The events. `text/plain`, which beacons of browsers use, is read as JSON.",
        content(
            (EventsBody = "application/json"),
            (String = "application/x-ndjson", example = "{\"userId\":\"u1\",\"type\":\"page_view\"}\n{\"userId\":\"u2\",\"type\":\"search\"}\n"),
            (String = "text/plain", example = "{\"userId\":\"u1\",\"type\":\"page_view\"}"),
        )
    ),
    security((), ("bearer" = []), ("basic" = []), ("key" = [])),
    responses(
        (status = 200, description = "The outcome of the events, with `ack=stored`.", body = Answer),
        (status = 202, description = "The outcome of the events.", body = Answer),
        Refusals<(
            OfEvents, InvalidParameter, NoSuchProject,
            (Unauthorized, InvalidKey, Forbidden, OriginNotAllowed, RateLimited, StoreUnavailable, Draining),
        )>
    )
)]
pub(super) async fn send(State(state): State<ApiState>, request: Request) -> Response {
    answer(&state, request).await
}

/// If receiving a body took longer, the server checks the key again: it may have been revoked in the meantime.
const LONG: Duration = Duration::from_secs(1);

/// A request with events.
struct Ingest<'a> {
    state: &'a ApiState,
    head: &'a Parts,
    address: IpAddr,
    rate_check: &'a Arc<RateCheck>,
    /// The rejections of the request, if there are any.
    rejected: &'a OnceLock<Box<Rejected>>,
}

impl Ingest<'_> {
    async fn answer<B: RequestBody>(&self, body: B) -> Result<Response, ApiError> {
        let Self { state, head, rate_check, .. } = self;
        let unknown = |error| self.refused(error, None, None);
        framing::check(head.version, &head.headers).map_err(unknown)?;
        if let Err(limited) = rate_check.check_address() {
            state.bodies.discard(&head.headers, body).await;
            return Err(unknown(limited));
        }
        let Asked { ack, listing, key, project } = Asked::parse(&head.uri).map_err(unknown)?;
        let admitted = admit(&state.access, &state.projects, head, key.as_deref(), project, rate_check).await;
        let admitted = admitted.map_err(|NotAdmitted { error, key }| self.refused(error, None, key.map(|key| *key)))?;
        let taken = self.take(&admitted, body, ack, listing).await;
        let taken = taken.map_err(|error| self.refused(error, Some(&admitted.project), admitted.key.clone()));
        let mut response = taken.into_response();
        error::attribute(&mut response, Some(admitted.project.id()), admitted.key.as_ref().map(|key| key.id.as_str()));
        Ok(response)
    }

    /// Notes that the whole body is refused.
    fn refused(&self, error: ApiError, project: Option<&Project>, key: Option<ApiKey>) -> ApiError {
        self.note(vec![error.rejection()], project, key);
        error
    }

    fn note(&self, rejections: Vec<Rejection>, project: Option<&Project>, key: Option<ApiKey>) {
        if !rejections.is_empty() {
            // The first note has the reason. A later one would be about the response.
            let _ = self.rejected.set(Box::new(Rejected { rejections, project: project.cloned(), key }));
        }
    }

    /// Reads, checks and submits the events of an admitted sender.
    async fn take<B: RequestBody>(
        &self,
        admitted: &Admitted<'_>,
        body: B,
        ack: Ack,
        listing: Listing,
    ) -> Result<Response, ApiError> {
        let Admitted { project, key, .. } = admitted;
        let sender = admitted.sender;
        let may_come = || -> Result<Circuit, IngestRefusal> {
            self.state.disk_space.admit(sender)?;
            let circuit = project.check(ack)?;
            if !bodies::is_small(&self.head.headers) {
                project.ingest_limit().check()?;
            }
            Ok(circuit)
        };
        let circuit = match may_come() {
            Ok(circuit) => circuit,
            Err(refused) => {
                self.state.bodies.turn_away(&self.head.headers, body).await;
                return Err(refused.into());
            }
        };
        let begun = Instant::now();
        let timeline = Timeline::current();
        let holder = match key {
            // Everyone can read the key of a page, so it does not identify a sender.
            Some(key) if !sender.is_public() => Holder::Key(key.id.clone()),
            _ => Holder::at(self.address),
        };
        let reading = self.state.bodies.read(holder, &self.head.headers, body, bodies::format);
        let received = timeline.step("receive body", pin!(reading)).await?;
        if begun.elapsed() > LONG {
            admitted.check_again(&self.state.access).await?;
        }
        let permit = received.needs_worker().then(|| project.ingest_limit().enter()).transpose()?;
        let (came, ingested) = (Instant::now(), self.state.metrics.ingested.clone());
        let settings = project.settings();
        let (rules, single_limit, counter) =
            (Arc::clone(&settings.rules), self.state.bodies.limits().single, ingested.clone());
        let rate_check = self.rate_check.clone();
        let read = move |format, bytes: &[u8]| {
            rate_check.count_bytes(bytes.len())?;
            intake::read(&rules, format, bytes, single_limit, Timestamp::now(), sender, &counter)
        };
        // The charge is held until the response: the parsed events use as much memory as the body did.
        let (intake, _charge) = timeline.step("parse events", self.state.bodies.parse(received, read)).await?;
        let Intake { single, events, origins, refused } = intake?;
        let most = settings.events_per_day;
        let quota = most.map(|most| project.quota().take(most, events.len(), sender, Timestamp::now())).transpose();
        let quota = quota.inspect_err(|_| count::refused(&ingested, &origins))?;

        let submitted =
            submit::submit(project.sink_for(ack, circuit), self.state.bounds.queue, events, permit, ack, &timeline)
                .await;
        if let Some(quota) = quota {
            quota.settle(submitted.as_ref().map_or(0, submit::Outcomes::stored));
        }
        let outcomes = submitted.inspect_err(|_| count::refused(&ingested, &origins))?;
        count::taken(&ingested, &origins, &outcomes);
        if !refused.is_empty() || outcomes.stored() < origins.len() {
            let rejections = rejected::of_events(&refused, &origins, &outcomes, &ingested);
            self.note(rejections, Some(project), key.clone());
        }
        let answer = Answer::new(origins, refused, outcomes, listing);
        // The discriminants index the metrics by `ack`.
        ingested.took(ack as usize, came);
        Ok(match answer.verdict(single) {
            Ok(()) => answer.respond(ack.status())?,
            Err(error) => error.with(answer),
        })
    }
}
