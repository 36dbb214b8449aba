//! Runs the stand-in for a MongoDB server: `stand_in 127.0.0.1:27118`. See `martech_benches::stand_in`.

use std::{error::Error, net::TcpListener};

fn main() -> Result<(), Box<dyn Error>> {
    let addr = std::env::args().nth(1).ok_or("usage: stand_in <address>")?;
    Ok(martech_benches::stand_in::serve(TcpListener::bind(addr)?)?)
}
