//! Describes the layers in front of groups of routes: their parameters, security requirements and errors.

use utoipa::{
    PartialSchema,
    openapi::{
        OpenApi, RefOr, Required,
        path::{Operation, ParameterBuilder, ParameterIn},
        security::SecurityRequirement,
    },
};

use super::{
    faults::{
        self, Draining, Faults, Forbidden, InvalidKey, InvalidOrigin, InvalidParameter, MissingOrigin, NoSuchProject,
        NotSignedIn, OriginNotAllowed, RateLimited, StoreUnavailable, Unauthorized,
    },
    operations,
};
use crate::{http::auth::Need, identity::ProjectId};

/// Describes a group of routes with rate limits.
pub(crate) fn counted(api: &mut OpenApi) {
    for (_, operation) in operations(api) {
        faults::add(operation, &RateLimited::list());
    }
}

/// Describes a group of routes that need authentication and the permission `need`.
pub(crate) fn needing(api: &mut OpenApi, need: Need) {
    for (is_safe, operation) in operations(api) {
        operation.security = Some(["bearer", "basic", "cookie"].map(requirement).into());
        faults::add(operation, &<(Unauthorized, InvalidKey, Forbidden, OriginNotAllowed, InvalidParameter)>::list());
        faults::add(operation, &<(StoreUnavailable, Draining)>::list());
        add_origins(operation, is_safe);
        if let Need::InProject(_) = need {
            operation.parameters.get_or_insert_default().push(RefOr::T(project().build()));
            faults::add(operation, &NoSuchProject::list());
        }
    }
}

/// Describes a group of routes that need a session.
pub(crate) fn needing_session(api: &mut OpenApi) {
    for (is_safe, operation) in operations(api) {
        operation.security = Some(["bearer", "cookie"].map(requirement).into());
        faults::add(operation, &<(NotSignedIn, StoreUnavailable, Draining)>::list());
        add_origins(operation, is_safe);
    }
}

/// Adds the errors of the origin check, which applies to requests with a cookie and an unsafe method.
fn add_origins(operation: &mut Operation, is_safe: bool) {
    if !is_safe {
        faults::add(operation, &<(MissingOrigin, InvalidOrigin)>::list());
    }
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, [""; 0])
}

fn project() -> ParameterBuilder {
    let schema = ProjectId::schema();
    ParameterBuilder::new()
        .name("project")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some("The project; by default that of the key, or `default`."))
        .schema(Some(schema))
}
