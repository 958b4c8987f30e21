//! ListObjects, version 1 and 2: `GET /bucket`, `GET /bucket?list-type=2`.

use super::listing::{self, NameEncoding, count, non_empty, read_token, write_token};
use super::{Done, write_account};
use crate::error::S3Result;
use crate::headers::checksum;
use crate::headers::date::format_iso;
use crate::notes;
use crate::response::{self, S3Response};
use crate::xml::XmlWriter;
use engine::object::{ListEntry, ListPage, ListRequest, ObjectInfo};

/// What both versions ask for.
struct Parameters {
    request: ListRequest,
    encoding: NameEncoding,
}

impl Parameters {
    fn parse(call: &Done, after: Option<String>) -> S3Result<Self> {
        let request = ListRequest {
            bucket: call.authorized.bucket(),
            prefix: call.query("prefix").unwrap_or("").to_owned(),
            delimiter: non_empty(call, "delimiter").map(str::to_owned),
            after,
            limit: count(call, "max-keys")?,
        };
        Ok(Self { request, encoding: NameEncoding::of(call)? })
    }

    /// Elements that both versions begin with.
    fn write_head(&self, xml: &mut XmlWriter, page: &ListPage) {
        xml.text("Name", self.request.bucket.as_str());
        xml.text("Prefix", &self.encoding.apply(&self.request.prefix));
        if let Some(delimiter) = &self.request.delimiter {
            xml.text("Delimiter", &self.encoding.apply(delimiter));
        }
        xml.number("MaxKeys", self.request.limit as u64);
        if self.encoding == NameEncoding::Url {
            xml.text("EncodingType", "url");
        }
        xml.flag("IsTruncated", page.is_truncated);
    }

    /// The owner is told where there is a call to ask who it is.
    fn write_entries(
        &self,
        xml: &mut XmlWriter,
        page: &ListPage,
        owners: Option<&Done>,
    ) -> S3Result<()> {
        for entry in &page.entries {
            if let ListEntry::Object(info) = entry {
                self.write_object(xml, info, owners)?;
            }
        }
        for entry in &page.entries {
            if let ListEntry::Prefix(prefix) = entry {
                xml.open("CommonPrefixes");
                xml.text("Prefix", &self.encoding.apply(prefix));
                xml.close("CommonPrefixes");
            }
        }
        Ok(())
    }

    fn write_object(
        &self,
        xml: &mut XmlWriter,
        info: &ObjectInfo,
        owners: Option<&Done>,
    ) -> S3Result<()> {
        xml.open("Contents");
        xml.text("Key", &self.encoding.apply(info.key.as_str()));
        xml.text("LastModified", &format_iso(info.modified));
        xml.etag(&info.etag.0);
        if let Some(checksum) = &info.checksum {
            xml.text("ChecksumAlgorithm", checksum::names(checksum.algorithm).name);
            xml.text("ChecksumType", checksum::kind_name(checksum.kind));
        }
        xml.number("Size", info.size);
        xml.text("StorageClass", notes::storage_class(&info.attributes));
        if let Some(call) = owners {
            let owner = notes::acl_of(info, call.authorized.settings().owner())?.owner;
            write_account(xml, "Owner", &owner, call);
        }
        xml.close("Contents");
        Ok(())
    }
}

pub(super) async fn answer_v1(call: Done) -> S3Result<S3Response> {
    let marker = call.query("marker").unwrap_or("").to_owned();
    let after = Some(marker.clone()).filter(|marker| !marker.is_empty());
    let parameters = Parameters::parse(&call, after)?;
    let page = call.authorized.store().list(parameters.request.clone()).await?;
    let mut xml = XmlWriter::root("ListBucketResult");
    parameters.write_head(&mut xml, &page);
    xml.text("Marker", &parameters.encoding.apply(&marker));
    let last = page.entries.last().filter(|_| page.is_truncated);
    // Without a delimiter the last key is the next marker, and AWS leaves it out.
    if let (Some(last), Some(_)) = (last, &parameters.request.delimiter) {
        xml.text("NextMarker", &parameters.encoding.apply(last.name()));
    }
    parameters.write_entries(&mut xml, &page, Some(&call))?;
    xml.close("ListBucketResult");
    Ok(response::xml(xml.finish()))
}

pub(super) async fn answer_v2(call: Done) -> S3Result<S3Response> {
    let token = call.query("continuation-token").map(str::to_owned);
    if token.as_deref() == Some("") {
        return Err(listing::invalid(
            "continuation-token",
            "The continuation token provided is incorrect",
        ));
    }
    let start_after = non_empty(&call, "start-after").map(str::to_owned);
    let after = match &token {
        Some(token) => Some(read_token(token)?),
        None => start_after.clone(),
    };
    let parameters = Parameters::parse(&call, after)?;
    let page = call.authorized.store().list(parameters.request.clone()).await?;
    let owners = (call.query("fetch-owner") == Some("true")).then_some(&call);
    let mut xml = XmlWriter::root("ListBucketResult");
    parameters.write_head(&mut xml, &page);
    xml.number("KeyCount", page.entries.len() as u64);
    xml.text_if("ContinuationToken", token.as_deref());
    if let Some(last) = page.entries.last().filter(|_| page.is_truncated) {
        xml.text("NextContinuationToken", &write_token(last.name()));
    }
    if let Some(start_after) = &start_after {
        xml.text("StartAfter", &parameters.encoding.apply(start_after));
    }
    parameters.write_entries(&mut xml, &page, owners)?;
    xml.close("ListBucketResult");
    Ok(response::xml(xml.finish()))
}
