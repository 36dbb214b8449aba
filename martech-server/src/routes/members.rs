//! Who belongs to a project, and who is invited.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;
use serde::{Deserialize, Serialize};

use super::{audit::note, auth::Body};
use crate::{
    App, Role,
    accounts::{AccountError, Action, Actor, Email, Invitation, Member, NewUser, Origin},
    auth::{Caller, Site},
    error::ApiError,
    params::Named,
    projects::Project,
};

#[derive(Serialize)]
pub(super) struct Members {
    members: Vec<Member>,
}

/// `GET /admin/members`
pub(super) async fn list(State(app): State<App>, project: Project) -> Result<Json<Members>, ApiError> {
    Ok(Json(Members { members: app.access().accounts.members(project.id()).await? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMember {
    email: String,
    password: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: Option<Role>,
}

/// `POST /admin/members`: for who runs the server; others invite.
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
    note(&app, Some(project.id()), Action::MemberAdded, &caller, Some(&made.id), &origin).await;
    Ok((StatusCode::CREATED, Json(Member::of(made, project.id()))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    role: Role,
}

/// `PATCH /admin/members/{id}`: by id or by address; who had no role in the project has one then.
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
    note(&app, Some(project.id()), Action::RoleChanged, &caller, Some(&changed.id), &origin).await;
    Ok(Json(Member::of(changed, project.id())))
}

/// `DELETE /admin/members/{id}`: out of a project; from the default one, which is the server's, the account goes as well.
pub(super) async fn remove(
    State(app): State<App>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
) -> Result<StatusCode, ApiError> {
    let (actor, accounts) = (actor(&caller, &project)?, &app.access().accounts);
    let removed = if project.id().is_default() {
        accounts.remove_user(&actor, &id).await?
    } else {
        accounts.set_role(&actor, project.id(), &id, None, Timestamp::now()).await?
    };
    tracing::info!(user = %removed.id, project = %project.id(), "a member was removed");
    note(&app, Some(project.id()), Action::MemberRemoved, &caller, Some(&removed.id), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewPassword {
    new_password: String,
}

/// `POST /admin/members/{id}/password`: for who has forgotten theirs.
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
    note(&app, None, Action::PasswordReset, &caller, Some(&changed.id), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}

/// An invitation as a list shows it: without what it takes to use it.
#[derive(Serialize)]
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

#[derive(Serialize)]
pub(super) struct Invitations {
    invitations: Vec<Invited>,
}

/// `GET /admin/invitations`
pub(super) async fn invitations(State(app): State<App>, project: Project) -> Result<Json<Invitations>, ApiError> {
    let open = app.access().accounts.invitations(project.id(), Timestamp::now()).await?;
    Ok(Json(Invitations { invitations: open.into_iter().map(Invited::from).collect() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invite {
    role: Role,
    #[serde(default)]
    email: Option<String>,
}

#[derive(Serialize)]
struct Made {
    /// For whoever is invited; told here and nowhere else.
    link: String,
    token: String,
    #[serde(flatten)]
    invited: Invited,
}

/// `POST /admin/invitations`
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
    note(&app, Some(project.id()), Action::Invited, &caller, Some(&invitation.token_hash), &origin).await;
    let made = Made { link: site.sign_up_link(&token), token, invited: invitation.into() };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// `DELETE /admin/invitations/{id}`
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
    note(&app, Some(project.id()), Action::InvitationWithdrawn, &caller, Some(&id), &origin).await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn actor(caller: &Caller, project: &Project) -> Result<Actor, ApiError> {
    caller
        .actor(project.id())
        .ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "who changes others has signed in"))
}
