//! The events of a project as they are stored, as a stream of
//! [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html).
//!
//! A stream ends when the server drains, when the project is removed, and when the caller may no longer read. The caller
//! is checked again every [`CHECKED_EVERY`], and at once when access was lost on this server. If the check fails, the
//! stream ends. While the records are unavailable, the check accepts a key that was in use, as each request does, and
//! fails for a session. The connection closes if the client stops reading.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use martech_core::event::{EventType, UserEvent};
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at, timeout},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, Schema, Type},
    },
};

use crate::{
    http::{
        auth::{Access, Caller},
        error::{ApiError, catalogue},
        openapi::{
            Refusals,
            faults::{InvalidParameter, TooManyStreams},
        },
        params::{self, Params},
    },
    identity::{ProjectId, Role},
    projects::{Filter, Message, Project, Watcher},
};

/// Interval between comments that keep proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Interval between checks that the caller may still read. Other servers may have ended a key or a session.
const CHECKED_EVERY: Duration = Duration::from_secs(30);
/// How long a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// A stream of events, for the API description.
pub(super) struct EventStream;

/// Events that are left out of a stream.
#[derive(Serialize, ToSchema)]
pub(super) struct SkippedEvents {
    /// The number of events.
    events: u64,
}

impl PartialSchema for EventStream {
    fn schema() -> RefOr<Schema> {
        let about = "Server-sent events: `event` with a `UserEvent` as data, and `skipped` with `SkippedEvents`.";
        ObjectBuilder::new().schema_type(Type::String).description(Some(about)).into()
    }
}

impl ToSchema for EventStream {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((UserEvent::name().into(), UserEvent::schema()));
        schemas.push((SkippedEvents::name().into(), SkippedEvents::schema()));
    }
}

