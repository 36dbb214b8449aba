//! Users and their journeys.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use jiff::tz::TimeZone;
use martech_core::{
    event::{Currency, EventType, MAX_ID_CHARS},
    query::{
        Journey, JourneyCursor, JourneyQuery, Order, Reader, UserSort, Users, UsersCursor, UsersQuery, parse_time_zone,
    },
};

use crate::{
    http::{
        csv::Format,
        error::{ApiError, catalogue},
        openapi::{Refusals, faults::OfQuery},
        params::{self, Named, Params, message},
    },
    projects::Project,
    routes::{queries::QueryLimit, tables},
};

/// Retrieve a user's journey.
///
/// Returns the events of the user in time order, oldest first by default. An unknown user has an empty journey.
#[utoipa::path(
    get,
    path = "/users/{userId}/journey",
    tag = "Figures",
    operation_id = "getJourney",
    params(
        ("userId" = String, Path, description = "The id of the user.", min_length = 1, max_length = 128, example = "u1"),
        ("from" = Option<String>, Query, format = "instant", description = "The inclusive start of the range: a date in the time zone, or an RFC 3339 time.", example = "2026-11-01"),
        ("to" = Option<String>, Query, format = "instant", description = "The exclusive end of the range, in the same forms as `from`.", example = "2026-12-01"),
        ("tz" = Option<String>, Query, format = "iana-time-zone", description = "The IANA time zone of dates; by default that of the project.", example = "Europe/Berlin"),
        ("type" = inline(Option<Vec<EventType>>), Query, description = "The types of the events to return; repeat the parameter, or separate the types by commas.", style = Form, explode = true),
        ("order" = inline(Option<Order>), Query, description = "The sort order by time; by default `asc`, oldest first."),
        ("limit" = Option<u32>, Query, description = "The maximum number of entries; 100 by default.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the previous page.")
    ),
    responses(
        (
            status = 200,
            description = "A page of the journey.",
            content((Journey = "application/json"), (String = "text/csv", example = json!(tables::JOURNEY_EXAMPLE))),
            headers(
                ("Content-Disposition" = Option<String>, description = "With CSV: the name of the file."),
                ("Link" = Option<String>, description = "With CSV: the next page, as `rel=\"next\"`, if there is one.")
            )
        ),
        Refusals<OfQuery>
    ),
)]
pub(super) async fn journey(
    State(limit): State<Arc<QueryLimit>>,
    project: Project,
    Named(user_id): Named,
    format: Format,
    params: Params,
) -> Result<Response, ApiError> {
    let query = journey_question(user_id, params, &project.settings().time_zone)?;
    let page = limit.run(project.backend().journey(query.clone())).await?;
    Ok(format.respond(project.id(), &query.answer(page)))
}

pub(crate) fn journey_question(user_id: String, mut params: Params, tz: &TimeZone) -> Result<JourneyQuery, ApiError> {
    let user_id = params::user_id(&user_id)
        .map_err(|error| catalogue::invalid_parameter("userId", format!("userId: {error}")))?;
    let tz = params.one("tz", |text| message(parse_time_zone(text)))?.unwrap_or_else(|| tz.clone());
    let (from, to) = (params.instant("from", &tz)?, params.instant("to", &tz)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(catalogue::invalid_parameter("to", "to: must be later than from"));
    }
    let types = params.event_types()?;
    let order = params.one("order", |text| message(text.parse()))?.unwrap_or(Order::Ascending);
    let limit = params.limit()?;
    let cursor = params.one("cursor", |text| message(JourneyCursor::decode(text, order)))?;
    params.finish()?;
    Ok(JourneyQuery::new(user_id).from(from).to(to).types(types).order(order).limit(limit).cursor(cursor))
}

/// List users.
///
/// Returns users with their figures. By default, the most recently seen users come first.
#[utoipa::path(
    get,
    path = "/users",
    tag = "Figures",
    operation_id = "listUsers",
    params(
        ("q" = Option<String>, Query, description = "The beginning of the ids to return.", max_length = 128),
        ("sort" = inline(Option<UserSort>), Query, description = "The sort key; by default `lastSeen`."),
        ("order" = inline(Option<Order>), Query, description = "The sort order; by default `desc`, but `asc` for `userId`."),
        ("currency" = Option<String>, Query, description = "The currency of the revenue to sort by; by default that of the project.", pattern = "^[A-Za-z0-9]{3,8}$", example = "EUR"),
        ("limit" = Option<u32>, Query, description = "The maximum number of entries; 100 by default.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `nextCursor` of the previous page.")
    ),
    responses(
        (
            status = 200,
            description = "A page of users.",
            content((Users = "application/json"), (String = "text/csv", example = json!(tables::USERS_EXAMPLE))),
            headers(
                ("Content-Disposition" = Option<String>, description = "With CSV: the name of the file."),
                ("Link" = Option<String>, description = "With CSV: the next page, as `rel=\"next\"`, if there is one.")
            )
        ),
        Refusals<OfQuery>
    ),
)]
pub(super) async fn list(
    State(limit): State<Arc<QueryLimit>>,
    project: Project,
    format: Format,
    params: Params,
) -> Result<Response, ApiError> {
    let query = users_question(params, project.settings().rules.currency)?;
    let page = limit.run(project.backend().users(query.clone())).await?;
    Ok(format.respond(project.id(), &query.answer(page)))
}

pub(crate) fn users_question(mut params: Params, currency: Currency) -> Result<UsersQuery, ApiError> {
    let prefix = params.one("q", |text| match text.chars().nth(MAX_ID_CHARS) {
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
    Ok(UsersQuery::default()
        .prefix(prefix.unwrap_or_default())
        .sort(sort)
        .order(order)
        .currency(currency)
        .limit(limit)
        .cursor(cursor))
}
