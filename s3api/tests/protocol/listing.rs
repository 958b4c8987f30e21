//! Listings: order, prefixes, pages, encodings.

use crate::support::Server;

async fn filled() -> Server {
    let server = Server::with_bucket().await;
    for key in ["a", "a/1", "a/2", "b/1", "b/2/x", "c", "d%20e", "%C3%A9"] {
        server.put(&format!("/box/{key}"), "x").await;
    }
    server
}

const KEYS: [&str; 8] = ["a", "a/1", "a/2", "b/1", "b/2/x", "c", "d e", "\u{e9}"];

/// Keys and common prefixes of one page.
async fn page(server: &Server, query: &str) -> (Vec<String>, Vec<String>, Option<String>) {
    let reply = server.ask("GET", &format!("/box?{query}")).send().await.expect(200);
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let prefixes = reply
        .elements("CommonPrefixes")
        .into_iter()
        .map(|part| part.trim_start_matches("<Prefix>").trim_end_matches("</Prefix>"));
    let next = reply.element("NextContinuationToken").or(reply.element("NextMarker"));
    let is_truncated = reply.element("IsTruncated") == Some("true");
    assert!(is_truncated || next.is_none());
    (owned(reply.elements("Key")), owned(prefixes.collect()), next.map(str::to_owned))
}

#[tokio::test]
async fn keys_come_in_byte_order_page_by_page() {
    let server = filled().await;
    for limit in 1..=9 {
        let (mut keys, mut token) = (Vec::new(), String::new());
        loop {
            let query = format!("list-type=2&max-keys={limit}{token}");
            let (found, _, next) = page(&server, &query).await;
            assert!(found.len() <= limit);
            keys.extend(found);
            match next {
                Some(next) => token = format!("&continuation-token={next}"),
                None => break,
            }
        }
        assert_eq!(keys, KEYS, "{limit}");
    }
}

#[tokio::test]
async fn delimiters_roll_up_page_by_page() {
    let server = filled().await;
    for limit in 1..=9 {
        let (mut names, mut marker) = (Vec::new(), String::new());
        loop {
            let query = format!("delimiter=/&max-keys={limit}{marker}");
            let (keys, prefixes, next) = page(&server, &query).await;
            names.extend(keys.into_iter().chain(prefixes));
            match next {
                Some(next) => {
                    let next = s3api::uri::encode(&next, s3api::uri::Slash::Encode);
                    marker = format!("&marker={next}");
                }
                None => break,
            }
        }
        names.sort();
        assert_eq!(names, ["a", "a/", "b/", "c", "d e", "\u{e9}"], "{limit}");
    }
    let (keys, prefixes, _) = page(&server, "list-type=2&prefix=b/&delimiter=/").await;
    assert_eq!((keys, prefixes), (vec!["b/1".to_owned()], vec!["b/2/".to_owned()]));
    let (_, prefixes, _) = page(&server, "list-type=2&delimiter=/2").await;
    assert_eq!(prefixes, ["a/2", "b/2"]);
}

#[tokio::test]
async fn version_1_tells_the_next_marker_with_a_delimiter_only() {
    let server = filled().await;
    let reply = server.ask("GET", "/box?max-keys=2").send().await.expect(200);
    assert_eq!(reply.element("IsTruncated"), Some("true"));
    assert_eq!(reply.element("NextMarker"), None);
    assert_eq!(reply.element("Marker"), Some(""));
    assert_eq!(reply.element("MaxKeys"), Some("2"));
    let reply = server.ask("GET", "/box?max-keys=2&delimiter=/").send().await.expect(200);
    assert_eq!(reply.element("NextMarker"), Some("a/"));
}

