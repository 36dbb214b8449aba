//! Invitations to a project.

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
    members::actor,
    page::{Page, since},
};
use crate::{
    http::{
        auth::{Access, Caller, Site},
        error::{ApiError, catalogue},
        openapi::{
            Refusals,
            faults::{InvalidEmail, InvalidParameter, NotFound, OfBody, SignUpClosed},
        },
        params::{Named, Params},
    },
    identity::{AccountError, Action, Email, Invitation, Origin, Role, Target},
    projects::Project,
};

/// An invitation, without its secret token.
#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvitationShape {
    id: String,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_by: Option<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationShape {
    fn from(invitation: Invitation) -> Self {
        let Invitation { token_hash, role, email, invited_by, created_at, expires_at, .. } = invitation;
        Self { id: token_hash, role, email, invited_by, created_at, expires_at }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvitationList {
    invitations: Vec<InvitationShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List invitations.
///
/// Returns the open invitations of the project in the order of creation.
#[utoipa::path(
    get,
    path = "/admin/invitations",
    tag = "Members",
    operation_id = "listInvitations",
    params(Page),
    responses((status = 200, description = "A page of invitations.", body = InvitationList), Refusals<InvalidParameter>),
)]
pub(super) async fn list(
    State(access): State<Arc<Access>>,
    project: Project,
    params: Params,
) -> Result<Json<InvitationList>, ApiError> {
    let page = Page::of(params)?;
    let open = access.accounts.invitations(project.id(), Timestamp::now()).await?;
    let (open, next_cursor) = page.cut(open, |open| since(open.created_at.millis(), &open.token_hash));
    Ok(Json(InvitationList { invitations: open.into_iter().map(InvitationShape::from).collect(), next_cursor }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvitation {
    role: Role,
    /// The only address that can use the invitation. Without an address, anyone with the link can use it.
    #[serde(default)]
    #[schema(format = "email")]
    email: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct MadeInvitation {
    /// The link for the invited person. Only this response contains it.
    link: String,
    token: String,
    #[serde(flatten)]
    invited: InvitationShape,
}

/// Create an invitation.
///
/// Returns a link that works once. Only this response contains the link.
#[utoipa::path(
    post,
    path = "/admin/invitations",
    tag = "Members",
    operation_id = "invite",
    request_body = NewInvitation,
    responses((status = 201, description = "The invitation and its link.", body = MadeInvitation), Refusals<(OfBody, InvalidEmail, SignUpClosed)>),
)]
pub(super) async fn add(
    State(access): State<Arc<Access>>,
    project: Project,
    caller: Caller,
    site: Site,
    origin: Origin,
    Body(NewInvitation { role, email }): Body<NewInvitation>,
) -> Result<Response, ApiError> {
    let email = email.map(|email| email.parse()).transpose().map_err(|_| AccountError::InvalidEmail)?;
    let (actor, accounts) = (actor(&caller)?, &access.accounts);
    let (token, invitation) = accounts.invite_as(&actor, project.id(), role, email, Timestamp::now()).await?;
    let whom = invitation.email.as_ref().map_or("anybody", Email::as_str);
    let (told, id) = (format!("{whom}: {role}"), &invitation.token_hash);
    note(&access, Some(project.id()), Action::Invited, &caller, Target::of(id).with(&told), &origin).await;
    let made = MadeInvitation { link: site.sign_up_link(&token), token, invited: invitation.into() };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Withdraw an invitation.
///
/// The link of the invitation stops working.
#[utoipa::path(
    delete,
    path = "/admin/invitations/{id}",
    tag = "Members",
    operation_id = "withdrawInvitation",
    params(("id" = String, Path, description = "The id of the invitation.")),
    responses((status = 204, description = "The invitation was withdrawn."), Refusals<NotFound>),
)]
pub(super) async fn remove(
    State(access): State<Arc<Access>>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
) -> Result<StatusCode, ApiError> {
    if !access.accounts.withdraw(&actor(&caller)?, project.id(), &id).await? {
        return Err(catalogue::not_found("there is no such invitation"));
    }
    note(&access, Some(project.id()), Action::InvitationWithdrawn, &caller, Target::of(&id), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}
