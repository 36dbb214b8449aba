//! Projects: the shops of a server.
//!
//! Owners of the server create and remove projects, admins of a project change it, and callers with a role in a project
//! see it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use martech_core::event::{Currency, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    audit::note,
    auth::Body,
    members::actor,
    page::{Page, since},
};
use crate::{
    http::{
        auth::{Access, Caller},
        error::{ApiError, catalogue},
        openapi::{
            Refusals,
            faults::{
                DefaultProject, InvalidParameter, NoSuchProject, NotFound, OfBody, ProjectExists, ProjectHasEvents,
                ProjectNotFilled, ProjectRemoving, TooManyProjects,
            },
        },
        params::{Named, Params},
    },
    identity::{Action, Origin, ProjectChange, ProjectId, ProjectRecord, Role, Target, Whole, currency, event_types},
    projects::{ProjectDefaults, ProjectSettings, Projects, RemovalPolicy},
    sample::SampleShop,
    uploads::Uploads,
};

/// A project with its own settings. A setting that is absent has the value of the server.
#[derive(Serialize, ToSchema)]
#[schema(as = Project)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectShape {
    id: ProjectId,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events_per_day: Option<u64>,
    /// When the project was created. Absent for the default project, which always exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
}

impl From<ProjectRecord> for ProjectShape {
    fn from(record: ProjectRecord) -> Self {
        let ProjectRecord {
            id,
            name,
            time_zone,
            currency,
            event_types,
            retention_days,
            events_per_day,
            created_at,
            ..
        } = record;
        let created_at = Some(created_at).filter(|_| !id.is_default());
        Self { id, name, time_zone, currency, event_types, retention_days, events_per_day, created_at }
    }
}

/// The settings of the server, which apply where a project has none of its own.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectDefaults)]
#[serde(rename_all = "camelCase")]
pub(super) struct DefaultsShape {
    time_zone: String,
    currency: Currency,
    /// The accepted types. `*` if any type is accepted.
    event_types: Vec<String>,
    /// 0 if events are kept for ever.
    retention_days: u32,
    /// 0 if there is no quota.
    events_per_day: u64,
}

