//! The parts of a running server: opening and closing.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use martech_core::{event::Timestamp, sink::ConfigError};

use crate::{
    AdminToken, AllowedOrigins, TrustedProxies, WebOrigin,
    accounts::{Accounts, Hasher},
    auth::{Site, TokenError, TokenOrigin},
    backend::{Backend, BackendError, Switch},
    body::{Bodies, BodyLimits},
    config::{self, ServeArgs},
    dead_letters::DeadLetterFile,
    limits::Rates,
    metrics::Metrics,
    permissions,
    projects::Projects,
    queries::Queries,
    records::{AnyRecords, RecordsError},
    serve::{ConnectionLimits, Tls, TlsError},
    space::Space,
    telemetry::{self, Observer, RequestLog},
};

/// The parts of a server that requests need. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    projects: Projects,
    bodies: Bodies,
    access: Access,
    rates: Rates,
    queries: Queries,
    space: Space,
    metrics: Arc<Metrics>,
    log: Arc<RequestLog>,
    queue: QueueBounds,
    connections: ConnectionLimits,
    tls: Option<Tls>,
    journal_capacity: u64,
    drain_timeout: Duration,
    draining: AtomicBool,
    started: Instant,
}

/// Access to the server: tokens, accounts and origins.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) admin_token: AdminToken,
    pub(crate) accounts: Accounts,
    pub(crate) public_url: Option<WebOrigin>,
    pub(crate) proxies: TrustedProxies,
    /// True if clients may send events without a key.
    pub(crate) public_ingest: bool,
    pub(crate) allowed_origins: AllowedOrigins,
    /// Bodies of requests about accounts, which are small.
    pub(crate) bodies: Bodies,
}

/// Bounds of the queue in front of a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueBounds {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
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
    #[error("the system clock is before 1970; set it, and start again")]
    Clock,
    /// Passwords cannot be hashed with these parameters.
    #[error("passwords cannot be hashed so: {0}")]
    Passwords(String),
    /// The certificate or its key cannot be used.
    #[error("TLS is not possible so: {0}")]
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
        let tls = Tls::load(&args.tls)?;
        let dead_letters = DeadLetterFile::new(&args.data_dir);
        let backend = Backend::open(args, &dead_letters).await?;
        // After the store: its lock ensures that no other process creates a token at the same time.
        let (admin_token, origin) = AdminToken::load(args.admin_token.clone(), &args.data_dir)?;
        match origin {
            TokenOrigin::Given => tracing::info!("the admin token is the one that was given"),
            TokenOrigin::Read(path) => tracing::info!(path = %path.display(), "the admin token is in this file"),
            TokenOrigin::Made(path) => tracing::info!(path = %path.display(), "a new admin token was made: this file"),
        }
        let queue = QueueBounds {
            events: usize::try_from(args.bounds.queue_events).unwrap_or(usize::MAX),
            bytes: config::bytes(args.bounds.queue_bytes),
        };
        let records = match &backend {
            Backend::Lake(_) => AnyRecords::open(&args.data_dir)?,
            Backend::Mongo(mongo) | Backend::Spooled(mongo, _) => AnyRecords::beside(&mongo.store),
        };
        permissions::tighten(&args.data_dir);
        let metrics = Arc::new(Metrics::new(&args.event_types));
        let bodies = Bodies::new(args.bodies());
        let parts = Parts {
            bodies,
            access: Access::open(args, records.clone(), admin_token)?,
            projects: Projects::open((backend, dead_letters), records, args, queue).await?,
            rates: Rates::new(&args.rates),
            queries: Queries::new(args.bounds.max_queries, args.store.query_timeout),
            space: Space::watch(args.data_dir.clone(), args.bounds.min_free_space.as_u64()),
            metrics,
            log: RequestLog::start(),
            queue,
            connections: args.connections.limits(args.bounds.min_body_rate.as_u64()),
            tls,
            journal_capacity: args.storage.journal_size.as_u64(),
            drain_timeout: args.bounds.drain_timeout,
            draining: AtomicBool::new(false),
            started: Instant::now(),
        };
        Ok(Self { parts: Arc::new(parts) })
    }

    /// Logs the link for creating the first account, if there is no account yet.
    pub(crate) async fn tell_set_up_link(self, listener: SocketAddr) {
        match self.access().accounts.set_up_token(Timestamp::now()).await {
            Ok(Some(token)) => {
                let site = Site::at(listener, self.access().public_url.as_ref(), self.tls().is_some());
                let link = site.sign_up_link(&token);
                tracing::warn!(
                    target: telemetry::LOCAL,
                    link,
                    "this server has no account yet; whoever opens this link within a day makes the owner's"
                );
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "whether this server has an account cannot be told now"),
        }
    }

    /// Makes `/readyz` fail from now on.
    pub(crate) fn begin_drain(&self) {
        self.parts.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.parts.draining.load(Ordering::Relaxed)
    }

    /// Stores the waiting events within `patience`, and closes the store.
    pub(crate) async fn close(&self, patience: Duration) -> Result<(), CloseError> {
        let closed = self.parts.projects.close(patience).await;
        self.access().accounts.close().await;
        match closed? {
            0 => Ok(()),
            unstored => Err(CloseError::Unstored(unstored)),
        }
    }

    pub(crate) fn projects(&self) -> &Projects {
        &self.parts.projects
    }

    pub(crate) fn bodies(&self) -> &Bodies {
        &self.parts.bodies
    }

    pub(crate) fn access(&self) -> &Access {
        &self.parts.access
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.parts.rates
    }

    pub(crate) fn queries(&self) -> &Queries {
        &self.parts.queries
    }

    pub(crate) fn space(&self) -> &Space {
        &self.parts.space
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }

    pub(crate) fn log(&self) -> &Arc<RequestLog> {
        &self.parts.log
    }

    /// Returns the parts that the outermost layer needs.
    pub(crate) fn observer(&self) -> Arc<Observer> {
        Arc::new(Observer {
            metrics: self.metrics().http.clone(),
            log: self.log().clone(),
            proxies: self.access().proxies.clone(),
        })
    }

    pub(crate) fn queue(&self) -> QueueBounds {
        self.parts.queue
    }

    pub(crate) fn connections(&self) -> ConnectionLimits {
        self.parts.connections
    }

    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.parts.tls.as_ref()
    }

    pub(crate) fn journal_capacity(&self) -> u64 {
        self.parts.journal_capacity
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        self.parts.drain_timeout
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.parts.started.elapsed()
    }
}

/// Maximum body of a request about accounts, and the memory of all of them, in bytes.
const ACCOUNT_BODY: usize = 64 << 10;
const ACCOUNT_BODIES: usize = 8 << 20;

impl Access {
    fn open(args: &ServeArgs, records: AnyRecords, admin_token: AdminToken) -> Result<Self, StartError> {
        let settings = &args.accounts;
        let hasher =
            Hasher::new(settings.passwords.cost()).map_err(|error| StartError::Passwords(error.to_string()))?;
        let accounts = Accounts::new(records, hasher, settings.settings());
        accounts.keep_swept();
        let limits =
            BodyLimits { single: ACCOUNT_BODY, batch: ACCOUNT_BODY, in_flight: ACCOUNT_BODIES, ..args.bodies() };
        Ok(Self {
            admin_token,
            accounts,
            public_url: settings.public_url.clone(),
            proxies: settings.trusted_proxies.clone(),
            public_ingest: settings.public_ingest == Switch::On,
            allowed_origins: settings.allowed_origins.clone(),
            bodies: Bodies::new(limits),
        })
    }
}
