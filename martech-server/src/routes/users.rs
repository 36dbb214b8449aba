//! Users, and what each of them did.

use axum::{Json, extract::State};
use jiff::tz::TimeZone;
use martech_core::{
    event::{Currency, Event, EventType},
    query::{
        JourneyCursor, JourneyPage, JourneyQuery, Order, Reader, UserRow, UserSort, UsersCursor, UsersPage, UsersQuery,
        parse_time_zone,
    },
};
use serde::Serialize;

use crate::{
    App,
    error::ApiError,
    params::{Named, Params, message},
    projects::Project,
};

/// The longest id of a user, in characters.
const MAX_USER_ID: usize = 128;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Journey {
    user_id: String,
    events: Vec<Event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// `GET /users/{userId}/journey`. A user of whom nothing is known has an empty journey.
pub(super) async fn journey(
    State(app): State<App>,
    project: Project,
    Named(user_id): Named,
    params: Params,
) -> Result<Json<Journey>, ApiError> {
    let query = journey_question(user_id.clone(), params, &project.settings().time_zone)?;
    let order = query.order;
    let backend = project.backend().clone();
    let JourneyPage { events, next } = app.queries().answer(async move { backend.journey(query).await }).await?;
    Ok(Json(Journey { user_id, events, next_cursor: next.map(|next| next.encode(order)) }))
}

pub(crate) fn journey_question(user_id: String, mut params: Params, tz: &TimeZone) -> Result<JourneyQuery, ApiError> {
    if !(1..=MAX_USER_ID).contains(&user_id.chars().count()) {
        return Err(ApiError::bad_parameter("userId", "a userId has 1 to 128 characters"));
    }
    let tz = params.one("tz", |text| message(parse_time_zone(text)))?.unwrap_or_else(|| tz.clone());
    let (from, to) = (params.instant("from", &tz)?, params.instant("to", &tz)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(ApiError::bad_parameter("to", "to must lie after from"));
    }
    let types = types(&mut params)?;
    let order = params.one("order", |text| message(text.parse()))?.unwrap_or(Order::Ascending);
    let limit = params.limit()?;
    let cursor = params.one("cursor", |text| message(JourneyCursor::decode(text, order)))?;
    params.finish()?;
    Ok(JourneyQuery { user_id, from, to, types, order, limit, cursor })
}

/// `type` may be repeated, and each may be a list with commas.
fn types(params: &mut Params) -> Result<Vec<EventType>, ApiError> {
    let values = params.many("type");
    let names = values.iter().flat_map(|value| value.split(','));
    names
        .map(|name| EventType::parse(name).map_err(|error| ApiError::bad_parameter("type", error.to_string())))
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Users {
    users: Vec<UserRow>,
    total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// `GET /users`
pub(super) async fn list(State(app): State<App>, project: Project, params: Params) -> Result<Json<Users>, ApiError> {
    let query = users_question(params, project.settings().rules.currency)?;
    let (sort, order, currency) = (query.sort, query.order, query.currency);
    let backend = project.backend().clone();
    let UsersPage { users, total, next } = app.queries().answer(async move { backend.users(query).await }).await?;
    Ok(Json(Users { users, total, next_cursor: next.map(|next| next.encode(sort, order, currency)) }))
}

pub(crate) fn users_question(mut params: Params, currency: Currency) -> Result<UsersQuery, ApiError> {
    let prefix = params.one("q", |text| match text.chars().nth(MAX_USER_ID) {
        None => Ok(text.to_owned()),
        Some(_) => Err("a userId has at most 128 characters, so must its beginning"),
    })?;
    let sort = params.one("sort", |text| message(text.parse()))?.unwrap_or(UserSort::LastSeen);
    let natural = if sort == UserSort::UserId { Order::Ascending } else { Order::Descending };
    let order = params.one("order", |text| message(text.parse()))?.unwrap_or(natural);
    let currency = params.one("currency", str::parse)?.unwrap_or(currency);
    let limit = params.limit()?;
    let cursor = params.one("cursor", |text| message(UsersCursor::decode(text, sort, order, currency)))?;
    params.finish()?;
    Ok(UsersQuery { prefix: prefix.unwrap_or_default(), sort, order, currency, limit, cursor })
}
