//! One signed request without a body over HTTP/1.1, plain or over TLS: what `stave admin` needs of
//! a client.

use super::harmless;
use crate::config::{AdminConfig, Server};
use crate::http_client::{Answer, Connector};
use bytes::Bytes;
use engine::env::real;
use http::header::HOST;
use http::{Method, Request};
use http_body_util::Full;
use s3api::Credentials;
use s3api::config::{REGION_DEFAULT, is_region};
use s3api::sigv4::{EMPTY_SHA256, Signer, SigningService, sign};
use std::time::Duration;

/// How long one request may take, from its connection to its last byte.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What to do where a certificate will not do.
const CERTIFICATE_HINT: &str = "--ca FILE names the server's certificate, --insecure takes any";

/// Most letters of an answer that is shown as an error.
const SHOWN_LEN_MAX: usize = 200;

/// Asks for a path by a method; returns the text of a good answer.
///
/// # Errors
/// One line.
pub async fn ask(
    config: &AdminConfig,
    credentials: &Credentials,
    (method, path): (&Method, &str),
) -> Result<String, String> {
    let region = config.region.as_deref().unwrap_or(REGION_DEFAULT);
    let mut answer = ask_once(config, credentials, (method, path, region)).await?;
    // A server with a region of its own tells which, and the operator need not know.
    if let (None, Some(region)) = (&config.region, region_of(&answer)) {
        answer = ask_once(config, credentials, (method, path, &region)).await?;
    }
    let Answer { status, text } = answer;
    if status.is_success() {
        return Ok(text);
    }
    Err(format!("{} answers {}: {}", config.server, status.as_u16(), reason(&text)))
}

async fn ask_once(
    config: &AdminConfig,
    credentials: &Credentials,
    (method, path, region): (&Method, &str, &str),
) -> Result<Answer, String> {
    let request = request(&config.server, credentials, (method, path, region))?;
    let connector = Connector::new(config.server.clone(), &config.trust, CERTIFICATE_HINT)?;
    let exchange = async { connector.open().await?.exchange(request).await };
    match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(answer) => answer.map_err(|reason| format!("cannot ask {}: {reason}", config.server)),
        Err(_) => Err(format!("{} does not answer within {} s", config.server, TIMEOUT.as_secs())),
    }
}

fn request(
    server: &Server,
    credentials: &Credentials,
    (method, path, region): (&Method, &str, &str),
) -> Result<Request<Full<Bytes>>, String> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(HOST, server.authority.as_str()).body(Full::default());
    let (mut parts, body) = request.map_err(|error| format!("cannot ask: {error}"))?.into_parts();
    let now = real::env().clock.unix_nanos();
    sign(
        &mut parts,
        &Signer { credentials, region, service: SigningService::S3, now },
        EMPTY_SHA256,
    )
    .map_err(|error| format!("cannot sign: {error}"))?;
    Ok(Request::from_parts(parts, body))
}

/// The text of the first element of this name, in an error document.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// The region that a server wants, where that was what it did not like.
fn region_of(answer: &Answer) -> Option<String> {
    let is_it = element(&answer.text, "Code") == Some("AuthorizationHeaderMalformed");
    let region = element(&answer.text, "Region").filter(|region| is_it && is_region(region));
    region.map(str::to_owned)
}

/// Why a server said no, in one harmless line.
fn reason(text: &str) -> String {
    let reason = match (element(text, "Code"), element(text, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => text.lines().next().unwrap_or_default().to_owned(),
    };
    harmless(&reason).chars().take(SHOWN_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn refusals_are_told_in_one_harmless_line() {
        let document = "<Error><Code>AccessDenied</Code><Message>No.\n</Message></Error>";
        assert_eq!(reason(document), "AccessDenied: No.?");
        assert_eq!(reason("This port speaks HTTPS\nplease\n"), "This port speaks HTTPS");
        assert_eq!(reason(&"x".repeat(1000)).len(), SHOWN_LEN_MAX);
        assert_eq!(reason(""), "");
    }

    #[test]
    fn region_is_taken_from_the_refusal_that_is_about_it() {
        let answer = |code: &str, region: &str| Answer {
            status: StatusCode::BAD_REQUEST,
            text: format!("<Error><Code>{code}</Code><Region>{region}</Region></Error>"),
        };
        let wrong = "AuthorizationHeaderMalformed";
        assert_eq!(region_of(&answer(wrong, "eu-1")).as_deref(), Some("eu-1"));
        assert_eq!(region_of(&answer("AccessDenied", "eu-1")), None);
        assert_eq!(region_of(&answer(wrong, "no region/")), None);
    }
}
