//! Members of a project.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    audit::note,
    auth::Body,
    page::{Page, since},
};
use crate::{
    http::{
        auth::{Access, Caller},
        error::{ApiError, catalogue},
        openapi::{
            Refusals,
            faults::{InvalidEmail, InvalidParameter, LastOwner, NotFound, OfBody, OfPassword, UserAlreadyExists},
        },
        params::{Named, Params},
    },
    identity::{Action, Actor, ApiKey, KeyFate, KeyKind, Member, NewUser, Origin, Role, Settled, Target, User},
    projects::Project,
};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberList {
    members: Vec<Member>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List members.
///
/// Returns the members of the project in the order in which their accounts were created.
#[utoipa::path(
    get,
    path = "/admin/members",
    tag = "Members",
    operation_id = "listMembers",
    params(Page),
    responses((status = 200, description = "A page of members.", body = MemberList), Refusals<InvalidParameter>),
)]
pub(super) async fn list(
    State(access): State<Arc<Access>>,
    project: Project,
    params: Params,
) -> Result<Json<MemberList>, ApiError> {
    let (page, all) = (Page::of(params)?, access.accounts.members(project.id()).await?);
    let (members, next_cursor) = page.cut(all, |member| since(member.created_at.millis(), &member.id));
    Ok(Json(MemberList { members, next_cursor }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMember {
    #[schema(format = "email")]
    email: String,
    #[schema(format = "password", min_length = 8, max_length = 128)]
    password: String,
    #[serde(default)]
    #[schema(max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
    #[serde(default)]
    role: Option<Role>,
}

/// Add a member.
///
/// Creates an account and adds it to the project. This request needs the admin token. Other callers create an
/// invitation instead.
#[utoipa::path(
    post,
    path = "/admin/members",
    tag = "Members",
    operation_id = "addMember",
    request_body = NewMember,
    responses((status = 201, description = "The member.", body = Member), Refusals<(OfBody, OfPassword, InvalidEmail, UserAlreadyExists)>),
)]
pub(super) async fn add(
    State(access): State<Arc<Access>>,
    project: Project,
    caller: Caller,
    origin: Origin,
    Body(NewMember { email, password, name, role }): Body<NewMember>,
) -> Result<Response, ApiError> {
    let Caller::Operator = caller else {
        return Err(catalogue::admin_token_required());
    };
    let new = NewUser { name: &name, email: &email, password: &password, image: None };
    let made = access.accounts.add_member(new, project.id(), role, Timestamp::now()).await?;
    note(&access, Some(project.id()), Action::MemberAdded, &caller, Target::user(&made), &origin).await;
    Ok((StatusCode::CREATED, Json(Member::of(made, project.id()))).into_response())
}

/// A key of a member who lost the right to create keys.
#[derive(Serialize, ToSchema)]
pub(super) struct LostKey {
    id: String,
    name: String,
    kind: KeyKind,
}

/// The keys that changed because a member lost the right to create keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettledKeys {
    /// Keys that were revoked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revoked_keys: Vec<LostKey>,
    /// Keys that now belong to the caller.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transferred_keys: Vec<LostKey>,
}

impl From<&Settled> for SettledKeys {
    fn from(settled: &Settled) -> Self {
        let lost = |key: &ApiKey| LostKey { id: key.id.clone(), name: key.name.clone(), kind: key.kind };
        let list = |keys: &[ApiKey]| keys.iter().map(lost).collect();
        Self { revoked_keys: list(&settled.ended), transferred_keys: list(&settled.transferred) }
    }
}

/// A member after a change, and the affected keys.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangedMember {
    #[serde(flatten)]
    member: Member,
    #[serde(flatten)]
    keys: SettledKeys,
}

/// Parses `keys`, which decides about the keys of a member who loses the right to create keys.
fn fate(mut params: Params) -> Result<KeyFate, ApiError> {
    let parse = |text: &str| match text {
        "revoke" => Ok(KeyFate::End),
        "keep" => Ok(KeyFate::Transfer),
        _ => Err("must be revoke or keep"),
    };
    let fate = params.one("keys", parse)?.unwrap_or(KeyFate::End);
    params.finish()?;
    Ok(fate)
}