impl From<&ProjectDefaults> for DefaultsShape {
    fn from(defaults: &ProjectDefaults) -> Self {
        let ProjectDefaults { rules, time_zone, retention_days, events_per_day } = defaults;
        let types = rules.types.named().map(|named| named.to_string());
        Self {
            time_zone: time_zone.iana_name().unwrap_or("UTC").to_owned(),
            currency: rules.currency,
            event_types: types.chain(rules.types.accepts_any().then(|| "*".to_owned())).collect(),
            retention_days: *retention_days,
            events_per_day: *events_per_day,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectList {
    projects: Vec<ProjectShape>,
    defaults: DefaultsShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List projects.
///
/// Returns the projects that the caller may read: the default project first, then the others in the order of creation.
#[utoipa::path(
    get,
    path = "/admin/projects",
    tag = "Projects",
    operation_id = "listProjects",
    params(Page),
    responses((status = 200, description = "A page of projects.", body = ProjectList), Refusals<InvalidParameter>),
)]
pub(super) async fn list(
    State(projects): State<Projects>,
    caller: Caller,
    params: Params,
) -> Result<Json<ProjectList>, ApiError> {
    let (page, mut records) = (Page::of(params)?, projects.records().await?);
    records.retain(|record| caller.may(Role::Analyst, &record.id).is_ok());
    if records.is_empty() {
        // An error explains the missing permission better than an empty list.
        caller.may(Role::Analyst, &ProjectId::default())?;
    }
    let begun = |record: &ProjectRecord| if record.id.is_default() { 0 } else { record.created_at.millis() };
    let (records, next_cursor) = page.cut(records, |record| since(begun(record), record.id.as_str()));
    let defaults = projects.defaults().into();
    Ok(Json(ProjectList { projects: records.into_iter().map(ProjectShape::from).collect(), defaults, next_cursor }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewProject {
    #[schema(value_type = ProjectId)]
    id: String,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    #[serde(default)]
    #[schema(format = "iana-time-zone", example = "Europe/Berlin")]
    time_zone: Option<String>,
    #[serde(default)]
    #[schema(schema_with = currency)]
    currency: Option<String>,
    #[serde(default)]
    #[schema(schema_with = event_types)]
    event_types: Option<Vec<String>>,
    #[serde(default)]
    #[schema(value_type = Option<u32>, maximum = 36500)]
    retention_days: Option<Whole>,
    /// The quota of events per UTC day. 0 for no quota.
    #[serde(default)]
    #[schema(value_type = Option<u64>, maximum = 4_294_967_295_i64)]
    events_per_day: Option<Whole>,
}

/// Create a project.
///
/// Settings that you omit have the value of the server.
#[utoipa::path(
    post,
    path = "/admin/projects",
    tag = "Projects",
    operation_id = "createProject",
    request_body = NewProject,
    responses((status = 201, description = "The project.", body = ProjectShape), Refusals<(OfBody, ProjectExists, ProjectRemoving, TooManyProjects)>),
)]
pub(super) async fn make(
    State(projects): State<Projects>,
    State(access): State<Arc<Access>>,
    caller: Caller,
    origin: Origin,
    Body(wanted): Body<NewProject>,
) -> Result<Response, ApiError> {
    let NewProject { id, name, time_zone, currency, event_types, retention_days, events_per_day } = wanted;
    let settings = ProjectChange {
        name,
        time_zone: Some(time_zone),
        currency: Some(currency),
        event_types: Some(event_types),
        retention_days: Some(retention_days),
        events_per_day: Some(events_per_day),
    };
    let id: ProjectId = id.parse().map_err(|expected| {
        let message = format!("the name of a project has {expected}");
        catalogue::validation_error(message).at("id")
    })?;
    let made = projects.make(&actor(&caller)?, id, settings, Timestamp::now()).await?;
    note(&access, Some(&made.id), Action::ProjectCreated, &caller, Target::PROJECT, &origin).await;
    Ok((StatusCode::CREATED, Json(ProjectShape::from(made))).into_response())
}

/// Update a project.
///
/// Absent fields keep their value. `null` resets a setting other than `name` to that of the server.
#[utoipa::path(
    patch,
    path = "/admin/projects/{id}",
    tag = "Projects",
    operation_id = "updateProject",
    params(("id" = String, Path, description = "The id of the project.")),
    request_body = ProjectChange,
    responses((status = 200, description = "The project.", body = ProjectShape), Refusals<(OfBody, NoSuchProject, NotFound)>),
)]
pub(super) async fn change(
    State(projects): State<Projects>,
    State(access): State<Arc<Access>>,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
    Body(settings): Body<ProjectChange>,
) -> Result<Json<ProjectShape>, ApiError> {
    let id = named(&id)?;
    caller.may(Role::Admin, &id)?;
    let changed = projects.change(&actor(&caller)?, &id, settings, Timestamp::now()).await?;
    note(&access, Some(&id), Action::ProjectUpdated, &caller, Target::PROJECT, &origin).await;
    Ok(Json(changed.into()))
}

/// Remove a project.
///
/// Revokes the keys of the project, withdraws its invitations, removes all roles in it, cancels its imports and removes
/// its uploads. By default, the events remain in place. With `events=delete`, the server deletes them, with the dead
/// letters of the project. If MongoDB does not delete them now, the response is 503. The project is removed nevertheless.
/// The server deletes the events later.
#[utoipa::path(
    delete,
    path = "/admin/projects/{id}",
    tag = "Projects",
    operation_id = "removeProject",
    params(
        ("id" = String, Path, description = "The id of the project."),
        ("events" = inline(Option<RemovalPolicy>), Query, description = "Whether to keep or to delete the events; by default `keep`.")
    ),
    responses((status = 204, description = "The project was removed."), Refusals<(NoSuchProject, NotFound, DefaultProject)>),
)]
pub(super) async fn remove(
    State(projects): State<Projects>,
    State(uploads): State<Uploads>,
    State(access): State<Arc<Access>>,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
    mut params: Params,
) -> Result<StatusCode, ApiError> {
    let id = named(&id)?;
    let events = params.one("events", str::parse::<RemovalPolicy>)?.unwrap_or_default();
    params.finish()?;
    projects.remove(&actor(&caller)?, &id, events, Timestamp::now()).await?;
    access.accounts.clear_known_keys();
    let detail = match events {
        RemovalPolicy::Keep => "its events remain",
        RemovalPolicy::Delete => "with its events",
    };
    note(&access, Some(&id), Action::ProjectRemoved, &caller, Target::PROJECT.with(detail), &origin).await;
    uploads.forget_removed().await;
    if events == RemovalPolicy::Delete {
        projects.delete_events(&id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The id of the sample shop.
const SAMPLE: &str = "sample";
/// Any number: each gives another shop.
const SAMPLE_SEED: u64 = 7;

/// A project that was created with events.
#[derive(Serialize, ToSchema)]
pub(super) struct FilledProject {
    project: ProjectShape,
    /// The number of events.
    events: u64,
}

/// Create a sample shop.
///
/// Creates the project `sample` with the settings of the server, and fills it with the events of a made-up shop: 90 days,
/// up to now. The events go straight to the store and do not count toward a quota. Remove the project with
/// `events=delete`.
#[utoipa::path(
    post,
    path = "/admin/sample-shop",
    tag = "Projects",
    operation_id = "createSampleShop",
    responses(
        (status = 201, description = "The project, and the number of its events.", body = FilledProject),
        Refusals<(ProjectExists, ProjectRemoving, ProjectHasEvents, TooManyProjects, ProjectNotFilled)>
    ),
)]
pub(super) async fn make_sample(
    State(projects): State<Projects>,
    State(access): State<Arc<Access>>,
    caller: Caller,
    origin: Origin,
) -> Result<Response, ApiError> {
    let id: ProjectId = SAMPLE.parse().map_err(|error| catalogue::internal(&error))?;
    let change = ProjectChange { name: Some("Sample shop".to_owned()), ..ProjectChange::default() };
    let now = Timestamp::now();
    let events = move |settings: &ProjectSettings| {
        SampleShop::new(SAMPLE_SEED, now, settings.time_zone.clone(), settings.rules.currency)
    };
    let (made, events) = projects.make_filled(&actor(&caller)?, id, change, now, events).await?;
    let target = Target::PROJECT.with("a sample shop");
    note(&access, Some(&made.id), Action::ProjectCreated, &caller, target, &origin).await;
    Ok((StatusCode::CREATED, Json(FilledProject { project: made.into(), events })).into_response())
}

fn named(id: &str) -> Result<ProjectId, ApiError> {
    id.parse().map_err(|_| catalogue::not_found("there is no such project"))
}
