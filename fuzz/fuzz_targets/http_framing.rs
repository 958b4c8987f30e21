#![no_main]
//! Framing of HTTP/1.1: the verdict does not depend on how bytes were cut into reads, and a head
//! that is accepted ends for hyper's parser exactly where it ends for ours.

use libfuzzer_sys::fuzz_target;
use s3api::listener::framing::Framing;

/// More than any head of the corpus has.
const HEADERS_MAX: usize = 512;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let whole = Framing::default().advance(bytes).is_ok();
    let mut framing = Framing::default();
    let step = usize::from(cut).max(1);
    let pieces = bytes.chunks(step).try_for_each(|piece| framing.advance(piece));
    assert_eq!(whole, pieces.is_ok());
    if whole {
        check_head(bytes);
    }
});

fn check_head(bytes: &[u8]) {
    let blank = bytes.chunks(2).take_while(|pair| pair == b"\r\n").count() * 2;
    let end = bytes[blank..].windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end.map(|end| blank + end + 4) else { return };
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(status) => assert_eq!(status, httparse::Status::Complete(end)),
        // hyper refuses it: nothing is smuggled by what is refused.
        Err(_) => return,
    }
    let count = |name: &str| {
        request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).count()
    };
    let lengths = count("content-length") + count("transfer-encoding");
    assert!(lengths <= 1 && count("host") <= 1);
}
