//! Records page views of an axum application in a lake of its own, and shows a visitor's journey:
//! `cargo run -p martech-examples --features lake --example axum`, then open <http://127.0.0.1:4000/shoes?user=u1>.

use std::{collections::HashMap, error::Error};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::get,
};
use martech_core::{
    Event, EventSink,
    event::{EventRules, EventType},
    lake::{Lake, LakeOptions},
    query::{JourneyQuery, Reader},
};

/// Clones share the queue and the store.
#[derive(Clone)]
struct Shop {
    lake: Lake,
    sink: EventSink<Event>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let lake = Lake::open(LakeOptions::new("shop-data")).await?;
    let shop = Shop { sink: EventSink::builder().build(lake.clone())?, lake };
    let router = Router::new().route("/journey/{user}", get(journey)).route("/{page}", get(page)).with_state(shop);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4000").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

/// A page of the shop. The visitor does not wait for the disk.
async fn page(
    State(shop): State<Shop>,
    Path(page): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<String, (StatusCode, String)> {
    let user = query.get("user").map_or("anonymous", String::as_str);
    let event = Event::builder(user, EventType::PAGE_VIEW).property("page", format!("/{page}"));
    let event = event.build(&EventRules::default()).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    // An error means that the queue is full. The receipt, which would wait for the disk, is dropped.
    let _receipt =
        shop.sink.try_push(event).map_err(|refused| (StatusCode::SERVICE_UNAVAILABLE, refused.to_string()))?;
    Ok(format!("this is {page}"))
}

async fn journey(
    State(shop): State<Shop>,
    Path(user): Path<String>,
) -> Result<Json<serde_json::Value>, (StatusCode, String)> {
    let query = JourneyQuery::new(user);
    let failed = |error: &dyn Error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let page = shop.lake.journey(query.clone()).await.map_err(|error| failed(&error))?;
    serde_json::to_value(query.answer(page)).map(Json).map_err(|error| failed(&error))
}
