//! Known flaws of parsers of XML, tried on every document that a client may send.

use crate::support::{Reply, Server};

/// A kind of document: where it goes, its root, and a good inside with one element that may stand
/// there once.
struct Kind {
    method: &'static str,
    root: &'static str,
    inside: &'static str,
    single: (&'static str, &'static str),
    len_max: usize,
}

const KINDS: [Kind; 3] = [
    Kind {
        method: "PUT",
        root: "CreateBucketConfiguration",
        inside: "<LocationConstraint>us-east-1</LocationConstraint>",
        single: ("<LocationConstraint>", "</LocationConstraint>"),
        len_max: 64 << 10,
    },
    Kind {
        method: "POST",
        root: "Delete",
        inside: "<Object><Key>key</Key></Object>",
        single: ("<Key>", "</Key>"),
        len_max: 2 << 20,
    },
    Kind {
        method: "POST",
        root: "CompleteMultipartUpload",
        inside: "<Part><PartNumber>1</PartNumber><ETag>ETAG</ETag></Part>",
        single: ("<ETag>", "</ETag>"),
        len_max: 8 << 20,
    },
];

/// A server with an object and an upload of one part, and the three places where documents go.
async fn prepare() -> (Server, [String; 3], String) {
    let server = Server::with_bucket().await;
    server.put("/box/key", "x").await;
    let upload = server.ask("POST", "/box/up?uploads").send().await.expect(200);
    let uri = format!("/box/up?uploadId={}", upload.element("UploadId").unwrap());
    let part = server.ask("PUT", &format!("{uri}&partNumber=1")).body("part").send().await;
    let etag = part.header("etag").unwrap().trim_matches('"').to_owned();
    (server, ["/new".to_owned(), "/box?delete".to_owned(), uri], etag)
}

/// Nothing that any of the documents asks for has happened.
async fn check_unchanged(server: &Server) {
    assert!(server.exists("key").await);
    assert!(!server.exists("up").await);
    server.ask("HEAD", "/new").send().await.expect(404);
}

/// Sends what `write` makes of a kind's root and inside, to its place.
async fn send(
    (server, places, etag): &(Server, [String; 3], String),
    index: usize,
    write: impl Fn(&str, &str) -> String,
) -> Reply {
    let kind = &KINDS[index];
    let document = write(kind.root, &kind.inside.replace("ETAG", etag));
    server.ask(kind.method, &places[index]).body(document).send().await
}

async fn check_malformed(write: impl Fn(&str, &str) -> String) {
    let prepared = prepare().await;
    for (index, kind) in KINDS.iter().enumerate() {
        let reply = send(&prepared, index, &write).await;
        let document = write(kind.root, kind.inside);
        let shown = &document[..document.len().min(200)];
        assert_eq!(reply.element("Code"), Some("MalformedXML"), "{shown}: {}", reply.text());
    }
    check_unchanged(&prepared.0).await;
}

#[tokio::test]
async fn good_documents_are_taken() {
    let prepared = prepare().await;
    for index in 0..KINDS.len() {
        let reply = send(&prepared, index, |root, inside| format!("<{root}>{inside}</{root}>"));
        reply.await.expect(200);
    }
}

#[tokio::test]
async fn entities_and_document_types_are_refused() {
    let laughs: String = (1..10)
        .map(|n| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10)))
        .collect();
    let laughs = format!("<!ENTITY a0 \"ha\">{laughs}");
    for declaration in [
        format!("<!DOCTYPE R [{laughs}]>"),
        "<!DOCTYPE R [<!ENTITY a9 SYSTEM \"file:///etc/passwd\">]>".to_owned(),
        "<!DOCTYPE R [<!ENTITY a9 SYSTEM \"http://169.254.169.254/\">]>".to_owned(),
        "<!DOCTYPE R [<!ENTITY % p SYSTEM \"http://127.0.0.1/\"> %p;]>".to_owned(),
        "<!DOCTYPE R SYSTEM \"http://127.0.0.1/x.dtd\">".to_owned(),
        "<!doctype R>".to_owned(),
    ] {
        check_malformed(|root, inside| format!("{declaration}<{root}>{inside}</{root}>")).await;
    }
    check_malformed(|root, inside| format!("<{root}>{inside}&a9;</{root}>")).await;
    // Within a text, undeclared.
    check_malformed(|root, inside| format!("<{root}>{}</{root}>", inside.replace("</", "&a9;</")))
        .await;
}

#[tokio::test]
async fn deep_documents_are_refused() {
    let (open, close) = ("<a>".repeat(6000), "</a>".repeat(6000));
    check_malformed(|root, inside| format!("<{root}>{open}{close}{inside}</{root}>")).await;
    let unclosed = "<a>".repeat(20_000);
    check_malformed(|root, inside| format!("<{root}>{inside}{unclosed}")).await;
    // The document with the largest bound takes a hundred thousand.
    let prepared = prepare().await;
    let deep = "<a>".repeat(100_000);
    let reply = send(&prepared, 2, |root, inside| format!("<{root}>{inside}{deep}")).await;
    reply.expect_error(400, "MalformedXML");
    check_unchanged(&prepared.0).await;
}