/// Stream events as they are stored.
///
/// Returns server-sent events without an end: each event of the project that this server stores from now on. Events that
/// the client or the server cannot keep up with are left out, and `skipped` says how many at that place. A comment comes
/// at once, and then every 15 seconds. Nothing is sent again after a new connection.
#[utoipa::path(
    get,
    path = "/events/stream",
    tag = "Events",
    operation_id = "streamEvents",
    params(
        ("type" = inline(Option<Vec<EventType>>), Query, description = "The types of the events to show; repeat the parameter, or separate the types by commas.", style = Form, explode = true),
        ("userId" = Option<String>, Query, description = "The user whose events to show; by default those of all users.", min_length = 1, max_length = 128, example = "u1"),
    ),
    responses(
        (
            status = 200,
            description = "The stream.",
            content_type = "text/event-stream",
            body = EventStream,
            example = ": keep-alive\n\nevent: event\ndata: {\"eventId\":\"018f3c7e-5a1b-7c2d-8e4f-0a1b2c3d4e5f\",\"userId\":\"u1\",\"type\":\"page_view\",\"occurredAt\":\"2026-11-22T10:15:00.000Z\",\"receivedAt\":\"2026-11-22T10:15:00.212Z\"}\n\nevent: skipped\ndata: {\"events\":12}\n\n",
        ),
        Refusals<(InvalidParameter, TooManyStreams)>
    ),
)]
pub(super) async fn stream(
    State(access): State<Arc<Access>>,
    caller: Caller,
    project: Project,
    mut params: Params,
) -> Result<Response, ApiError> {
    let types = params.event_types()?;
    let user_id = params.one("userId", params::user_id)?;
    params.finish()?;
    let watcher = project.feed().watch(Filter::new(types, user_id))?;
    let permission = Permission::new(access, caller, project.id().clone());
    let begun = Event::default().comment(COMMENT);
    let messages =
        stream::unfold((Some(begun), watcher, permission), |(begun, mut watcher, mut permission)| async move {
            let event = match begun {
                Some(begun) => begun,
                None => event(next(&mut watcher, &mut permission).await?),
            };
            Some((Ok::<_, Infallible>(event), (None, watcher, permission)))
        });
    let mut response =
        Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text(COMMENT)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would hold events back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The comment that shows that the stream has begun, and keeps it open.
const COMMENT: &str = "keep-alive";

/// Returns the next message, or `None` at the end of the stream.
async fn next(watcher: &mut Watcher, permission: &mut Permission) -> Option<Message> {
    loop {
        tokio::select! {
            // A busy stream is checked too.
            biased;
            () = permission.is_due() => {}
            message = watcher.next() => return message,
        }
        if let Err(error) = permission.check().await {
            tracing::debug!(code = error.code(), "a stream of events ended: its caller may no longer read");
            return None;
        }
    }
}

fn event(message: Message) -> Event {
    let (name, data) = match message {
        Message::Event(event) => ("event", serde_json::to_string(&UserEvent(&event))),
        Message::Skipped(events) => ("skipped", serde_json::to_string(&SkippedEvents { events })),
    };
    // An event was parsed from JSON, so it can be written.
    Event::default().event(name).data(data.unwrap_or_default())
}

/// The permission of a caller to read a project, which may end.
struct Permission {
    access: Arc<Access>,
    caller: Caller,
    project: ProjectId,
    losses: watch::Receiver<()>,
    ticks: Interval,
}

impl Permission {
    fn new(access: Arc<Access>, caller: Caller, project: ProjectId) -> Self {
        let mut ticks = interval_at(Instant::now() + CHECKED_EVERY, CHECKED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut losses = access.accounts.access_losses();
        // Access may have been lost since the request was checked.
        losses.mark_changed();
        Self { access, caller, project, losses, ticks }
    }

    /// Completes when it is time to check. Dropping the future changes nothing.
    async fn is_due(&mut self) {
        tokio::select! {
            _ = self.ticks.tick() => {}
            // The sender lives as long as the accounts, which `access` holds.
            _ = self.losses.changed() => {}
        }
    }

    /// # Errors
    /// Fails if the caller may no longer read, or if the records of a session are unavailable.
    async fn check(&self) -> Result<(), ApiError> {
        let check = self.caller.may_still(&self.access, Role::Analyst, &self.project);
        timeout(CHECK_TIMEOUT, check).await.unwrap_or_else(|_| Err(catalogue::accounts_unavailable()))
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Uri};
    use http_body_util::BodyExt;
    use tokio::time;

    use martech_core::event::Timestamp;

    use super::*;
    use crate::{
        App,
        config::ServeArgs,
        identity::{Actor, ApiKey, KeyKind, NewKey},
        routes::ApiState,
    };

    async fn state() -> ApiState {
        let dir = tempfile::tempdir().unwrap();
        let args = ServeArgs::parse_from(["--data-dir".as_ref(), dir.path().as_os_str()]);
        App::open(&args).await.unwrap().state()
    }

    async fn open(state: &ApiState, caller: Caller) -> Body {
        let (access, project) = (State(state.access.clone()), state.projects.default().clone());
        stream(access, caller, project, Params::of(&Uri::from_static("/"))).await.unwrap().into_body()
    }

    #[tokio::test]
    async fn comments_keep_a_quiet_stream_open() {
        let state = state().await;
        time::pause();
        let begun = Instant::now();
        let mut body = open(&state, Caller::Operator).await;
        for seconds in [0, 15, 30, 45, 60] {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), ": keep-alive\n\n");
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
    }

    #[tokio::test]
    async fn key_in_use_stays_valid_while_the_records_are_unavailable() {
        let state = state().await;
        let (accounts, default, now) = (&state.access.accounts, ProjectId::default(), Timestamp::now());
        let new = NewKey { name: "reports".to_owned(), kind: KeyKind::Read, origins: Vec::new() };
        let (secret, unused) = accounts.make_key(&Actor::Operator, &default, new, now).await.unwrap();
        let used = accounts.key(&secret, now).await.unwrap().unwrap();
        let unused = ApiKey { secret_hash: "unused".to_owned(), ..unused };
        accounts.close().await;
        time::pause();
        time::advance(CHECKED_EVERY).await;
        for (key, is_valid) in [(used, true), (unused, false)] {
            let permission = Permission::new(state.access.clone(), Caller::Key(Box::new(key)), default.clone());
            assert_eq!(permission.check().await.is_ok(), is_valid);
        }
    }

    #[tokio::test]
    async fn checks_the_caller_at_the_beginning_and_regularly() {
        let state = state().await;
        time::pause();
        let begun = Instant::now();
        let mut permission = Permission::new(state.access.clone(), Caller::Operator, ProjectId::default());
        for seconds in [0, 30, 60] {
            permission.is_due().await;
            assert_eq!(begun.elapsed().as_secs(), seconds);
            permission.check().await.unwrap();
        }
        // The session has ended between the check of the request and the beginning of the stream.
        let text = open(&state, Caller::Expired).await.collect().await.unwrap().to_bytes();
        assert_eq!(text, ": keep-alive\n\n");
    }
}
