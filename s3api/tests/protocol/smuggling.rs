//! Request smuggling: what two servers in a row may read in two ways is refused with 400 and the
//! end of the connection, so that what hides behind it is never answered (CWE-444).

use super::listener::raw;
use crate::support::Server;

/// Answers 200 where it is taken for a request.
const HIDDEN: &str = "GET /minio/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

async fn check_refused(server: &Server, request: &str) {
    let answer = raw(server, format!("{request}{HIDDEN}").as_bytes()).await;
    assert!(!answer.contains("HTTP/1.1 200"), "{request:?}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
}

/// How a request ends its body, and what tells its length.
async fn check_framing(name: &str, lines: &str, body: &str) {
    let server = Server::start().await;
    let request = format!("POST /box/key HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n{body}");
    eprintln!("{name}");
    check_refused(&server, &request).await;
}

#[tokio::test]
async fn lengths_that_contradict_chunks_are_refused() {
    for (name, lines) in [
        ("CL.TE", "content-length: 6\r\ntransfer-encoding: chunked"),
        ("TE.CL", "transfer-encoding: chunked\r\ncontent-length: 6"),
        ("CL.TE, other case", "CONTENT-LENGTH: 6\r\nTRANSFER-ENCODING: CHUNKED"),
        ("TE.TE", "transfer-encoding: chunked\r\ntransfer-encoding: identity"),
        ("TE.TE, twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        ("TE list", "transfer-encoding: chunked, identity"),
        ("TE unknown", "transfer-encoding: xchunked"),
        ("TE quoted", "transfer-encoding: \"chunked\""),
        ("TE vertical tab", "transfer-encoding: \u{b}chunked"),
        ("TE space before colon", "transfer-encoding : chunked"),
        ("TE folded", "transfer-encoding:\r\n chunked"),
        ("TE behind a bare CR", "x: y\rtransfer-encoding: chunked"),
        ("TE behind a bare LF", "x: y\ntransfer-encoding: chunked"),
    ] {
        check_framing(name, lines, "0\r\n\r\nX").await;
    }
}

#[tokio::test]
async fn doubtful_lengths_are_refused() {
    for (name, lines) in [
        ("twice, equal", "content-length: 1\r\ncontent-length: 1"),
        ("twice, different", "content-length: 1\r\ncontent-length: 2"),
        ("list, equal", "content-length: 1, 1"),
        ("sign", "content-length: +1"),
        ("negative", "content-length: -1"),
        ("hexadecimal", "content-length: 0x1"),
        ("empty", "content-length: "),
        ("beyond 64 bits", "content-length: 18446744073709551617"),
        ("space inside", "content-length: 1 1"),
        ("folded", "content-length: 1\r\n 1"),
    ] {
        check_framing(name, lines, "X").await;
    }
}

#[tokio::test]
async fn doubtful_heads_are_refused() {
    let server = Server::start().await;
    for request in [
        "GET / HTTP/1.1\nhost: x\n\n",
        "GET / HTTP/1.1\r\nhost: x\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET / HTTP/1.1\r\n host: x\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nx\0y: z\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nx y: z\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: x\r\n\r\n",
    ] {
        check_refused(&server, request).await;
    }
    let answer =
        raw(&server, b"GET http://other/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(answer.await.starts_with("HTTP/1.1 400 "), "absolute form against Host");
}

/// A body that breaks its framing may have been answered before it broke; what hides behind it is
/// not.
#[tokio::test]
async fn broken_chunks_end_the_connection() {
    let server = Server::start().await;
    let head = "POST /box/key HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in [
        "1\nX\r\n0\r\n\r\n",
        "1\r\nX\n0\r\n\r\n",
        "1\r\nXY0\r\n\r\n",
        "0\r\n\n",
        "0\r\nx: y\n\r\n",
        "0\r\n x: y\r\n\r\n",
        "0x0\r\n\r\n",
        "+0\r\n\r\n",
        " 0\r\n\r\n",
        "10000000000000000\r\n\r\n",
        "0;x\ny\r\n\r\n",
    ] {
        let request = format!("{head}{body}{HIDDEN}");
        let answer = raw(&server, request.as_bytes()).await;
        assert!(!answer.contains("HTTP/1.1 200"), "{body:?}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{body:?}: {answer}");
    }
}

#[tokio::test]
async fn what_has_one_reading_is_served_in_order() {
    let server = Server::with_bucket().await;
    let chunked = "PUT /box/key HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
        3;ext=1\r\nabc\r\n0\r\nx-trailer: y\r\n\r\n";
    let sized = "PUT /box/key HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc";
    let answer = raw(&server, format!("\r\n{chunked}{sized}{HIDDEN}").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 403 ").count(), 2, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
}
