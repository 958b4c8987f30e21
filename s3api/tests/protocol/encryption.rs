//! Server-side encryption: under clients' keys, the store's, named ones; by default of the bucket;
//! of parts, ranges and copies. What the store gets is searched for what must not be there.

use crate::support::{Ask, ROOT_KEY, Reply, Server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http_body_util::Full;
use md5::{Digest, Md5};
use s3api::S3Config;

const ALGORITHM: &str = "x-amz-server-side-encryption";
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const MARK: &[u8] = b"attack at dawn, attack at dawn, attack at dawn";

fn content(len: usize) -> Vec<u8> {
    MARK.iter().copied().cycle().take(len).collect()
}

/// The headers of a client's own key.
fn customer<'a>(mut ask: Ask<'a>, prefix: &str, letter: u8) -> Ask<'a> {
    let key = [letter; 32];
    let headers = [
        ("algorithm", "AES256".to_owned()),
        ("key", STANDARD.encode(key)),
        ("key-md5", STANDARD.encode(Md5::digest(key))),
    ];
    for (name, value) in headers {
        ask = ask.header(&format!("{prefix}{name}"), &value);
    }
    ask
}

const OWN: &str = "x-amz-server-side-encryption-customer-";
const SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer-";

fn has(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// E1, E2: neither the bytes of objects nor any key is with the store.
fn expect_hidden(server: &Server) {
    let dump = server.store.dump();
    assert!(!has(&dump, &MARK[..24]), "plain bytes are with the store");
    for letter in *b"kKo" {
        assert!(
            !has(&dump, &[letter; 32]) && !has(&dump, STANDARD.encode([letter; 32]).as_bytes())
        );
    }
    let root = STANDARD.decode(ROOT_KEY.split_once(':').unwrap().1).unwrap();
    assert!(
        !has(&dump, &root) && !has(&dump, b"cm9vdC1jYW5hcnk"),
        "the root key is with the store"
    );
}

async fn get(server: &Server, uri: &str, range: Option<(usize, usize)>) -> Reply {
    let ask = server.ask("GET", uri);
    match range {
        None => ask.send().await,
        Some((start, end)) => {
            ask.header("range", &format!("bytes={start}-{}", end - 1)).send().await
        }
    }
}

#[tokio::test]
async fn a_clients_key_opens_what_it_sealed_and_nothing_else() {
    let server = Server::with_bucket().await;
    let plain = content(200_000);
    let put = customer(server.ask("PUT", "/box/key"), OWN, b'k').body(plain.clone());
    let put = put.send().await.expect(200);
    let md5 = STANDARD.encode(Md5::digest([b'k'; 32]));
    assert_eq!(put.header(&format!("{OWN}key-md5")), Some(md5.as_str()));
    assert_eq!(put.header(&format!("{OWN}algorithm")), Some("AES256"));
    expect_hidden(&server);
    let read = || customer(server.ask("GET", "/box/key"), OWN, b'k');
    let whole = read().send().await.expect(200);
    assert_eq!(&whole.body[..], &plain[..]);
    assert_eq!(whole.header(&format!("{OWN}key-md5")), Some(md5.as_str()));
    for (start, end) in
        [(0, 1), (65_530, 65_540), (65_536, 131_072), (199_999, 200_000), (1, 199_999)]
    {
        let part = read().header("range", &format!("bytes={start}-{}", end - 1));
        assert_eq!(&part.send().await.expect(206).body[..], &plain[start..end], "{start}-{end}");
    }
    // HEAD tells the length that clients see, and wants the key, too.
    let head = customer(server.ask("HEAD", "/box/key"), OWN, b'k').send().await.expect(200);
    assert_eq!(head.header("content-length"), Some("200000"));
    server.ask("HEAD", "/box/key").send().await.expect(400);
    server.ask("GET", "/box/key").send().await.expect_error(400, "InvalidRequest");
    let other = customer(server.ask("GET", "/box/key"), OWN, b'o');
    other.send().await.expect_error(403, "AccessDenied");
    let asked = server.ask("GET", "/box/key?attributes").header("x-amz-object-attributes", "ETag");
    asked.send().await.expect_error(400, "InvalidRequest");
    let listed = server.ask("GET", "/box").send().await.expect(200);
    assert_eq!(listed.element("Size"), Some("200000"));
    // A key for what has none.
    server.put("/box/open", "bytes").await;
    let wrong = customer(server.ask("GET", "/box/open"), OWN, b'k');
    wrong.send().await.expect_error(400, "InvalidRequest");
}

#[tokio::test]
async fn entity_tags_tell_of_the_body_under_the_stores_own_key_only() {
    let server = Server::with_bucket().await;
    let plain = content(70_000);
    let digest = format!("\"{}\"", hex::encode(Md5::digest(&plain)));
    for (name, value, tells) in [("s3", "AES256", true), ("kms", "aws:kms", false)] {
        let ask = server.ask("PUT", &format!("/box/{name}")).header(ALGORITHM, value);
        let put = ask.body(plain.clone()).send().await.expect(200);
        assert_eq!(put.header(ALGORITHM), Some(value));
        assert_eq!(put.header("etag") == Some(&digest), tells, "{name}");
        let read = get(&server, &format!("/box/{name}"), None).await.expect(200);
        assert_eq!(&read.body[..], &plain[..]);
        assert_eq!(
            (read.header("etag"), read.header(ALGORITHM)),
            (put.header("etag"), Some(value))
        );
    }
    let read = get(&server, "/box/kms", Some((65_000, 66_000))).await.expect(206);
    assert_eq!((&read.body[..], read.header(KEY_ID)), (&plain[65_000..66_000], Some("main")));
    expect_hidden(&server);
    let read = server.ask("GET", "/box/kms").header(ALGORITHM, "aws:kms");
    read.send().await.expect_error(400, "InvalidArgument");
}

#[tokio::test]
async fn named_keys_are_made_rotated_and_asked_for() {
    let server = Server::with_bucket().await;
    let put = |name: &'static str, key: &'static str| {
        let ask = server.ask("PUT", &format!("/box/{name}")).header(ALGORITHM, "aws:kms");
        ask.header(KEY_ID, key).body(content(100)).send()
    };
    put("early", "photos").await.expect_error(400, "KMS.NotFoundException");
    let keys = |method: &'static str, query: &'static str| {
        server.ask(method, &format!("/_stave/admin/v1/keys{query}")).send()
    };
    keys("PUT", "?key=photos").await.expect(201);
    keys("PUT", "?key=photos").await.expect_error(409, "KMS.AlreadyExistsException");
    keys("PUT", "?key=a%20b").await.expect_error(400, "InvalidArgument");
    keys("POST", "?key=nobody").await.expect_error(400, "KMS.NotFoundException");
    put("old", "photos").await.expect(200);
    keys("POST", "?key=photos").await.expect(204);
    keys("POST", "?key=main").await.expect(204);
    let new = put("new", "arn:aws:kms:eu-west-1:111122223333:key/photos").await.expect(200);
    assert_eq!(new.header(KEY_ID), Some("arn:aws:kms:eu-west-1:111122223333:key/photos"));
    for name in ["old", "new"] {
        let read = get(&server, &format!("/box/{name}"), None).await.expect(200);
        assert_eq!(&read.body[..], &content(100)[..]);
    }
    let listed = keys("GET", "").await.expect(200);
    let text = listed.text();
    assert!(text.contains("\"name\":\"photos\",\"key_version\":2"), "{text}");
    assert!(text.contains("\"name\":\"main\",\"key_version\":1"), "{text}");
    expect_hidden(&server);
}

#[tokio::test]
async fn a_bucket_says_how_what_says_nothing_is_kept() {
    let server = Server::with_bucket().await;
    let default = |algorithm: &str, more: &str| {
        format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>{algorithm}</SSEAlgorithm>{more}</ApplyServerSideEncryptionByDefault>\
             <BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType>\
             </BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>"
        )
    };
    let set = |text: String| server.ask("PUT", "/box?encryption").body(text).send();
    let none = server.ask("GET", "/box?encryption").send().await;
    none.expect_error(404, "ServerSideEncryptionConfigurationNotFoundError");
    let unknown = default("aws:kms", "<KMSMasterKeyID>nobody</KMSMasterKeyID>");
    set(unknown).await.expect_error(400, "KMS.NotFoundException");
    set(default("AES256", "")).await.expect(200);
    let told = server.ask("GET", "/box?encryption").send().await.expect(200);
    assert_eq!(told.element("SSEAlgorithm"), Some("AES256"));
    let put = server.ask("PUT", "/box/key").body(content(50)).send().await.expect(200);
    assert_eq!(put.header(ALGORITHM), Some("AES256"));
    set(default("aws:kms", "<KMSMasterKeyID>main</KMSMasterKeyID>")).await.expect(200);
    let put = server.ask("PUT", "/box/key").body(content(50)).send().await.expect(200);
    assert_eq!((put.header(ALGORITHM), put.header(KEY_ID)), (Some("aws:kms"), Some("main")));
    let upload = server.ask("POST", "/box/parts?uploads").send().await.expect(200);
    assert_eq!(upload.header(ALGORITHM), Some("aws:kms"));
    let blocked = customer(server.ask("PUT", "/box/own"), OWN, b'k').body(content(50));
    blocked.send().await.expect_error(403, "AccessDenied");
    expect_hidden(&server);
    server.ask("DELETE", "/box?encryption").send().await.expect(204);
    let put = server.ask("PUT", "/box/open").body("open").send().await.expect(200);
    assert_eq!(put.header(ALGORITHM), None);
}

