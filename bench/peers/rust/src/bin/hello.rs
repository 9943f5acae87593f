//! lambda_http's hello world: what any function in Rust costs.

use lambda_http::{Body, Error, Request, Response, run, service_fn};

async fn handle(_request: Request) -> Result<Response<Body>, Error> {
    Ok(Response::builder().status(200).body(Body::Empty)?)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
