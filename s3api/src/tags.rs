//! Tags of objects and buckets (S3 API reference, "Tagging"): their rules, the header
//! `x-amz-tagging` and the document `Tagging`.

use crate::error::{S3Error, S3Result, codes};
use crate::uri;
use crate::xml::XmlWriter;
use crate::xml::reader::XmlReader;

/// Tags of an object.
pub const OBJECT_TAGS_MAX: usize = 10;

/// Tags of a bucket.
pub const BUCKET_TAGS_MAX: usize = 50;

/// Characters of a tag's key and of its value.
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

/// A set of tags, in the order in which they came.
pub type Tags = Vec<(String, String)>;

fn invalid(message: &'static str) -> S3Error {
    S3Error::new(&codes::INVALID_TAG, message)
}

/// Checks tags against the rules.
///
/// # Errors
/// `InvalidTag`.
pub fn check(tags: &Tags, count_max: usize) -> S3Result<()> {
    if tags.len() > count_max {
        let message = format!("There cannot be more than {count_max} tags.");
        return Err(S3Error::new(&codes::INVALID_TAG, message));
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
            return Err(invalid("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > VALUE_CHARS_MAX {
            return Err(invalid("The TagValue you have provided is invalid"));
        }
        if key.chars().chain(value.chars()).any(char::is_control) {
            return Err(invalid("Tags have no control characters"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("System tags cannot be added/updated by requester"));
        }
        if tags[..index].iter().any(|(earlier, _)| earlier == key) {
            return Err(invalid("Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(())
}

/// Reads the header `x-amz-tagging`: pairs as in a query, which have no order: sorted.
///
/// # Errors
/// `InvalidArgument`, `InvalidTag`.
pub fn parse_header(text: &str) -> S3Result<Tags> {
    let malformed = |_| {
        S3Error::new(
            &codes::INVALID_ARGUMENT,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query \
             parameters without tag name duplicates.",
        )
    };
    let mut tags = Tags::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = uri::decode_query(key).map_err(malformed)?;
        tags.push((key, uri::decode_query(value).map_err(malformed)?));
    }
    check(&tags, OBJECT_TAGS_MAX)?;
    tags.sort();
    Ok(tags)
}

/// Reads a document `Tagging`.
///
/// # Errors
/// `MalformedXML`, `InvalidTag`.
pub fn parse_document(document: &[u8], count_max: usize) -> S3Result<Tags> {
    let malformed = || S3Error::from(&codes::MALFORMED_XML);
    let mut reader = XmlReader::new(document)?;
    reader.root("Tagging")?;
    let mut tags = None;
    while let Some(name) = reader.child()? {
        if name != "TagSet" || tags.is_some() {
            return Err(malformed());
        }
        tags = Some(parse_set(&mut reader)?);
    }
    reader.end()?;
    let tags = tags.ok_or_else(malformed)?;
    check(&tags, count_max)?;
    Ok(tags)
}

/// Reads the elements `Tag` of the open element.
///
/// # Errors
/// `MalformedXML`, also for more than any resource may have.
pub fn parse_set(reader: &mut XmlReader<'_>) -> S3Result<Tags> {
    let malformed = || S3Error::from(&codes::MALFORMED_XML);
    let mut tags = Tags::new();
    while let Some(name) = reader.child()? {
        if name != "Tag" || tags.len() > BUCKET_TAGS_MAX {
            return Err(malformed());
        }
        let (mut key, mut value) = (None, None);
        while let Some(name) = reader.child()? {
            let slot = match name.as_str() {
                "Key" => &mut key,
                "Value" => &mut value,
                _ => return Err(malformed()),
            };
            if slot.replace(reader.text()?).is_some() {
                return Err(malformed());
            }
        }
        tags.push((key.ok_or_else(malformed)?, value.ok_or_else(malformed)?));
    }
    Ok(tags)
}

/// Writes a document `Tagging`.
pub fn write_document(tags: &Tags) -> String {
    let mut xml = XmlWriter::root("Tagging");
    xml.open("TagSet");
    for (key, value) in tags {
        xml.open("Tag");
        xml.text("Key", key);
        xml.text("Value", value);
        xml.close("Tag");
    }
    xml.close("TagSet");
    xml.close("Tagging");
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tags_come_back_as_they_were_sent() {
        let tags = pairs(&[("a b", "1&2"), ("\u{e9}", "")]);
        assert_eq!(parse_header("a+b=1%262&%C3%A9=").unwrap(), tags);
        let document = write_document(&tags);
        assert_eq!(parse_document(document.as_bytes(), OBJECT_TAGS_MAX).unwrap(), tags);
    }

    #[test]
    fn rules_are_kept() {
        let check = |tags: &Tags| super::check(tags, OBJECT_TAGS_MAX).map_err(|e| e.code.name);
        let numbered = |count| (0..count).map(|n| (format!("k{n}"), String::new())).collect();
        assert_eq!(check(&numbered(10)), Ok(()));
        assert_eq!(check(&numbered(11)), Err("InvalidTag"));
        for (key, value) in [
            ("", "v"),
            (&"k".repeat(129), "v"),
            ("k", &"v".repeat(257)),
            ("aws:k", "v"),
            ("k", "\n"),
        ] {
            assert_eq!(check(&pairs(&[(key, value)])), Err("InvalidTag"), "{key}");
        }
        assert_eq!(check(&pairs(&[("k", "1"), ("k", "2")])), Err("InvalidTag"));
    }

    #[test]
    fn other_documents_are_malformed() {
        for document in [
            "<Tagging/>",
            "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key><Value/><Value/></Tag></TagSet></Tagging>",
            "<Tagging><TagSet/><TagSet/></Tagging>",
        ] {
            let error = parse_document(document.as_bytes(), 10).unwrap_err();
            assert_eq!(error.code, &codes::MALFORMED_XML, "{document}");
        }
    }
}
