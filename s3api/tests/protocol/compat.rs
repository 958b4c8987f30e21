//! COMPAT.md says what the router does, row by row.

use s3api::request::RequestHead;
use s3api::route::{self, ROUTES};

/// The page, wherever the test runs.
const PAGE: &str = include_str!("../../COMPAT.md");

/// Operation, request, and whether it is served.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    PAGE.lines().filter(|line| line.contains('`')).filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (operation, request) = (cells.next()?, cells.next()?.trim_matches('`'));
        Some((operation, request, cells.next()? == "yes"))
    })
}

/// The operation that a request is routed to, or the code of the refusal.
fn routed(request: &str) -> Result<&'static str, &'static str> {
    let (line, header) = request.split_once(" + ").unwrap_or((request, ""));
    let (method, uri) = line.split_once(' ').unwrap();
    let mut request = http::Request::builder().method(method).uri(uri);
    if !header.is_empty() {
        request = request.header(header, "/bucket/key");
    }
    let head =
        RequestHead::parse(request.body(()).unwrap().into_parts().0, 4096, &Default::default())
            .unwrap();
    route::find(&head).map(|route| route.operation.name()).map_err(|error| error.code.name)
}

#[test]
fn every_row_is_what_the_router_does() {
    assert!(rows().count() > 60);
    for (operation, request, is_served) in rows() {
        match routed(request) {
            Ok(found) => assert!(is_served && found == operation, "{operation}: {found}"),
            Err(code) => {
                assert!(!is_served, "{operation}: {code}");
                assert!(matches!(code, "NotImplemented" | "MethodNotAllowed"), "{operation}");
            }
        }
    }
}

#[test]
fn every_route_has_its_row() {
    for route in ROUTES {
        let name = route.operation.name();
        assert!(rows().any(|(operation, _, is_served)| operation == name && is_served), "{name}");
    }
}
