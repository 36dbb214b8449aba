//! Entry points for the fuzz targets (`fuzz/` beside this crate), which are private parsers of untrusted input, and for
//! `examples/instructions.rs`.

use std::{io::Read, path::Path, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode, Uri, header},
};
use bytes::Bytes;
use jiff::tz::TimeZone;
use martech_core::{
    analytics::StatsPlan,
    event::{Currency, Event, Timestamp},
    query::{JourneyQuery, StatsQuery, UsersQuery},
};
use tokio::time::Instant;

use crate::{
    app::{App, CloseError, StartError},
    commands::import::ImportArgs,
    config::ServeArgs,
    http::{
        bodies::{self, Bodies, BodyLimits, Holder},
        error::ApiError,
        params::Params,
    },
    import,
    routes::{Routes, stats, users},
};

/// A server without connections, for counting the instructions of a request.
#[derive(Debug)]
pub struct InProcess {
    app: App,
    routes: Routes,
}

impl InProcess {
    /// Opens a server with default settings in a folder.
    pub async fn open(dir: &Path) -> Result<Self, StartError> {
        let args = ServeArgs::parse_from(["--data-dir".as_ref(), dir.as_os_str()]);
        let app = App::open(&args).await?;
        Ok(Self { routes: Routes::new(app.state()), app })
    }

    /// Stores the waiting events, and closes the server.
    pub async fn close(self) -> Result<(), CloseError> {
        self.app.close(Instant::now() + Duration::from_secs(60)).await
    }

    /// Sends JSON to a path, and returns the status of the response.
    pub async fn post(&self, target: &str, body: Bytes) -> StatusCode {
        let length = body.len();
        let request = Request::post(target)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, length)
            .body(Body::from(body))
            .expect("the target is a path");
        self.routes.clone().answer(request).await.status()
    }
}

fn status(error: ApiError) -> StatusCode {
    error.status
}

/// Receives and decompresses a body that arrives in these chunks. `held` is the memory charged to the budget of all
/// bodies: while the plain bytes exist, and after their release.
pub async fn plain_body(headers: &HeaderMap, chunks: Vec<Bytes>, limit: usize) -> PlainBody {
    let minute = Duration::from_secs(60);
    let pool = Bodies::new(BodyLimits {
        single: limit,
        batch: limit,
        in_flight: 4 * limit,
        idle: minute,
        total: minute,
        rate: 0,
    });
    let stream = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    let read = async {
        let received =
            pool.read(Holder::at([192, 0, 2, 1].into()), headers, Body::from_stream(stream), bodies::format).await?;
        pool.parse(received, |_, plain| plain.to_vec()).await
    };
    match read.await {
        Ok((plain, charge)) => {
            let held = pool.held();
            drop(charge);
            PlainBody { plain: Ok(plain), held: [held, pool.held()] }
        }
        Err(error) => PlainBody { plain: Err(status(error)), held: [0, pool.held()] },
    }
}

/// The result of [`plain_body`].
#[derive(Debug)]
pub struct PlainBody {
    pub plain: Result<Vec<u8>, StatusCode>,
    pub held: [usize; 2],
}

/// Parses the query of `GET /stats` and checks it as a store does. The error is the status of the response.
pub fn stats_query(uri: &Uri, tz: &TimeZone, now: Timestamp) -> Result<StatsQuery, StatusCode> {
    let query = stats::question(Params::of(uri), tz, now).map_err(status)?;
    StatsPlan::new(&query).map_err(|error| status(error.into()))?;
    Ok(query)
}

/// Parses the query of `GET /users/{userId}/journey`. The error is the status of the response.
pub fn journey_query(user_id: &str, uri: &Uri, tz: &TimeZone) -> Result<JourneyQuery, StatusCode> {
    users::journey_question(user_id.to_owned(), Params::of(uri), tz).map_err(status)
}

/// Parses the query of `GET /users`. The error is the status of the response.
pub fn users_query(uri: &Uri, currency: Currency) -> Result<UsersQuery, StatusCode> {
    users::users_question(Params::of(uri), currency).map_err(status)
}

/// Reads records as an import does. The error is its message.
///
/// `open` returns the content from its beginning. `each` gets the text, line and number of a record, and either its
/// event or the code of its rejection. With `interrupted`, a separate import reads each batch and resumes where the
/// previous one stopped.
pub fn read_records<R: Read + Send + 'static>(
    args: &ImportArgs,
    open: impl Fn() -> R,
    batch: usize,
    interrupted: bool,
    each: impl FnMut(&[u8], u64, u64, Result<Event, String>),
) -> Result<(), String> {
    let options = args.options().map_err(|error| error.to_string())?;
    import::read_records(&options, open, batch, interrupted, each).map_err(|error| error.to_string())
}