#[tokio::test]
async fn wide_elements_are_refused() {
    let same = "a='1' ".repeat(9000);
    check_malformed(|root, inside| format!("<{root} {same}>{inside}</{root}>")).await;
    let prepared = prepare().await;
    let many: String = (0..100_000).map(|number| format!("a{number}='' ")).collect();
    let reply = send(&prepared, 2, |root, inside| format!("<{root} {many}>{inside}</{root}>"));
    reply.await.expect_error(400, "MalformedXML");
    check_unchanged(&prepared.0).await;
}

#[tokio::test]
async fn duplicate_elements_are_refused() {
    let prepared = prepare().await;
    for (index, kind) in KINDS.iter().enumerate() {
        let (open, close) = kind.single;
        for twice in [format!("{open}a{close}{open}"), format!("{open}{close}{open}")] {
            let reply = send(&prepared, index, |root, inside| {
                format!("<{root}>{}</{root}>", inside.replacen(open, &twice, 1))
            });
            assert_eq!(reply.await.element("Code"), Some("MalformedXML"), "{twice}");
        }
    }
    let reply = send(&prepared, 1, |root, inside| {
        format!("<{root}><Quiet>false</Quiet><Quiet>true</Quiet>{inside}</{root}>")
    });
    reply.await.expect_error(400, "MalformedXML");
    // In another name space they are the same ones.
    let reply = send(&prepared, 1, |root, inside| {
        let inside = inside.replace("<Key>", "<x:Key xmlns:x=\"urn:x\">a</x:Key><Key>");
        format!("<{root}>{inside}</{root}>")
    });
    reply.await.expect_error(400, "MalformedXML");
    check_unchanged(&prepared.0).await;
}

#[tokio::test]
async fn other_roots_and_broken_documents_are_refused() {
    check_malformed(|_, inside| format!("<Other>{inside}</Other>")).await;
    check_malformed(|root, inside| {
        let root = root.to_lowercase();
        format!("<{root}>{inside}</{root}>")
    })
    .await;
    check_malformed(|_, inside| inside.to_owned()).await;
    check_malformed(|root, inside| format!("<{root}>{inside}")).await;
    check_malformed(|root, inside| format!("<{root}>{inside}</{root}><{root}></{root}>")).await;
    check_malformed(|root, inside| format!("<{root}>{inside}</{root}>more")).await;
    check_malformed(|root, inside| format!("more<{root}>{inside}</{root}>")).await;
    check_malformed(|root, inside| format!("<{root}>{inside}<Unknown/></{root}>")).await;
    check_malformed(|root, inside| format!("<{root}>text{inside}</{root}>")).await;
    check_malformed(|root, inside| format!("<{root}>{inside}</Other>")).await;
    check_malformed(|root, inside| format!("<{root}>{inside}&#0;</{root}>")).await;
    check_malformed(|root, inside| format!("<{root}>{inside}&#xD800;</{root}>")).await;
    check_malformed(|root, inside| format!("<{root}>{inside}&#x110000;</{root}>")).await;
    let prepared = prepare().await;
    for (kind, uri) in KINDS.iter().zip(&prepared.1) {
        for body in [&b"\xff\xfe<\0a\0>\0"[..], b"\xff", b"\0", b"<"] {
            let reply = prepared.0.ask(kind.method, uri).body(body).send().await;
            reply.expect_error(400, "MalformedXML");
        }
    }
    check_unchanged(&prepared.0).await;
}

#[tokio::test]
async fn too_large_documents_are_refused_before_they_are_read() {
    let prepared = prepare().await;
    let (server, places, _) = &prepared;
    for (kind, uri) in KINDS.iter().zip(places) {
        // By what is announced: the body never comes, so that no parser can have seen it.
        let announced = (kind.len_max + 1).to_string();
        let ask = server.ask(kind.method, uri).header("content-length", &announced);
        let ask = ask.header("expect", "100-continue").header("connection", "close");
        let ask = ask.sign_payload("UNSIGNED-PAYLOAD").0;
        let answer = super::listener::raw(server, &ask.wire()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{}: {answer}", kind.root);
        assert!(answer.contains("<Code>MaxMessageLengthExceeded</Code>"), "{answer}");
        // By what comes, where nothing was announced: good XML, but too much of it.
        let padding = " ".repeat(kind.len_max + 1);
        let ask = server.ask(kind.method, uri).header("transfer-encoding", "chunked");
        let ask = ask.header("connection", "close").sign_payload("UNSIGNED-PAYLOAD").0;
        let body = format!("<{0}>{padding}</{0}>", kind.root);
        let mut wire = ask.wire();
        wire.extend_from_slice(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
        let answer = super::listener::raw(server, &wire).await;
        assert!(answer.contains("<Code>MaxMessageLengthExceeded</Code>"), "{answer}");
    }
    check_unchanged(server).await;
}
