//! Keys of programs: create, list without secrets, change, rotate and revoke.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{
        SchemaFormat,
        schema::{ArrayBuilder, ObjectBuilder, Schema, Type},
    },
};

use super::{
    audit::note,
    auth::Body,
    members::actor,
    page::{Page, since},
};
use crate::{
    http::{
        auth::{Access, Caller, WebOrigin},
        error::{ApiError, catalogue},
        openapi::{
            Refusals,
            faults::{InvalidParameter, NotFound, OfBody},
        },
        params::{Named, Params},
    },
    identity::{Action, ApiKey, KeyChange, KeyKind, NewKey, Origin, Target},
    projects::Project,
    util::given,
};

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyShape {
    id: String,
    name: String,
    kind: KeyKind,
    /// The last characters of the secret.
    hint: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    origins: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    /// When the secret becomes invalid. Present if the key was rotated and this is the previous secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl From<ApiKey> for KeyShape {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, hint, name, kind, origins, created_by, created_at, last_used_at, expires_at, .. } = key;
        Self { id, name, kind, hint, origins, created_by, created_at, last_used_at, expires_at }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyList {
    keys: Vec<KeyShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List keys.
///
/// Returns the keys of the project without their secrets, in the order of creation. For one day after a rotation, the
/// key appears twice with the same id, once for each valid secret.
#[utoipa::path(
    get,
    path = "/admin/keys",
    tag = "Keys",
    operation_id = "listKeys",
    params(Page),
    responses((status = 200, description = "A page of keys.", body = KeyList), Refusals<InvalidParameter>),
)]
pub(super) async fn list(
    State(access): State<Arc<Access>>,
    project: Project,
    params: Params,
) -> Result<Json<KeyList>, ApiError> {
    let page = Page::of(params)?;
    let keys = access.accounts.keys(project.id(), Timestamp::now()).await?;
    // Ids begin with the creation time, and the secrets of one key are adjacent.
    let sort_key = |key: &ApiKey| format!("{}{}{}", key.id, since(key.created_at.millis(), ""), key.hint);
    let (keys, next_cursor) = page.cut(keys, sort_key);
    Ok(Json(KeyList { keys: keys.into_iter().map(KeyShape::from).collect(), next_cursor }))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewKey)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
    kind: KeyKind,
    /// The origins whose pages can use the key. Without origins, the key is not restricted.
    #[serde(default)]
    #[schema(schema_with = origins)]
    origins: Vec<String>,
}

fn origins() -> Schema {
    let origin = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("origin".to_owned())));
    ArrayBuilder::new().items(origin).into()
}

#[derive(Serialize, ToSchema)]
struct MadeKey {
    /// The secret. Only this response contains it.
    key: String,
    #[serde(flatten)]
    shown: KeyShape,
}

/// Create a key.
///
/// Returns the key with its secret. Only this response contains the secret. A write key sends events and does nothing
/// else. A read key reads what an analyst reads.
#[utoipa::path(
    post,
    path = "/admin/keys",
    tag = "Keys",
    operation_id = "createKey",
    request_body = KeyRequest,
    responses((status = 201, description = "The key and its secret.", body = MadeKey), Refusals<OfBody>),
)]
pub(super) async fn make(
    State(access): State<Arc<Access>>,
    project: Project,
    caller: Caller,
    origin: Origin,
    Body(KeyRequest { name, kind, origins }): Body<KeyRequest>,
) -> Result<Response, ApiError> {
    let new = NewKey { name, kind, origins: parsed(origins)? };
    let (actor, accounts) = (actor(&caller)?, &access.accounts);
    let (key, made) = accounts.make_key(&actor, project.id(), new, Timestamp::now()).await?;
    note(&access, Some(project.id()), Action::KeyCreated, &caller, Target::of(&made.id).with(&made.name), &origin)
        .await;
    Ok((StatusCode::CREATED, Json(MadeKey { key, shown: made.into() })).into_response())
}

/// Parses origins, and writes each in its normal form.
fn parsed(origins: Vec<String>) -> Result<Vec<String>, ApiError> {
    let parse = |(index, origin): (usize, String)| match origin.parse::<WebOrigin>() {
        Ok(origin) => Ok(origin.to_string()),
        Err(expected) => {
            let message = format!("`{origin}` is not {expected}");
            Err(catalogue::validation_error(message).at(format!("origins.{index}")))
        }
    };
    origins.into_iter().enumerate().map(parse).collect()
}

#[derive(Deserialize, ToSchema)]
#[schema(as = KeyChange)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyUpdate {
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: Option<String>,
    /// The origins whose pages can use the key. A key that has origins keeps at least one.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = origins)]
    origins: Option<Vec<String>>,
}

/// Update a key.
///
/// Changes the name or the origins of a key. Absent fields keep their value. The secret stays the same.
#[utoipa::path(
    patch,
    path = "/admin/keys/{id}",
    tag = "Keys",
    operation_id = "updateKey",
    params(("id" = String, Path, description = "The id of the key.")),
    request_body = KeyUpdate,
    responses((status = 200, description = "The key.", body = KeyShape), Refusals<(OfBody, NotFound)>),
)]
pub(super) async fn update(
    State(access): State<Arc<Access>>,
    project: Project,
    Named(id): Named,
    (caller, origin): (Caller, Origin),
    Body(KeyUpdate { name, origins }): Body<KeyUpdate>,
) -> Result<Json<KeyShape>, ApiError> {
    let change = KeyChange { name, origins: origins.map(parsed).transpose()? };
    let (actor, accounts) = (actor(&caller)?, &access.accounts);
    let key = accounts.update_key(&actor, project.id(), &id, change, Timestamp::now()).await?;
    note(&access, Some(project.id()), Action::KeyUpdated, &caller, Target::of(&id).with(&key.name), &origin).await;
    Ok(Json(key.into()))
}

/// Rotate a key.
///
/// Gives the key another secret. The previous secret remains valid for one day. An older secret becomes invalid
/// immediately.
#[utoipa::path(
    post,
    path = "/admin/keys/{id}/rotate",
    tag = "Keys",
    operation_id = "rotateKey",
    params(("id" = String, Path, description = "The id of the key.")),
    responses((status = 201, description = "The key and its new secret.", body = MadeKey), Refusals<NotFound>),
)]
pub(super) async fn rotate(
    State(access): State<Arc<Access>>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
) -> Result<Response, ApiError> {
    let (actor, accounts) = (actor(&caller)?, &access.accounts);
    let (key, made) = accounts.rotate_key(&actor, project.id(), &id, Timestamp::now()).await?;
    note(&access, Some(project.id()), Action::KeyRotated, &caller, Target::of(&id).with(&made.name), &origin).await;
    Ok((StatusCode::CREATED, Json(MadeKey { key, shown: made.into() })).into_response())
}

/// Revoke a key.
///
/// All secrets of the key become invalid immediately.
#[utoipa::path(
    delete,
    path = "/admin/keys/{id}",
    tag = "Keys",
    operation_id = "revokeKey",
    params(("id" = String, Path, description = "The id of the key.")),
    responses((status = 204, description = "The key was revoked."), Refusals<NotFound>),
)]
pub(super) async fn revoke(
    State(access): State<Arc<Access>>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
) -> Result<StatusCode, ApiError> {
    let (actor, accounts) = (actor(&caller)?, &access.accounts);
    let name = accounts.revoke_key(&actor, project.id(), &id, Timestamp::now()).await?.name;
    note(&access, Some(project.id()), Action::KeyRevoked, &caller, Target::of(&id).with(&name), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}
