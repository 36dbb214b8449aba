//! Who belongs to a project, and who is invited.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{audit::note, auth::Body};
use crate::{
    App, Role,
    accounts::{AccountError, Action, Actor, Email, Invitation, Member, NewUser, Origin, Target},
    auth::{Caller, Site},
    error::ApiError,
    openapi::{
        Refusals,
        faults::{InvalidEmail, LastOwner, NotFound, OfBody, OfPassword, SignUpClosed, UserAlreadyExists},
    },
    params::Named,
    projects::Project,
};

#[derive(Serialize, ToSchema)]
#[schema(as = MemberList)]
pub(super) struct Members {
    members: Vec<Member>,
}

/// Who belongs to a project.
#[utoipa::path(
    get,
    path = "/admin/members",
    tag = "Members",
    operation_id = "listMembers",
    responses((status = 200, description = "The members.", body = Members)),
)]
pub(super) async fn list(State(app): State<App>, project: Project) -> Result<Json<Members>, ApiError> {
    Ok(Json(Members { members: app.access().accounts.members(project.id()).await? }))
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

/// Adds a member, with an account.
///
/// For who runs the server and has the admin token; others invite.
#[utoipa::path(
    post,
    path = "/admin/members",
    tag = "Members",
    operation_id = "addMember",
    request_body = NewMember,
    responses((status = 201, description = "The member.", body = Member), Refusals<(OfBody, OfPassword, InvalidEmail, UserAlreadyExists)>),
)]
pub(super) async fn add(
    State(app): State<App>,
    project: Project,
    caller: Caller,
    origin: Origin,
    Body(NewMember { email, password, name, role }): Body<NewMember>,
) -> Result<Response, ApiError> {
    let Caller::Operator = caller else {
        let message = "this is for the admin token; POST /admin/invitations invites somebody";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message));
    };
    let new = NewUser { name: &name, email: &email, password: &password, image: None };
    let made = app.access().accounts.add_member(new, project.id(), role, Timestamp::now()).await?;
    note(&app, Some(project.id()), Action::MemberAdded, &caller, Target::user(&made), &origin).await;
    Ok((StatusCode::CREATED, Json(Member::of(made, project.id()))).into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    role: Role,
}

/// Gives a member another role.
///
/// Who had none in the project has one then.
#[utoipa::path(
    patch,
    path = "/admin/members/{id}",
    tag = "Members",
    operation_id = "changeMember",
    params(("id" = String, Path, description = "The id of a member, or the address.")),
    request_body = NewRole,
    responses((status = 200, description = "The member.", body = Member), Refusals<(OfBody, NotFound, LastOwner)>),
)]
pub(super) async fn change(
    State(app): State<App>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
    Body(NewRole { role }): Body<NewRole>,
) -> Result<Json<Member>, ApiError> {
    let actor = actor(&caller, &project)?;
    let changed = app.access().accounts.set_role(&actor, project.id(), &id, Some(role), Timestamp::now()).await?;
    tracing::info!(user = %changed.id, project = %project.id(), %role, "a role was changed");
    let told = changed.told_as(role);
    note(&app, Some(project.id()), Action::RoleChanged, &caller, Target::of(&changed.id).with(&told), &origin).await;
    Ok(Json(Member::of(changed, project.id())))
}

