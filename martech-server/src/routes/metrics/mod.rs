//! `GET /metrics`, on a listener of its own.
//!
//! [`figures`] takes a snapshot of each part of the server, from memory only, and [`stores`] turns those of the stores
//! into metrics. A scrape never queries MongoDB and never waits for a disk.

mod figures;
mod listener;
mod stores;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use prometheus::TextEncoder;

pub(crate) use self::listener::serve;
pub use self::listener::{MetricsAddr, bind};
use super::ApiState;
use crate::{
    http::error::{ApiError, catalogue},
    observability::metrics::Families,
};

async fn metrics(State(state): State<ApiState>) -> Result<Response, ApiError> {
    // Reading the figures of the process from the kernel is quick but blocks, so it runs on a blocking thread.
    let scraped = tokio::task::spawn_blocking(move || scrape(&state)).await;
    let text = scraped.map_err(|panic| catalogue::internal(&panic))?.map_err(|error| catalogue::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

/// Returns all metrics, also those of stores that the server does not have.
#[cfg(test)]
pub(crate) fn examples(state: &ApiState) -> Vec<prometheus::proto::MetricFamily> {
    let mut families = Families::default();
    state.metrics.http.refused("forbidden");
    figures::of_server(state).tell(&mut families);
    stores::tell(&[figures::StoreFigures::example()], &mut families);
    state.metrics.gather(families)
}

/// Returns all metrics of a server in Prometheus' text format.
fn scrape(state: &ApiState) -> Result<String, prometheus::Error> {
    let mut families = Families::default();
    figures::of_server(state).tell(&mut families);
    stores::tell(&figures::of_stores(state), &mut families);
    TextEncoder::new().encode_to_string(&state.metrics.gather(families))
}
