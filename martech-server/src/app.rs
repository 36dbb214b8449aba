//! A server as a whole: opens its parts, serves requests, and closes.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use martech_core::{event::Timestamp, sink::ConfigError};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use crate::{
    config::{ServeArgs, Switch},
    http::{
        auth::{Access, AdminToken, Site, TokenError, TokenOrigin},
        bodies::{Bodies, BodyLimits},
        connections::{ConnectionLimits, Connections, Tls, TlsError},
        observe::Observer,
        rate_limits::Rates,
        request_log::RequestLog,
    },
    identity::{Accounts, Hasher},
    observability::{self, metrics::Metrics},
    projects::{
        DeadLetterFile, Projects,
        backend::{Backend, BackendError},
        disk_space::DiskSpace,
    },
    records::{Records, RecordsError},
    routes::{
        self, ApiState, Routes,
        queries::QueryLimit,
        state::{Bounds, Lifecycle, Parts},
    },
    uploads::Uploads,
    util::file_permissions,
};

/// A running server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    state: ApiState,
    limits: ConnectionLimits,
    tls: Option<Tls>,
    drain_timeout: Duration,
}

/// Reasons why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store or the data folder cannot be used.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] BackendError),
    /// The admin token cannot be loaded or created.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The accounts cannot be opened.
    #[error("the accounts cannot be opened: {0}")]
    Accounts(#[from] RecordsError),
    /// The system clock is wrong: HTTP has no dates before 1970.
    #[error("the system clock is before 1970; set the clock and restart")]
    Clock,
    /// Passwords cannot be hashed with these parameters.
    #[error("invalid Argon2 parameters: {0}")]
    Passwords(String),
    /// The certificate or its key cannot be used.
    #[error("cannot use TLS: {0}")]
    Tls(#[from] TlsError),
    /// The queue cannot be built.
    #[error("the queue cannot be built: {0}")]
    Sink(#[from] ConfigError),
}

/// Reasons why a server did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The drain timeout ended before all events were stored. They are in the dead-letter file, unless the log says
    /// otherwise.
    #[error("{0} accepted events were not stored in time; see dead-letters.ndjson in the data folder")]
    Unstored(usize),
    /// The store did not close cleanly.
    #[error("the store did not close cleanly: {0}")]
    Store(#[from] BackendError),
}

impl App {
    /// Opens the data folder and creates the parts of the server. Must be called in a Tokio runtime.
    ///
    /// # Errors
    /// Fails if the clock, the store, the accounts, the admin token, the TLS files or a setting cannot be used.
    pub async fn open(args: &ServeArgs) -> Result<Self, StartError> {
        if Timestamp::now().millis() < 0 {
            return Err(StartError::Clock);
        }
        let tls = Tls::load(&args.tls.files())?;
        let options = args.projects();
        let dead_letters = DeadLetterFile::new(&args.data_dir);
        let backend = Backend::open(&options.backend, &args.data_dir, &dead_letters).await?;
        // After the store: its lock ensures that no other process creates a token at the same time.
        let (admin_token, origin) = AdminToken::load(args.admin_token.clone(), &args.data_dir)?;
        match origin {
            TokenOrigin::Given => tracing::info!("the admin token comes from the settings"),
            TokenOrigin::Read(path) => tracing::info!(path = %path.display(), "the admin token is in this file"),
            TokenOrigin::Made(path) => tracing::info!(path = %path.display(), "created a new admin token in this file"),
        }
        let records = match &backend {
            Backend::Lake(_) => Records::open(&args.data_dir)?,
            Backend::Mongo(mongo) | Backend::Spooled(mongo, _) => Records::beside(&mongo.store),
        };
        file_permissions::tighten(&args.data_dir);
        let limits = args.connections.limits(args.bounds.min_body_rate.as_u64());
        let bounds =
            Bounds { queue: options.queue, connections: limits.count, journal_bytes: options.backend.journal_bytes };
        let small =
            BodyLimits { single: SMALL_BODY, batch: SMALL_BODY, in_flight: SMALL_BODIES, ..args.bounds.bodies() };
        let access = Arc::new(access(args, records.clone(), admin_token)?);
        let metrics = Arc::new(Metrics::new(&args.event_types));
        let observer = Arc::new(Observer {
            metrics: metrics.http.clone(),
            log: RequestLog::start(),
            proxies: access.proxies.clone(),
        });
        let projects = Projects::open((backend, dead_letters), records, options).await?;
        let disk_space = Arc::new(DiskSpace::watch(args.data_dir.clone(), args.bounds.min_free_space.as_u64()));
        let state = ApiState::new(Parts {
            access,
            uploads: Uploads::open(args.data_dir.clone(), projects.clone(), disk_space.clone()),
            projects,
            bodies: Arc::new(Bodies::new(args.bounds.bodies())),
            small_bodies: Arc::new(Bodies::new(small)),
            query_limit: Arc::new(QueryLimit::new(args.bounds.max_queries, args.store.query_timeout)),
            disk_space,
            metrics,
            observer,
            bounds,
            lifecycle: Arc::new(Lifecycle::start()),
        });
        Ok(Self { state, limits, tls, drain_timeout: args.bounds.drain_timeout })
    }

    /// Logs the link for creating the first account, if there is no account yet.
    async fn tell_set_up_link(self, listener: SocketAddr) {
        let access = &self.state.access;
        match access.accounts.set_up_token(Timestamp::now()).await {
            Ok(Some(token)) => {
                let link = Site::at(listener, access.public_url.as_ref(), self.tls.is_some()).sign_up_link(&token);
                tracing::warn!(
                    target: observability::LOCAL,
                    link,
                    "this server has no account yet; open this link within a day to create the owner's account"
                );
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "cannot find out whether this server has an account"),
        }
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn state(&self) -> ApiState {
        self.state.clone()
    }

    /// Ends imports, stores the waiting events until `deadline`, and closes the store.
    pub(crate) async fn close(&self, deadline: Instant) -> Result<(), CloseError> {
        // Imports write to the stores, and to the audit log.
        self.state.uploads.close(before_sink(deadline).min(IMPORT_PATIENCE)).await;
        let closed = self.state.projects.close(before_sink(deadline) + LEAST_PATIENCE).await;
        self.state.access.accounts.close().await;
        match closed? {
            0 => Ok(()),
            unstored => Err(CloseError::Unstored(unstored)),
        }
    }
}

/// Serves requests until `shutdown` completes, then drains and closes the server.
///
/// During the drain delay of the settings, the server still accepts requests while `/readyz` fails. Then it stops
/// accepting connections, answers requests in flight, stores waiting events, and closes the store. All of this takes at
/// most the drain timeout of the settings, except for closing the store itself. The sink always gets at least one
/// second.
///
/// # Errors
/// Fails if accepted events were not stored in time, or if the store did not close cleanly.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), CloseError> {
    if let Ok(address) = listener.local_addr() {
        tokio::spawn(app.clone().tell_set_up_link(address));
    }
    let App { state, limits, tls, drain_timeout } = app.clone();
    let (metrics, proxies) = (state.metrics.http.clone(), state.access.proxies.clone());
    let connections = Connections::new(Routes::new(state.clone()), limits, tls, metrics, proxies);
    let mut deadline = None;
    let stop = async {
        shutdown.await;
        state.lifecycle.begin_drain();
        state.uploads.stop();
        deadline = Some(Instant::now() + drain_timeout);
        sleep(limits.drain_delay.min(drain_timeout)).await;
    };
    connections.accept(&listener, stop).await;
    drop(listener);

    let deadline = deadline.unwrap_or_else(|| Instant::now() + drain_timeout);
    // Their streams would last for as long as their clients want.
    state.projects.end_watchers();
    connections.drain(before_sink(deadline)).await;
    app.close(deadline).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Serves `GET /metrics` until `shutdown` completes. Metrics are meant to stay available while the server drains.
pub async fn serve_metrics(listener: TcpListener, app: App, shutdown: impl Future<Output = ()> + Send) {
    routes::metrics::serve(listener, app.state, shutdown).await;
}

/// Minimum time that the sink gets, however long connections take. Storing accepted events comes first.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// How long cancelled imports may take to end.
const IMPORT_PATIENCE: Duration = Duration::from_secs(5);

/// Returns the time that is left for other work, so that the sink gets [`LEAST_PATIENCE`].
fn before_sink(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).saturating_sub(LEAST_PATIENCE)
}

/// Maximum body of a request that does not send events, and the memory of all of them, in bytes.
const SMALL_BODY: usize = 64 << 10;
const SMALL_BODIES: usize = 8 << 20;

fn access(args: &ServeArgs, records: Records, admin_token: AdminToken) -> Result<Access, StartError> {
    let settings = &args.accounts;
    let hasher = Hasher::new(settings.passwords.cost()).map_err(|error| StartError::Passwords(error.to_string()))?;
    let accounts = Accounts::new(records, hasher, settings.settings());
    accounts.keep_swept();
    Ok(Access {
        admin_token,
        accounts,
        public_url: settings.public_url.clone(),
        proxies: Arc::new(settings.trusted_proxies.clone()),
        public_ingest: settings.public_ingest == Switch::On,
        allowed_origins: settings.allowed_origins.clone(),
        rates: Arc::new(Rates::new(args.rates.limits())),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sink_gets_what_is_left_and_at_least_a_second() {
        let deadline = Instant::now() + Duration::from_secs(25);
        for (elapsed, left) in [(0, 24), (20, 4), (4, 0), (10, 0)] {
            tokio::time::advance(Duration::from_secs(elapsed)).await;
            assert_eq!(before_sink(deadline).as_secs(), left);
        }
    }

    #[tokio::test]
    async fn other_users_cannot_enter_a_data_folder_that_existed_before() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let args = ServeArgs::parse_from(["--data-dir".as_ref(), dir.path().as_os_str()]);
        let _app = App::open(&args).await.unwrap();
        assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
