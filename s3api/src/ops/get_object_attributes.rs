//! GetObjectAttributes: `GET /bucket/key?attributes`.

use super::Done;
use super::listing::{count_of, invalid};
use crate::error::{S3Error, S3Result, codes};
use crate::headers::checksum;
use crate::notes;
use crate::response::{self, S3Response, add_version, text_value};
use crate::sse;
use crate::xml::XmlWriter;
use engine::object::{Checksum, ObjectReader, PartPage};

/// Attributes that can be asked for.
const KNOWN: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let wanted = wanted(&call)?;
    let reader = super::open(&call).await?;
    let info = reader.info();
    sse::check_read(&call.authorized, &info.attributes)?;
    let mut xml = XmlWriter::root("GetObjectAttributesResponse");
    let wants = |name: &str| wanted.iter().any(|known| known == name);
    if wants("ETag") {
        xml.text("ETag", &info.etag.0);
    }
    if let Some(sum) = info.checksum.as_ref().filter(|_| wants("Checksum")) {
        xml.open("Checksum");
        write_checksum(&mut xml, sum);
        xml.text("ChecksumType", checksum::kind_name(sum.kind));
        xml.close("Checksum");
    }
    if wants("ObjectParts") && info.part_count > 0 {
        write_parts(&mut xml, &call, &*reader).await?;
    }
    if wants("StorageClass") {
        xml.text("StorageClass", notes::storage_class(&info.attributes));
    }
    if wants("ObjectSize") {
        xml.number("ObjectSize", info.size);
    }
    xml.close("GetObjectAttributesResponse");
    let mut response = response::xml(xml.finish());
    let headers = response.headers_mut();
    let modified = crate::headers::date::format_http(info.modified);
    headers.insert(http::header::LAST_MODIFIED, text_value(&modified));
    add_version(headers, info.version);
    Ok(response)
}

/// The header may be there several times, with several names each.
fn wanted(call: &Done) -> S3Result<Vec<String>> {
    let mut wanted = Vec::new();
    for value in call.authorized.head().headers.get_all("x-amz-object-attributes") {
        let text = value.to_str().unwrap_or("");
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if !KNOWN.contains(&name) {
                return Err(invalid(
                    "x-amz-object-attributes",
                    "Invalid attribute name specified.",
                ));
            }
            wanted.push(name.to_owned());
        }
    }
    if wanted.is_empty() {
        return Err(S3Error::new(
            &codes::INVALID_REQUEST,
            "The x-amz-object-attributes header specifying the attributes to be retrieved is \
             either missing or empty",
        ));
    }
    Ok(wanted)
}

/// The parts are listed where they have checksums, as AWS has it; else only counted.
async fn write_parts(xml: &mut XmlWriter, call: &Done, reader: &dyn ObjectReader) -> S3Result<()> {
    let header = |name| crate::headers::text(&call.authorized.head().headers, name);
    let after = match header("x-amz-part-number-marker")? {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            invalid("x-amz-part-number-marker", "Argument must be an integer between 0 and 65535")
        })?,
    };
    let limit = count_of(header("x-amz-max-parts")?, "x-amz-max-parts")?;
    let info = reader.info();
    xml.open("ObjectParts");
    xml.number("TotalPartsCount", info.part_count.into());
    if info.checksum.is_some() {
        let (parts, is_truncated) = reader.parts(PartPage { after, limit }).await?;
        xml.number("PartNumberMarker", after.into());
        if let Some(last) = parts.last() {
            xml.number("NextPartNumberMarker", last.number.into());
        }
        xml.number("MaxParts", limit as u64);
        xml.flag("IsTruncated", is_truncated);
        for part in &parts {
            xml.open("Part");
            xml.number("PartNumber", part.number.into());
            xml.number("Size", part.size);
            if let Some(sum) = &part.checksum {
                write_checksum(xml, sum);
            }
            xml.close("Part");
        }
    }
    xml.close("ObjectParts");
    Ok(())
}

fn write_checksum(xml: &mut XmlWriter, sum: &Checksum) {
    xml.text(checksum::names(sum.algorithm).element, &sum.value);
}
