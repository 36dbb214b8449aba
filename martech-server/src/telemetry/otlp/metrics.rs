//! A thread that sends the metrics of a server from time to time, and once more at the end.

use std::{
    io::Write,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hyper::http::{Request, header};
use opentelemetry_proto::tonic::{collector::metrics::v1::ExportMetricsServiceRequest, resource::v1::Resource};
use prost::Message;
use tokio::runtime::Handle;

use super::{client::Client, convert, settings::Target};
use crate::{App, metrics};

/// Ends the thread when it is dropped, without waiting for it.
#[derive(Debug)]
pub(super) struct MetricsExport {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl MetricsExport {
    /// Must be called inside a tokio runtime. `None` where the system has no thread for it, which is told.
    pub(super) fn start(
        target: &Target,
        interval: Duration,
        resource: &opentelemetry_sdk::Resource,
        app: App,
    ) -> Option<Self> {
        let (stop, stopped) = mpsc::channel();
        let sender = Sender {
            target: target.clone(),
            client: Client::new(target),
            resource: convert::resource(resource),
            since: SystemTime::now() - app.uptime(),
            app,
        };
        // Which has figures as well.
        let runtime = Handle::current();
        let run = move || {
            let _runtime = runtime.enter();
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                sender.send();
            }
            sender.send();
        };
        match thread::Builder::new().name("telemetry-metrics".to_owned()).spawn(run) {
            Ok(thread) => Some(Self { stop, thread }),
            Err(error) => {
                tracing::error!(%error, "there is no thread to send metrics");
                None
            }
        }
    }

    /// Sends them a last time. Blocks until that is done.
    pub(super) fn end(self) {
        drop(self.stop);
        // A panic has been told on standard error.
        let _ = self.thread.join();
    }
}

struct Sender {
    target: Target,
    client: Client,
    resource: Resource,
    /// The server was opened, and its counters were zero.
    since: SystemTime,
    app: App,
}

impl Sender {
    /// What goes wrong is told by the client. There is no second try: the next metrics say all that these did.
    fn send(&self) {
        let families = metrics::gather(&self.app);
        let metrics = convert::metrics(&families, self.since, SystemTime::now());
        let body = convert::request(self.resource.clone(), metrics);
        if let Some(request) = self.request(&body) {
            let _ = self.client.send(request);
        }
    }

    fn request(&self, body: &ExportMetricsServiceRequest) -> Option<Request<Bytes>> {
        let plain = body.encode_to_vec();
        let mut request = Request::post(self.target.endpoint.clone());
        for (name, value) in &self.target.headers {
            request = request.header(name, value);
        }
        request = request.header(header::CONTENT_TYPE, "application/x-protobuf");
        let bytes = if self.target.gzip {
            request = request.header(header::CONTENT_ENCODING, "gzip");
            // Into memory nothing fails.
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(&plain).ok()?;
            packed.finish().ok()?
        } else {
            plain
        };
        request.body(bytes.into()).ok()
    }
}
