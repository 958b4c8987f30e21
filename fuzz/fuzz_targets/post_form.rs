#![no_main]
//! Forms: no body makes the parser panic, frames do not matter to what is read, and everything but
//! the file stays within its bound. Policies: no document makes the reader panic, and none lets a
//! form pass that it does not speak of.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use s3api::form::fields::FormFields;
use s3api::form::multipart::{Event, FORM_LEN_MAX, Multipart};
use s3api::form::policy::{PostPolicy, Question};

fuzz_target!(|data: &[u8]| {
    let whole = events(data, usize::MAX);
    for len in [1, 7] {
        assert_eq!(events(data, len), whole);
    }
    if let Ok(events) = whole {
        fields(&events);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        policy(text);
    }
});

/// What a form holds, its data joined; the code of the error where it is none.
fn events(form: &[u8], frame_len: usize) -> Result<Vec<Event>, &'static str> {
    let mut multipart = Multipart::new("B");
    let mut found = Vec::new();
    for frame in form.chunks(frame_len.min(form.len().max(1))) {
        let mut frame = Bytes::copy_from_slice(frame);
        while let Some(event) = multipart.next_event(&mut frame).map_err(|e| e.code.name)? {
            match (found.last_mut(), event) {
                (Some(Event::Data(whole)), Event::Data(piece)) => {
                    *whole = [whole.as_ref(), piece.as_ref()].concat().into();
                }
                (_, event) => found.push(event),
            }
        }
        assert!(multipart.left() <= FORM_LEN_MAX);
    }
    multipart.finish().map_err(|error| error.code.name)?;
    Ok(found)
}

fn fields(events: &[Event]) {
    let mut fields = FormFields::default();
    let mut name = "";
    for event in events {
        match event {
            Event::Head(head) => name = &head.name,
            Event::Data(data) => {
                let _ = fields.add(name, String::from_utf8_lossy(data).into_owned());
            }
            Event::PartEnd => {}
        }
    }
    let _ = fields.key();
    let _ = fields.headers(&Default::default());
    let _ = fields.success();
    if let Some(text) = fields.get("policy") {
        policy(text);
    }
}

fn policy(text: &str) {
    let Ok(policy) = PostPolicy::parse(text) else { return };
    let mut fields = FormFields::default();
    fields.add("x-amz-meta-unspoken", "of".to_owned()).expect("there is no other field");
    let question = Question { fields: &fields, bucket: "box", key: "key", now: 0 };
    let passes = policy.check(&question).is_ok();
    assert!(!passes || policy.names("x-amz-meta-unspoken") && policy.names("bucket"));
}