/// Records revoked and transferred keys in the audit log.
async fn note_keys(access: &Access, settled: &Settled, whose: &User, caller: &Caller, origin: &Origin) {
    for (keys, action) in [(&settled.ended, Action::KeyRevoked), (&settled.transferred, Action::KeyTransferred)] {
        for key in keys {
            let told = format!("{}, of {}", key.name, whose.email);
            note(access, Some(&key.project), action, caller, Target::of(&key.id).with(&told), origin).await;
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    role: Role,
}

/// Change a member's role.
///
/// Admins of the default project can also give a role to any account that has none in the project. Other admins create
/// an invitation, which also works for existing accounts. If the member loses the right to create keys, the server
/// revokes the keys that they created or last rotated, unless you keep them with `keys=keep`.
#[utoipa::path(
    patch,
    path = "/admin/members/{id}",
    tag = "Members",
    operation_id = "updateMember",
    params(
        ("id" = String, Path, description = "The id or the email address of a member."),
        ("keys" = Option<String>, Query, pattern = "^(revoke|keep)$", description = "What happens to the keys that the member created or last rotated, if the member loses the right to create keys: `revoke` (the default) revokes them, `keep` makes them yours.")
    ),
    request_body = NewRole,
    responses((status = 200, description = "The member, and the affected keys.", body = ChangedMember), Refusals<(OfBody, NotFound, LastOwner, InvalidParameter)>),
)]
pub(super) async fn change(
    State(access): State<Arc<Access>>,
    project: Project,
    Named(id): Named,
    (caller, origin, params): (Caller, Origin, Params),
    Body(NewRole { role }): Body<NewRole>,
) -> Result<Json<ChangedMember>, ApiError> {
    let (actor, accounts, keys) = (actor(&caller)?, &access.accounts, fate(params)?);
    let changed = accounts.set_role(&actor, project.id(), &id, Some(role), keys, Timestamp::now());
    let (changed, settled) = changed.await?;
    tracing::info!(user = %changed.id, project = %project.id(), %role, "a role was changed");
    let told = changed.told_as(role);
    note(&access, Some(project.id()), Action::RoleChanged, &caller, Target::of(&changed.id).with(&told), &origin).await;
    note_keys(&access, &settled, &changed, &caller, &origin).await;
    Ok(Json(ChangedMember { keys: SettledKeys::from(&settled), member: Member::of(changed, project.id()) }))
}

/// Remove a member.
///
/// Removes the member from the project. Removal from the default project also deletes the account. The server revokes
/// the keys that the member created or last rotated, unless you keep them with `keys=keep`.
#[utoipa::path(
    delete,
    path = "/admin/members/{id}",
    tag = "Members",
    operation_id = "removeMember",
    params(
        ("id" = String, Path, description = "The id or the email address of a member."),
        ("keys" = Option<String>, Query, pattern = "^(revoke|keep)$", description = "What happens to the keys that the member created or last rotated, if the member loses the right to create keys: `revoke` (the default) revokes them, `keep` makes them yours.")
    ),
    responses(
        (status = 200, description = "The member was removed. The response lists the affected keys.", body = SettledKeys),
        (status = 204, description = "The member was removed, and had no keys."),
        Refusals<(NotFound, LastOwner, InvalidParameter)>
    ),
)]
pub(super) async fn remove(
    State(access): State<Arc<Access>>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
    params: Params,
) -> Result<Response, ApiError> {
    let (actor, accounts, keys) = (actor(&caller)?, &access.accounts, fate(params)?);
    let (removed, settled) = accounts.remove_member(&actor, project.id(), &id, keys, Timestamp::now()).await?;
    tracing::info!(user = %removed.id, project = %project.id(), "a member was removed");
    note(&access, Some(project.id()), Action::MemberRemoved, &caller, Target::user(&removed), &origin).await;
    note_keys(&access, &settled, &removed, &caller, &origin).await;
    Ok(match settled == Settled::default() {
        true => StatusCode::NO_CONTENT.into_response(),
        false => Json(SettledKeys::from(&settled)).into_response(),
    })
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewPassword {
    #[schema(format = "password", min_length = 8, max_length = 128)]
    new_password: String,
}

/// Reset a member's password.
///
/// Sets a new password and ends all sessions of the member. The caller must have the right to grant every role that the
/// member has, in every project.
#[utoipa::path(
    post,
    path = "/admin/members/{id}/password",
    tag = "Members",
    operation_id = "resetPassword",
    params(("id" = String, Path, description = "The id or the email address of a member.")),
    request_body = NewPassword,
    responses((status = 204, description = "The password has changed."), Refusals<(OfBody, OfPassword, NotFound)>),
)]
pub(super) async fn reset_password(
    State(access): State<Arc<Access>>,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
    Body(NewPassword { new_password }): Body<NewPassword>,
) -> Result<StatusCode, ApiError> {
    let (actor, now) = (actor(&caller)?, Timestamp::now());
    let changed = access.accounts.reset_password(&actor, &id, &new_password, now).await?;
    tracing::info!(user = %changed.id, "a password was reset");
    note(&access, None, Action::PasswordReset, &caller, Target::user(&changed), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn actor(caller: &Caller) -> Result<Actor, ApiError> {
    caller.actor().ok_or_else(catalogue::actor_required)
}
