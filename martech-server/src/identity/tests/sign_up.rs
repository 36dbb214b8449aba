//! Sign-up: the first owner, invitations, and the policies of a server.

use super::*;
use crate::identity::sign_up::MOST_BY_THEMSELVES;

#[tokio::test]
async fn only_the_first_account_becomes_the_owner() {
    let shop = Shop::new(SignUpPolicy::Open);
    assert!(matches!(shop.sign_up("stranger", Entitlement::Nothing).await, Err(AccountError::SetUpRequired)));
    let invitation = shop.invite(Role::Owner, None).await;
    let error = shop.sign_up("stranger", Entitlement::Invitation(&invitation)).await;
    assert!(matches!(error, Err(AccountError::SetUpRequired)), "only the server's own invitation makes an owner");
    let (link, other) =
        (shop.accounts.set_up_token(shop.now).await.unwrap(), shop.accounts.set_up_token(shop.now).await);
    let owner = shop.sign_up("owner", Entitlement::Invitation(&link.unwrap())).await.unwrap();
    assert_eq!(owner.user.role(&ProjectId::default()), Some(Role::Owner));
    // Neither the other link nor the admin token creates a second owner.
    let error = shop.sign_up("late", Entitlement::Invitation(&other.unwrap().unwrap())).await;
    assert!(matches!(error, Err(AccountError::InvalidInvitation)));
    assert_eq!(shop.accounts.set_up_token(shop.now).await.unwrap(), None);
    let analyst = shop.sign_up("late", Entitlement::AdminToken).await.unwrap();
    assert_eq!(analyst.user.role(&ProjectId::default()), Some(Role::Analyst));
}

#[tokio::test]
async fn one_of_two_first_sign_ups_succeeds() {
    let shop = Shop::new(SignUpPolicy::Closed);
    let (one, other) =
        tokio::join!(shop.sign_up("one", Entitlement::AdminToken), shop.sign_up("other", Entitlement::AdminToken));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert!(shop.has_owner().await);
}

#[tokio::test]
async fn set_up_ends_with_the_first_account() {
    let shop = Shop::new(SignUpPolicy::Invitation);
    let link = shop.accounts.set_up_token(shop.now).await.unwrap().unwrap();
    let first = shop.sign_up("first", Entitlement::Invitation(&link)).await.unwrap().user;
    // The first owner invites a second one, who demotes and removes the first.
    let invitation = shop.invite(Role::Owner, None).await;
    let second = shop.sign_up("second", Entitlement::Invitation(&invitation)).await.unwrap().user;
    let (by, default) = (Actor::User(second.id), ProjectId::default());
    shop.accounts.set_role(&by, &default, &first.id, Some(Role::Analyst), KeyFate::End, shop.now).await.unwrap();
    shop.accounts.remove_member(&by, &default, &first.id, KeyFate::End, shop.now).await.unwrap();
    assert!(shop.has_owner().await, "the second owns the server");
    assert_eq!(shop.accounts.set_up_token(shop.now).await.unwrap(), None, "a restart logs no link");
    let again = shop.sign_up("first", Entitlement::Invitation(&link)).await;
    assert!(matches!(again, Err(AccountError::InvalidInvitation)), "{again:?}");
    let invitation = shop.invite(Role::Analyst, None).await;
    assert!(shop.sign_up("third", Entitlement::Invitation(&invitation)).await.is_ok(), "invitations still work");
}

#[tokio::test]
async fn invitation_works_once_before_expiry_for_its_recipient() {
    let (mut shop, _) = Shop::open(SignUpPolicy::Invitation).await;
    assert!(matches!(shop.sign_up("ann", Entitlement::Nothing).await, Err(AccountError::InvitationRequired)));
    assert!(matches!(
        shop.sign_up("ann", Entitlement::Invitation("made up")).await,
        Err(AccountError::InvalidInvitation)
    ));
    let for_ann = shop.invite(Role::Admin, Some("ann")).await;
    assert!(matches!(
        shop.sign_up("ben", Entitlement::Invitation(&for_ann)).await,
        Err(AccountError::InvalidInvitation)
    ));
    let ann = shop.sign_up("ann", Entitlement::Invitation(&for_ann)).await.unwrap();
    assert_eq!(ann.user.role(&ProjectId::default()), Some(Role::Admin));
    assert!(matches!(
        shop.sign_up("ben", Entitlement::Invitation(&for_ann)).await,
        Err(AccountError::InvalidInvitation)
    ));

    let anybody = shop.invite(Role::Analyst, None).await;
    let entitled = || Entitlement::Invitation(&anybody);
    let (ben, eve) = tokio::join!(shop.sign_up("ben", entitled()), shop.sign_up("eve", entitled()));
    assert!(ben.is_ok() != eve.is_ok(), "{ben:?} {eve:?}");

    let stale = shop.invite(Role::Analyst, None).await;
    shop.after(LIFETIME);
    assert!(matches!(
        shop.sign_up("late", Entitlement::Invitation(&stale)).await,
        Err(AccountError::InvalidInvitation)
    ));
}

