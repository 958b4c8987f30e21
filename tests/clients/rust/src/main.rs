//! The AWS SDK for Rust against a server: upload, list, range, copy, multipart, conditional write,
//! delete. It is told the server by `STAVE_ENDPOINT`, `STAVE_ACCESS_KEY`, `STAVE_SECRET_KEY`, and
//! over TLS what to trust by `SSL_CERT_FILE`. The first thing that is not as wanted ends it.

mod steps;

use std::env;
use std::fs;

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{Config, Credentials, Region, SharedHttpClient};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

fn told(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set"))
}

/// HTTP below the client: it trusts the named CA alone, or speaks no TLS.
fn http_client() -> Result<SharedHttpClient> {
    let builder = aws_smithy_http_client::Builder::new();
    let Ok(file) = env::var("SSL_CERT_FILE") else {
        return Ok(builder.build_http());
    };
    let pem = fs::read(&file).with_context(|| file)?;
    let trust = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(trust).build()?;
    let provider = Provider::Rustls(CryptoMode::Ring);
    Ok(builder.tls_provider(provider).tls_context(context).build_https())
}

fn client() -> Result<Client> {
    let keys = (told("STAVE_ACCESS_KEY")?, told("STAVE_SECRET_KEY")?);
    let config = Config::builder()
        .endpoint_url(told("STAVE_ENDPOINT")?)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(keys.0, keys.1, None, None, "told"))
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .http_client(http_client()?)
        .build();
    Ok(Client::from_conf(config))
}

/// The same bytes for the same seed, and no two blocks alike.
fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Compares without printing what may be megabytes.
fn same(found: &[u8], wanted: &[u8]) -> Result<()> {
    let differs = found.iter().zip(wanted).position(|(left, right)| left != right);
    ensure!(
        found == wanted,
        "{} bytes found, {} wanted, the first difference at {differs:?}",
        found.len(),
        wanted.len()
    );
    Ok(())
}

/// Wants an error with that code, or where an answer has no body, that status.
fn refused<T, E>(code: &str, outcome: Result<T, SdkError<E>>) -> Result<()>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Err(error) = outcome else { anyhow::bail!("{code} was wanted, and it went well") };
    let status = error.raw_response().map(|answer| answer.status().as_u16().to_string());
    let found = [error.code().map(str::to_owned), status];
    ensure!(
        found.iter().flatten().any(|word| word == code),
        "{code} was wanted: {found:?} {error:?}"
    );
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let client = client()?;
    steps::buckets(&client).await.context("buckets")?;
    steps::uploads(&client).await.context("uploads")?;
    steps::checksums(&client).await.context("checksums")?;
    steps::ranges(&client).await.context("ranges")?;
    steps::copies(&client).await.context("copies")?;
    steps::parts(&client).await.context("parts")?;
    steps::parts_of_copies(&client).await.context("parts of copies")?;
    steps::conditions(&client).await.context("conditions")?;
    steps::links(&client).await.context("presigned links")?;
    steps::listing_and_deleting(&client).await.context("listing and deleting")?;
    Ok(())
}
