//! Strict parsing of query strings: an unknown parameter is an error.

use std::fmt::Display;

use axum::{
    RequestPartsExt,
    extract::{FromRequestParts, Path, Request},
    http::{Uri, request::Parts},
    middleware::Next,
    response::Response,
};
use martech_core::{
    event::{EventType, MAX_ID_CHARS, Timestamp},
    query::{QueryError, parse_instant},
};

use crate::{
    http::error::{ApiError, catalogue},
    identity::ProjectId,
    projects::Project,
};

/// The parameters of a request that are not consumed yet, and the names of the known ones.
#[derive(Debug)]
pub(crate) struct Params {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl Params {
    /// Parses the query string of `uri`.
    pub(crate) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let left = if query.contains(['%', '+']) {
            form_urlencoded::parse(query.as_bytes()).into_owned().collect()
        } else {
            let pairs = query.split('&').filter(|pair| !pair.is_empty());
            let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        Self { left, known: Vec::new() }
    }

    /// Consumes a parameter that may occur once.
    pub(crate) fn one<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ApiError> {
        self.known.push(name);
        let mut found = self.left.extract_if(.., |(key, _)| key == name);
        let Some((_, value)) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(catalogue::invalid_parameter(name, format!("{name} is given more than once")));
        }
        parse(&value).map(Some).map_err(|error| catalogue::invalid_parameter(name, format!("{name}: {error}")))
    }

    /// Consumes a parameter that may be repeated, and returns its values.
    pub(crate) fn many(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        self.left.extract_if(.., |(key, _)| key == name).map(|(_, value)| value).collect()
    }

    /// Consumes `project`.
    pub(crate) fn project(&mut self) -> Result<Option<ProjectId>, ApiError> {
        self.one("project", |text| text.parse().map_err(|expected: &str| format!("a project's name has {expected}")))
    }

    /// Consumes `limit`, the number of rows: 1 to 1,000, by default 100.
    pub(crate) fn limit(&mut self) -> Result<usize, ApiError> {
        const MAX: usize = 1_000;
        let parse = |text: &str| match text.parse() {
            Ok(limit @ 1..=MAX) => Ok(limit),
            _ => Err("must be a whole number from 1 to 1000"),
        };
        Ok(self.one("limit", parse)?.unwrap_or(100))
    }

    /// Consumes a time: a date in the time zone `tz`, or an RFC 3339 time.
    pub(crate) fn instant(
        &mut self,
        name: &'static str,
        tz: &jiff::tz::TimeZone,
    ) -> Result<Option<Timestamp>, ApiError> {
        self.one(name, |text| parse_instant(name, text, tz).map_err(|error| error.message))
    }

    /// Consumes `type`, the types of events, which may be repeated and may hold a comma-separated list.
    pub(crate) fn event_types(&mut self) -> Result<Vec<EventType>, ApiError> {
        let values = self.many("type");
        let names = values.iter().flat_map(|value| value.split(','));
        names
            .map(|name| EventType::parse(name).map_err(|error| catalogue::invalid_parameter("type", error.to_string())))
            .collect()
    }

    /// Fails if any parameter is left. Call it after all known parameters are consumed.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        let Some((name, _)) = self.left.first() else { return Ok(()) };
        let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
        let name: String = name.chars().take(64).collect();
        let message = format!("unknown parameter {name}; this route has: {known}");
        Err(catalogue::invalid_parameter(&name, message))
    }
}

/// Checks a user id in a path or a query.
pub(crate) fn user_id(text: &str) -> Result<String, &'static str> {
    match (1..=MAX_ID_CHARS).contains(&text.chars().count()) {
        true => Ok(text.to_owned()),
        false => Err("has 1 to 128 characters"),
    }
}

/// Middleware for routes with no parameter but the project.
pub(crate) async fn no_others(params: Params, request: Request, next: Next) -> Result<Response, ApiError> {
    params.finish()?;
    Ok(next.run(request).await)
}

/// Returns the error message without its field, because [`Params::one`] adds the field.
pub(crate) fn message<T>(result: Result<T, QueryError>) -> Result<T, String> {
    result.map_err(|error| error.message)
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let mut params = Self::of(&parts.uri);
        // The middleware in front has consumed `project` already.
        if parts.extensions.get::<Project>().is_some() {
            params.many("project");
        }
        Ok(params)
    }
}

/// The value of `{id}` or `{userId}` in a path.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let rejected = |_| catalogue::invalid_parameter("path", "a part of the path is not UTF-8");
        parts.extract::<Path<String>>().await.map(|Path(name)| Self(name)).map_err(rejected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_queries_are_split_as_encoded_ones_are() {
        for query in
            ["", "a", "a=", "=b", "a=b&c=d", "&&a=b&", "a=b=c", "a=b&a=c", "é=ü", "a%20b=c+d", "%=%zz", "a=b&%"]
        {
            let uri = Uri::builder().path_and_query(format!("/?{query}")).build().unwrap();
            let form: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            assert_eq!(Params::of(&uri).left, form, "{query}");
        }
    }

    #[test]
    fn parameter_may_occur_once() {
        let mut params = Params::of(&Uri::from_static("/?a=1&b=2&a=3"));
        let twice = params.one("a", str::parse::<u8>).unwrap_err();
        assert!(format!("{twice:?}").contains("more than once"), "{twice:?}");
        let mut params = Params::of(&Uri::from_static("/?a=1&b=2"));
        assert_eq!(params.one("a", str::parse::<u8>).unwrap(), Some(1));
        assert!(params.one("c", str::parse::<u8>).unwrap().is_none());
        assert!(params.finish().is_err(), "b is left");
    }
}