#[tokio::test]
async fn version_2_parameters() {
    let server = filled().await;
    let (keys, ..) = page(&server, "list-type=2&start-after=b/2/x").await;
    assert_eq!(keys, ["c", "d e", "\u{e9}"]);
    let reply = server.ask("GET", "/box?list-type=2&max-keys=0").send().await.expect(200);
    assert_eq!(reply.element("KeyCount"), Some("0"));
    assert_eq!(reply.element("IsTruncated"), Some("false"));
    let reply = server.ask("GET", "/box?list-type=2&max-keys=5000").send().await.expect(200);
    assert_eq!((reply.element("MaxKeys"), reply.element("KeyCount")), (Some("1000"), Some("8")));
    assert_eq!(reply.element("Owner"), None);
    let reply = server.ask("GET", "/box?list-type=2&fetch-owner=true").send().await.expect(200);
    assert_eq!(reply.element("DisplayName"), Some("test-key"));
    let reply = server.ask("GET", "/box?list-type=2&encoding-type=url&prefix=d%20").send().await;
    assert_eq!(reply.element("Key"), Some("d%20e"));
    assert_eq!(reply.element("Prefix"), Some("d%20"));
    for query in [
        "max-keys=-1",
        "max-keys=x",
        "encoding-type=x",
        "continuation-token=!",
        "continuation-token=",
    ] {
        let reply = server.ask("GET", &format!("/box?list-type=2&{query}")).send().await;
        reply.expect_error(400, "InvalidArgument");
    }
    let reply = server.ask("GET", "/none?list-type=2").send().await;
    reply.expect_error(404, "NoSuchBucket");
}

#[tokio::test]
async fn buckets_are_listed_page_by_page_by_prefix_and_region() {
    let server = Server::start().await;
    for name in ["logs-a", "logs-b", "logs-c", "photos"] {
        server.ask("PUT", &format!("/{name}")).send().await.expect(200);
    }
    let list = |query: &str| server.ask("GET", &format!("/?{query}")).send();
    let all = list("").await.expect(200);
    assert_eq!(all.elements("Name"), ["logs-a", "logs-b", "logs-c", "photos"]);
    assert_eq!((all.element("ContinuationToken"), all.element("Prefix")), (None, None));
    assert_eq!(all.elements("BucketRegion"), ["us-east-1"; 4]);
    let first = list("prefix=logs-&max-buckets=2").await.expect(200);
    assert_eq!(first.elements("Name"), ["logs-a", "logs-b"]);
    assert_eq!(first.element("Prefix"), Some("logs-"));
    let token = first.element("ContinuationToken").unwrap();
    let token = s3api::uri::encode(token, s3api::uri::Slash::Encode);
    let rest = format!("prefix=logs-&max-buckets=2&continuation-token={token}");
    let rest = list(&rest).await.expect(200);
    assert_eq!((rest.elements("Name"), rest.element("ContinuationToken")), (vec!["logs-c"], None));
    let here = list("bucket-region=us-east-1&prefix=p").await.expect(200);
    assert_eq!(here.elements("Name"), ["photos"]);
    let elsewhere = list("bucket-region=eu-west-1").await.expect(200);
    assert!(elsewhere.elements("Name").is_empty());
    for query in ["max-buckets=0", "max-buckets=10001", "max-buckets=x", "continuation-token=x"] {
        list(query).await.expect_error(400, "InvalidArgument");
    }
}

#[tokio::test]
async fn what_is_never_configured_is_an_empty_list_and_no_configuration_of_an_id() {
    let server = Server::with_bucket().await;
    for name in ["analytics", "intelligent-tiering", "inventory", "metrics"] {
        let list = server.ask("GET", &format!("/box?{name}")).send().await.expect(200);
        assert_eq!(list.element("IsTruncated"), Some("false"), "{name}");
        let one = server.ask("GET", &format!("/box?{name}&id=a")).send().await;
        one.expect_error(404, "NoSuchConfiguration");
        let put = server.ask("PUT", &format!("/box?{name}&id=a")).body("<A/>").send().await;
        put.expect_error(501, "NotImplemented");
    }
}