#[tokio::test]
async fn without_a_root_key_only_clients_keys_can_be_had() {
    let server = Server::start_with(|config| config.encryption.root_key = None).await;
    server.ask("PUT", "/box").send().await.expect(200);
    for value in ["AES256", "aws:kms"] {
        let put = server.ask("PUT", "/box/key").header(ALGORITHM, value).body("bytes");
        put.send().await.expect_error(501, "NotImplemented");
    }
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn parts_are_sealed_one_by_one_and_read_as_one() {
    let server = Server::with_bucket().await;
    let plain = content(300_000);
    let cuts = [0, 100_000, 100_007, 231_079, 300_000];
    for (name, own) in [("kms", false), ("own", true)] {
        let with = |ask| if own { customer(ask, OWN, b'k') } else { ask };
        let begin = server.ask("POST", &format!("/box/{name}?uploads"));
        let begin = if own { with(begin) } else { begin.header(ALGORITHM, "aws:kms") };
        let begun = begin.send().await.expect(200);
        let upload = begun.element("UploadId").unwrap();
        let mut list = String::new();
        for (index, pair) in cuts.windows(2).enumerate() {
            let number = index * 3 + 1;
            let uri = format!("/box/{name}?partNumber={number}&uploadId={upload}");
            let bytes = plain[pair[0]..pair[1]].to_vec();
            if own {
                let bare = server.ask("PUT", &uri).body(bytes.clone()).send().await;
                bare.expect_error(400, "InvalidRequest");
                let other = customer(server.ask("PUT", &uri), OWN, b'o').body(bytes.clone());
                other.send().await.expect_error(400, "InvalidRequest");
            }
            let part = with(server.ask("PUT", &uri)).body(bytes).send().await.expect(200);
            let etag = part.header("etag").unwrap();
            list += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        let listed = server.ask("GET", &format!("/box/{name}?uploadId={upload}")).send().await;
        assert_eq!(listed.elements("Size"), ["100000", "7", "131072", "68921"]);
        let body = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
        let uri = format!("/box/{name}?uploadId={upload}");
        server.ask("POST", &uri).body(body).send().await.expect(200);
        let read = |from: usize, to: usize| {
            let ask = server.ask("GET", &format!("/box/{name}"));
            with(ask).header("range", &format!("bytes={from}-{}", to - 1)).send()
        };
        let edges = [0, 1, 65_536, 99_999, 100_000, 100_006, 100_007, 165_543, 231_079, 299_999];
        for from in edges {
            for to in edges.into_iter().chain([300_000]).filter(|to| *to > from) {
                let part = read(from, to).await.expect(206);
                assert!(part.body == plain[from..to], "{name} {from}-{to}");
            }
        }
        let fourth = with(server.ask("GET", &format!("/box/{name}?partNumber=10")));
        assert!(fourth.send().await.expect(206).body == plain[231_079..]);
    }
    expect_hidden(&server);
}

#[tokio::test]
async fn copies_are_sealed_anew_as_their_own_request_says() {
    let server = Server::with_bucket().await;
    let plain = content(140_000);
    let own = customer(server.ask("PUT", "/box/own"), OWN, b'k').body(plain.clone());
    own.send().await.expect(200);
    let copy = |to: &str, from: &str| {
        server
            .ask("PUT", &format!("/box/{to}"))
            .header("x-amz-copy-source", &format!("/box/{from}"))
    };
    copy("kms", "own").send().await.expect_error(400, "InvalidRequest");
    let wrong = customer(copy("kms", "own"), SOURCE, b'o');
    wrong.send().await.expect_error(403, "AccessDenied");
    let kms = customer(copy("kms", "own"), SOURCE, b'k').header(ALGORITHM, "aws:kms");
    assert_eq!(kms.send().await.expect(200).header(ALGORITHM), Some("aws:kms"));
    let again = customer(copy("again", "kms"), OWN, b'K');
    again.send().await.expect(200);
    // To itself, under another key: that is a change.
    let rotated = customer(customer(copy("own", "own"), SOURCE, b'k'), OWN, b'K');
    rotated.send().await.expect(200);
    let read = |name: &str| server.ask("GET", &format!("/box/{name}"));
    assert!(read("kms").send().await.expect(200).body == plain);
    for name in ["again", "own"] {
        assert!(customer(read(name), OWN, b'K').send().await.expect(200).body == plain);
    }
    let begun = server.ask("POST", "/box/parts?uploads").header(ALGORITHM, "AES256");
    let begun = begun.send().await.expect(200);
    let upload = begun.element("UploadId").unwrap();
    let uri = format!("parts?partNumber=1&uploadId={upload}");
    let part = customer(copy(&uri, "own"), SOURCE, b'K');
    let part = part.header("x-amz-copy-source-range", "bytes=65000-70000").send().await.expect(200);
    let etag = part.element("ETag").unwrap();
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let uri = format!("/box/parts?uploadId={upload}");
    server.ask("POST", &uri).body(body).send().await.expect(200);
    assert!(read("parts").send().await.expect(200).body == plain[65_000..=70_000]);
    expect_hidden(&server);
    let open = copy("open", "kms").send().await.expect(200);
    assert_eq!(open.header(ALGORITHM), None);
}

#[tokio::test]
async fn what_was_changed_or_put_elsewhere_does_not_open() {
    let server = Server::with_bucket().await;
    for name in ["one", "two"] {
        let put = server.ask("PUT", &format!("/box/{name}")).header(ALGORITHM, "AES256");
        put.body(content(100_000)).send().await.expect(200);
    }
    // The bytes and the row of one object in the place of another.
    let mut kept = None;
    server.store.tamper("one", |info, bytes| kept = Some((info.attributes.clone(), bytes.clone())));
    let (attributes, bytes) = kept.unwrap();
    server.store.tamper("two", |info, other| {
        info.attributes = attributes;
        *other = bytes;
    });
    server.ask("GET", "/box/two").send().await.expect_error(500, "InternalError");
    assert!(server.ask("GET", "/box/one").send().await.expect(200).body == content(100_000));
    // A note that cannot be read is no object in the clear.
    server.store.tamper("one", |info, _| {
        info.attributes.set_note("encryption", Some("2 unknown".to_owned()));
    });
    server.ask("GET", "/box/one").send().await.expect_error(500, "InternalError");
}

#[tokio::test]
async fn small_and_empty_bodies_are_sealed_too() {
    let server = Server::with_bucket().await;
    for len in [0, 1, 65_535, 65_536, 65_537] {
        let put = server.ask("PUT", "/box/key").header(ALGORITHM, "AES256").body(content(len));
        put.send().await.expect(200);
        let read = get(&server, "/box/key", None).await.expect(200);
        assert!(read.body == content(len), "{len}");
        assert_eq!(read.header("content-length"), Some(len.to_string().as_str()));
    }
}

#[tokio::test]
async fn a_clients_key_is_never_taken_from_an_address() {
    let server = Server::with_bucket().await;
    let key = STANDARD.encode([b'k'; 32]).replace('+', "%2B").replace('=', "%3D");
    let uri = format!("/box/key?X-Amz-Server-Side-Encryption-Customer-Key={key}");
    let put = server.ask("PUT", &uri).body("bytes").presign(60).send_as_is().await;
    put.expect_error(400, "InvalidRequest");
    assert!(!server.exists("key").await);
}

#[tokio::test]
async fn a_clients_key_comes_over_no_network_in_the_clear() {
    for (allows, status) in [(false, 400), (true, 200)] {
        let change = |config: &mut S3Config| config.encryption.allows_plain_keys = allows;
        let server = Server::start_with(change).await;
        server.ask("PUT", "/box").send().await.expect(200);
        // Without a peer, it is from anywhere.
        let put = customer(server.ask("PUT", "/box/key"), OWN, b'k');
        let put = put.header("content-length", "5").body("bytes").sign();
        let request = Request::from_parts(put.parts, Full::new(put.body));
        let response = server.service.clone().handle(request).await;
        assert_eq!(response.status(), status);
        let read = customer(server.ask("GET", "/box/key"), OWN, b'k').send().await;
        assert_eq!(read.status == 200, allows);
    }
}
