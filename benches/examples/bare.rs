//! A minimal server: reads the body of each request and answers 202.
//!
//! `benches/http` compares martech-server with it. Both use the same versions and settings of hyper and tokio.

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let addr = std::env::args().nth(1).ok_or("usage: bare <address>")?;
    let listener = TcpListener::bind(addr).await?;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(std::time::Duration::from_secs(60));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http.serve_connection(TokioIo::new(stream), service_fn(answer));
        // Errors of single connections are ignored.
        tokio::spawn(async move { drop(connection.await) });
    }
}

/// Returns a response as long as that of martech-server.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let read = request.into_body().collect().await;
    let status = if read.is_ok() { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST };
    let mut response =
        Response::new(Full::new(Bytes::from_static(br#"{"accepted":1,"duplicates":0,"rejected":0,"results":[]}"#)));
    *response.status_mut() = status;
    Ok(response)
}