#[tokio::test]
async fn invitation_depends_on_current_role_of_inviter() {
    let (shop, owner) = Shop::open(SignUpPolicy::Invitation).await;
    let (accounts, project, now) = (&shop.accounts, ProjectId::default(), shop.now);
    let invitation = shop.invite(Role::Admin, Some("ann")).await;
    let ann = shop.sign_up("ann", Entitlement::Invitation(&invitation)).await.unwrap().user;
    let actor = Actor::User(ann.id.clone());
    let invite = async || accounts.invite_as(&actor, &project, Role::Analyst, None, now).await.unwrap().0;
    let by_owner = Actor::User(owner.user.id);
    let (first, second, third) = (invite().await, invite().await, invite().await);
    assert!(shop.sign_up("ben", Entitlement::Invitation(&first)).await.is_ok());

    accounts.set_role(&by_owner, &project, &ann.id, Some(Role::Analyst), KeyFate::End, now).await.unwrap();
    let refused = shop.sign_up("carl", Entitlement::Invitation(&second)).await;
    assert!(matches!(refused, Err(AccountError::InvalidInvitation)), "{refused:?}");
    accounts.set_role(&by_owner, &project, &ann.id, Some(Role::Admin), KeyFate::End, now).await.unwrap();
    assert!(shop.sign_up("carl", Entitlement::Invitation(&second)).await.is_ok(), "she may again");

    accounts.remove_member(&by_owner, &project, &ann.id, KeyFate::End, now).await.unwrap();
    let refused = shop.sign_up("ann", Entitlement::Invitation(&third)).await;
    assert!(matches!(refused, Err(AccountError::InvalidInvitation)), "not by her own invitation: {refused:?}");
}

#[tokio::test]
async fn applies_closed_and_open_sign_up_policies() {
    let (shop, _) = Shop::open(SignUpPolicy::Closed).await;
    let invitation = shop.invite(Role::Analyst, None).await;
    for entitlement in [Entitlement::Nothing, Entitlement::Invitation(&invitation), Entitlement::AdminToken] {
        assert!(matches!(shop.sign_up("ann", entitlement).await, Err(AccountError::SignUpClosed)));
    }
    let (shop, _) = Shop::open(SignUpPolicy::Open).await;
    let ann = shop.sign_up("ann", Entitlement::Nothing).await.unwrap();
    assert_eq!(ann.user.role(&ProjectId::default()), Some(Role::Analyst));
}

#[tokio::test]
async fn sign_up_validates_profile_and_password() {
    let (shop, _) = Shop::open(SignUpPolicy::Open).await;
    let sign_up = async |name: &str, email: &str, password: &str, image| {
        let new = NewUser { name, email, password, image };
        shop.accounts.sign_up(new, Entitlement::Nothing, true, &Origin::default(), shop.now).await.unwrap_err()
    };
    let long = "x".repeat(129);
    assert!(matches!(sign_up("Ann", "ann", PASSWORD, None).await, AccountError::InvalidField("email", _)));
    assert!(matches!(sign_up("Ann", "ann@shop.example", "seven77", None).await, AccountError::PasswordTooShort));
    assert!(matches!(sign_up("Ann", "ann@shop.example", &long, None).await, AccountError::PasswordTooLong));
    assert!(matches!(sign_up(&long, "ann@shop.example", PASSWORD, None).await, AccountError::InvalidField("name", _)));
    assert!(matches!(
        sign_up("A\nnn", "ann@shop.example", PASSWORD, None).await,
        AccountError::InvalidField("name", _)
    ));
    for image in ["http://x.example/a.png", "javascript:alert(1)", "https://x.example/ä", " https://x.example"] {
        let error = sign_up("Ann", "ann@shop.example", PASSWORD, Some(image)).await;
        assert!(matches!(error, AccountError::InvalidField("image", _)), "{image}");
    }
    assert!(matches!(sign_up("Owner", "OWNER@Shop.example", PASSWORD, None).await, AccountError::UserAlreadyExists));
}

#[tokio::test]
async fn open_server_limits_accounts_without_invitation() {
    let (shop, owner) = Shop::open(SignUpPolicy::Open).await;
    let strangers = (1..MOST_BY_THEMSELVES).map(|number| {
        let email: Email = format!("u{number}@shop.example").parse().unwrap();
        User { id: number.to_string(), email, ..owner.user.clone() }
    });
    shop.put(&strangers.collect::<Vec<_>>()).await;
    let refused = shop.sign_up("eve", Entitlement::Nothing).await;
    assert!(matches!(refused, Err(AccountError::TooManyAccounts)));
    let token = shop.invite(Role::Analyst, None).await;
    assert!(shop.sign_up("ann", Entitlement::Invitation(&token)).await.is_ok());
}
