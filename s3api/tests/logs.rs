//! Logs tell every request and no secret. Alone in its process, because whether a span is recorded
//! at all is decided once for all threads.
#![expect(clippy::unwrap_used, reason = "the panic of a test is its failure")]

#[expect(dead_code, reason = "the protocol's tests use the rest")]
mod support;

use s3api::Credentials;
use std::io::Write;
use std::sync::{Arc, Mutex};
use support::Server;

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_tell_requests_and_no_secrets() {
    let log = Log::default();
    let sink = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || sink.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let server = Server::with_bucket().await;
    let reply = server.put("/box/k%0aey", "canary-body").await;
    let request_id = reply.header("x-amz-request-id").unwrap().to_owned();
    server.ask("GET", "/box/k%0aey").presign(60).send_as_is().await.expect(200);
    server.ask("GET", "/box/none").header("x-amz-meta-x", "canary-header").send().await;
    let hostile = "/box/%1b[2J%0d%0a%e2%80%aeforged%00";
    let ask = server.ask("GET", hostile).header("user-agent", "canary-agent");
    ask.header("referer", "https://canary-referer/").send_as_is().await.expect(403);
    let ask = server.ask("GET", "/box").header("authorization", "Bearer canary-bearer");
    ask.send_as_is().await.expect(400);
    let ask = server.ask("GET", "/box").header("x-amz-security-token", "canary-token");
    ask.send().await.expect(400);
    let ask = server.ask("GET", "/box").sign().header("x-amz-meta-late", "canary-late");
    ask.send_as_is().await.expect(403);
    let ask = server.ask_session("Action=AssumeRole&RoleSessionName=canary&Policy=canary");
    ask.send().await.expect(400);
    let reply = server.ask_session("Action=AssumeRole&RoleSessionName=canary").send().await;
    let texts = ["AccessKeyId", "SecretAccessKey", "SessionToken"];
    let [access_key, secret_key, token] = texts.map(|name| reply.element(name).unwrap().to_owned());
    let session = Credentials { access_key, secret_key };
    let ask = server.ask("GET", "/box").header("x-amz-security-token", &token);
    ask.send_as(&session).await.expect(200);
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = text.lines().find(|line| line.contains("PutObject")).unwrap();
    for part in [
        request_id.as_str(),
        "bucket=\"box\"",
        "key=\"k\\ney\"",
        "status=200",
        "received=11",
        "error=\"-\"",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(text.contains("error=\"NoSuchKey\""));
    // What clients choose can neither end a line, nor turn its direction, nor speak to a terminal.
    assert!(text.contains("key=\"\\u{1b}[2J\\r\\n\\u{202e}forged\\0\""), "{text}");
    let is_plain = |letter: char| letter == '\n' || !(letter.is_control() || letter == '\u{202e}');
    assert!(text.chars().all(is_plain));
    for secret in ["canary", "Signature", "signature=", "AWS4", &session.secret_key, &token] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