/// Removes a member.
///
/// From the default project, which is the server's, the account goes as well.
#[utoipa::path(
    delete,
    path = "/admin/members/{id}",
    tag = "Members",
    operation_id = "removeMember",
    params(("id" = String, Path, description = "The id of a member, or the address.")),
    responses((status = 204, description = "They are gone."), Refusals<(NotFound, LastOwner)>),
)]
pub(super) async fn remove(
    State(app): State<App>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
) -> Result<StatusCode, ApiError> {
    let (actor, accounts) = (actor(&caller, &project)?, &app.access().accounts);
    let removed = accounts.remove_member(&actor, project.id(), &id, Timestamp::now()).await?;
    tracing::info!(user = %removed.id, project = %project.id(), "a member was removed");
    note(&app, Some(project.id()), Action::MemberRemoved, &caller, Target::user(&removed), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewPassword {
    #[schema(format = "password", min_length = 8, max_length = 128)]
    new_password: String,
}

/// Gives somebody another password who has forgotten theirs.
///
/// They are signed out everywhere.
#[utoipa::path(
    post,
    path = "/admin/members/{id}/password",
    tag = "Members",
    operation_id = "resetPassword",
    params(("id" = String, Path, description = "The id of a member, or the address.")),
    request_body = NewPassword,
    responses((status = 204, description = "It is the new one now."), Refusals<(OfBody, OfPassword, NotFound)>),
)]
pub(super) async fn reset_password(
    State(app): State<App>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
    Body(NewPassword { new_password }): Body<NewPassword>,
) -> Result<StatusCode, ApiError> {
    let (actor, now) = (actor(&caller, &project)?, Timestamp::now());
    let changed = app.access().accounts.reset_password(&actor, &id, &new_password, now).await?;
    tracing::info!(user = %changed.id, "a password was reset");
    note(&app, None, Action::PasswordReset, &caller, Target::user(&changed), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}

/// An invitation as a list shows it: without what it takes to use it.
#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invited {
    id: String,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_by: Option<String>,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl From<Invitation> for Invited {
    fn from(invitation: Invitation) -> Self {
        let Invitation { token_hash, role, email, invited_by, created_at, expires_at, .. } = invitation;
        Self { id: token_hash, role, email, invited_by, created_at, expires_at }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = InvitationList)]
pub(super) struct Invitations {
    invitations: Vec<Invited>,
}

/// Invitations that nobody has used yet.
#[utoipa::path(
    get,
    path = "/admin/invitations",
    tag = "Members",
    operation_id = "listInvitations",
    responses((status = 200, description = "The invitations.", body = Invitations)),
)]
pub(super) async fn invitations(State(app): State<App>, project: Project) -> Result<Json<Invitations>, ApiError> {
    let open = app.access().accounts.invitations(project.id(), Timestamp::now()).await?;
    Ok(Json(Invitations { invitations: open.into_iter().map(Invited::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewInvitation)]
#[serde(deny_unknown_fields)]
pub(super) struct Invite {
    role: Role,
    /// Only they may use it; anybody where nobody is named.
    #[serde(default)]
    #[schema(format = "email")]
    email: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MadeInvitation)]
struct Made {
    /// For whoever is invited; told here and nowhere else.
    link: String,
    token: String,
    #[serde(flatten)]
    invited: Invited,
}

/// Invites somebody, by a link that works once.
#[utoipa::path(
    post,
    path = "/admin/invitations",
    tag = "Members",
    operation_id = "invite",
    request_body = Invite,
    responses((status = 201, description = "The invitation and its link, which is told nowhere else.", body = Made), Refusals<(OfBody, InvalidEmail, SignUpClosed)>),
)]
pub(super) async fn invite(
    State(app): State<App>,
    project: Project,
    caller: Caller,
    site: Site,
    origin: Origin,
    Body(Invite { role, email }): Body<Invite>,
) -> Result<Response, ApiError> {
    let email = email.map(|email| email.parse()).transpose().map_err(|_| AccountError::InvalidEmail)?;
    let (actor, accounts) = (actor(&caller, &project)?, &app.access().accounts);
    let (token, invitation) = accounts.invite_as(&actor, project.id(), role, email, Timestamp::now()).await?;
    let whom = invitation.email.as_ref().map_or("anybody", Email::as_str);
    let (told, id) = (format!("{whom}: {role}"), &invitation.token_hash);
    note(&app, Some(project.id()), Action::Invited, &caller, Target::of(id).with(&told), &origin).await;
    let made = Made { link: site.sign_up_link(&token), token, invited: invitation.into() };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Withdraws an invitation.
#[utoipa::path(
    delete,
    path = "/admin/invitations/{id}",
    tag = "Members",
    operation_id = "withdrawInvitation",
    params(("id" = String, Path, description = "Of the invitation.")),
    responses((status = 204, description = "Its link works no more."), Refusals<NotFound>),
)]
pub(super) async fn withdraw(
    State(app): State<App>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
) -> Result<StatusCode, ApiError> {
    if !app.access().accounts.withdraw(&actor(&caller, &project)?, project.id(), &id).await? {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such invitation any more"));
    }
    note(&app, Some(project.id()), Action::InvitationWithdrawn, &caller, Target::of(&id), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn actor(caller: &Caller, project: &Project) -> Result<Actor, ApiError> {
    caller
        .actor(project.id())
        .ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "who changes others has signed in"))
}
