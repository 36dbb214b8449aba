//! Ways in for the fuzz targets (`fuzz/` beside this crate): what is private here and reads what strangers send.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, Uri},
};
use bytes::Bytes;
use jiff::tz::TimeZone;
use martech_core::{
    event::{Currency, Timestamp},
    query::{JourneyQuery, StatsQuery, UsersQuery},
};

use crate::{
    body::{self, Bodies, BodyLimits, Holder},
    error::ApiError,
    params::Params,
    routes::{stats, users},
};

fn status(error: ApiError) -> StatusCode {
    error.status
}

/// Receives a body of these chunks and unpacks it. `held` is what the budget of all bodies has given out: while the
/// plain bytes are there, and after that.
pub async fn plain_body(headers: &HeaderMap, chunks: Vec<Bytes>, limit: usize) -> PlainBody {
    let patience = Duration::from_secs(60);
    let bodies = Bodies::new(BodyLimits {
        single: limit,
        batch: limit,
        in_flight: 4 * limit,
        idle: patience,
        total: patience,
        rate: 0,
    });
    let stream = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    let read = async {
        let received =
            bodies.read(Holder::at([192, 0, 2, 1].into()), headers, Body::from_stream(stream), body::format).await?;
        bodies.parse(received, |_, plain| plain.to_vec()).await
    };
    match read.await {
        Ok((plain, charge)) => {
            let held = bodies.held();
            drop(charge);
            PlainBody { plain: Ok(plain), held: [held, bodies.held()] }
        }
        Err(error) => PlainBody { plain: Err(status(error)), held: [0, bodies.held()] },
    }
}

/// What became of a body.
#[derive(Debug)]
pub struct PlainBody {
    pub plain: Result<Vec<u8>, StatusCode>,
    pub held: [usize; 2],
}

/// The question of `GET /stats`.
pub fn stats_query(uri: &Uri, tz: &TimeZone, now: Timestamp) -> Result<StatsQuery, StatusCode> {
    Params::of(uri).and_then(|params| stats::question(params, tz, now)).map_err(status)
}

/// The question of `GET /users/{userId}/journey`.
pub fn journey_query(user_id: &str, uri: &Uri, tz: &TimeZone) -> Result<JourneyQuery, StatusCode> {
    Params::of(uri).and_then(|params| users::journey_question(user_id.to_owned(), params, tz)).map_err(status)
}

/// The question of `GET /users`.
pub fn users_query(uri: &Uri, currency: Currency) -> Result<UsersQuery, StatusCode> {
    Params::of(uri).and_then(|params| users::users_question(params, currency)).map_err(status)
}
