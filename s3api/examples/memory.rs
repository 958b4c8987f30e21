//! S3 over a store in memory, to try clients against the protocol alone:
//! `cargo run --release -p s3api --example memory -- 127.0.0.1:9000`. Keys: `stave`,
//! `stave-secret`.

#[expect(dead_code, reason = "the tests break it on purpose")]
#[path = "../tests/support/memory_store/mod.rs"]
mod memory_store;

use memory_store::MemoryStore;
use s3api::{Credentials, S3Config, Service, serve};
use std::sync::Arc;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let credentials =
        Credentials { access_key: "stave".to_owned(), secret_key: "stave-secret".to_owned() };
    let env = engine::env::real::env();
    let store = Arc::new(MemoryStore::new(env.clone()));
    let service = Service::new(S3Config::new(credentials), store, env);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        let _ = stop.send(true);
    });
    serve(listener, service, stopped).await
}
