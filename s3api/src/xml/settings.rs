//! Small documents of a bucket's configuration: `VersioningConfiguration`,
//! `PublicAccessBlockConfiguration`, `OwnershipControls`.

use super::XmlWriter;
use super::reader::XmlReader;
use crate::error::{S3Error, S3Result, codes};
use engine::object::Versioning;

fn malformed() -> S3Error {
    (&codes::MALFORMED_XML).into()
}

fn once<T>(slot: &mut Option<T>, value: T) -> S3Result<()> {
    if slot.replace(value).is_some() { Err(malformed()) } else { Ok(()) }
}

/// Reads a `VersioningConfiguration`.
///
/// # Errors
/// `MalformedXML`; `NotImplemented` for the deletion by a second factor.
pub fn parse_versioning(document: &[u8]) -> S3Result<Versioning> {
    let mut reader = XmlReader::new(document)?;
    reader.root("VersioningConfiguration")?;
    let (mut status, mut mfa) = (None, None);
    while let Some(name) = reader.child()? {
        match name.as_str() {
            "Status" => once(&mut status, reader.text()?)?,
            "MfaDelete" | "MFADelete" => once(&mut mfa, reader.text()?)?,
            _ => return Err(malformed()),
        }
    }
    reader.end()?;
    if mfa.is_some_and(|mfa| mfa.trim() != "Disabled") {
        return Err(S3Error::new(&codes::NOT_IMPLEMENTED, "MFA delete is not implemented."));
    }
    match status.as_deref().map(str::trim) {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        _ => Err(S3Error::new(
            &codes::ILLEGAL_VERSIONING,
            "The versioning configuration specified in the request is invalid.",
        )),
    }
}

/// Writes a `VersioningConfiguration`.
pub fn write_versioning(versioning: Versioning) -> String {
    let mut xml = XmlWriter::root("VersioningConfiguration");
    match versioning {
        Versioning::Off => {}
        Versioning::Enabled => xml.text("Status", "Enabled"),
        Versioning::Suspended => xml.text("Status", "Suspended"),
    }
    xml.close("VersioningConfiguration");
    xml.finish()
}

/// What of public access a bucket blocks (S3 API reference, "PublicAccessBlockConfiguration").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// New public ACLs are refused.
    pub blocks_acls: bool,
    /// Public ACLs grant nothing.
    pub ignores_acls: bool,
    /// New public policies are refused.
    pub blocks_policy: bool,
    /// A public policy grants to the owner's account only.
    pub restricts_buckets: bool,
}

impl PublicAccessBlock {
    /// Everything blocked, as new buckets have it.
    pub const ALL: Self = Self {
        blocks_acls: true,
        ignores_acls: true,
        blocks_policy: true,
        restricts_buckets: true,
    };

    /// Reads the document.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn parse(document: &[u8]) -> S3Result<Self> {
        let mut reader = XmlReader::new(document)?;
        reader.root("PublicAccessBlockConfiguration")?;
        let [mut acls, mut ignored, mut policy, mut restricted] = [None; 4];
        while let Some(name) = reader.child()? {
            let slot = match name.as_str() {
                "BlockPublicAcls" => &mut acls,
                "IgnorePublicAcls" => &mut ignored,
                "BlockPublicPolicy" => &mut policy,
                "RestrictPublicBuckets" => &mut restricted,
                _ => return Err(malformed()),
            };
            once(slot, parse_flag(&reader.text()?)?)?;
        }
        reader.end()?;
        Ok(Self {
            blocks_acls: acls.unwrap_or_default(),
            ignores_acls: ignored.unwrap_or_default(),
            blocks_policy: policy.unwrap_or_default(),
            restricts_buckets: restricted.unwrap_or_default(),
        })
    }

    /// Writes the document.
    pub fn write(&self) -> String {
        let mut xml = XmlWriter::root("PublicAccessBlockConfiguration");
        xml.flag("BlockPublicAcls", self.blocks_acls);
        xml.flag("IgnorePublicAcls", self.ignores_acls);
        xml.flag("BlockPublicPolicy", self.blocks_policy);
        xml.flag("RestrictPublicBuckets", self.restricts_buckets);
        xml.close("PublicAccessBlockConfiguration");
        xml.finish()
    }
}

fn parse_flag(text: &str) -> S3Result<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(malformed()),
    }
}

/// Who owns what others write into a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The bucket's owner; ACLs are off. The default.
    BucketOwnerEnforced,
    /// The bucket's owner, where the writer grants it full control.
    BucketOwnerPreferred,
    /// The writer.
    ObjectWriter,
}

impl Ownership {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// The ownership of a name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter];
        all.into_iter().find(|ownership| ownership.name() == name)
    }

    /// Reads the document.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub fn parse(document: &[u8]) -> S3Result<Self> {
        let mut reader = XmlReader::new(document)?;
        reader.root("OwnershipControls")?;
        let mut found = None;
        while let Some(name) = reader.child()? {
            if name != "Rule" {
                return Err(malformed());
            }
            while let Some(name) = reader.child()? {
                if name != "ObjectOwnership" {
                    return Err(malformed());
                }
                let ownership = Self::named(reader.text()?.trim()).ok_or_else(malformed)?;
                once(&mut found, ownership)?;
            }
        }
        reader.end()?;
        found.ok_or_else(malformed)
    }

    /// Writes the document.
    pub fn write(self) -> String {
        let mut xml = XmlWriter::root("OwnershipControls");
        xml.open("Rule");
        xml.text("ObjectOwnership", self.name());
        xml.close("Rule");
        xml.close("OwnershipControls");
        xml.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back_as_they_were_written() {
        for versioning in [Versioning::Enabled, Versioning::Suspended] {
            let document = write_versioning(versioning);
            assert_eq!(parse_versioning(document.as_bytes()).unwrap(), versioning);
        }
        let block = PublicAccessBlock { blocks_policy: true, ..PublicAccessBlock::default() };
        assert_eq!(PublicAccessBlock::parse(block.write().as_bytes()).unwrap(), block);
        for ownership in [Ownership::BucketOwnerEnforced, Ownership::ObjectWriter] {
            assert_eq!(Ownership::parse(ownership.write().as_bytes()).unwrap(), ownership);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let check = |document: &str, expected| {
            let error = parse_versioning(document.as_bytes()).unwrap_err();
            assert_eq!(error.code.name, expected, "{document}");
        };
        check("<VersioningConfiguration/>", "IllegalVersioningConfigurationException");
        check(
            "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>\
             </VersioningConfiguration>",
            "NotImplemented",
        );
        check("<VersioningConfiguration><X/></VersioningConfiguration>", "MalformedXML");
        assert!(Ownership::parse(b"<OwnershipControls/>").is_err());
        let twice = "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership>\
                     <ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>";
        assert!(Ownership::parse(twice.as_bytes()).is_err());
        let flag = "<PublicAccessBlockConfiguration><BlockPublicAcls>1</BlockPublicAcls>\
                    </PublicAccessBlockConfiguration>";
        assert!(PublicAccessBlock::parse(flag.as_bytes()).is_err());
    }
}
