//! `ServerSideEncryptionConfiguration`: how a bucket keeps what nobody says anything of (S3 API
//! reference, "PutBucketEncryption").

use super::XmlWriter;
use super::reader::XmlReader;
use crate::error::{S3Error, S3Result, codes};
use crate::sse::headers::{KmsWish, Wish, key_name};

/// The default encryption of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketEncryption {
    /// The kind, by its name in headers; `None` where the rule only blocks something.
    pub algorithm: Option<Algorithm>,
    /// The key, as it was written.
    pub key_id: Option<String>,
    /// Whether a bucket key is wanted; it changes nothing here.
    pub bucket_key: Option<bool>,
    /// Whether clients' own keys are refused in writes.
    pub blocks_customer_keys: bool,
}

/// Kinds of default encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `AES256`: under the store's own key.
    S3,
    /// `aws:kms`: under a named key.
    Kms,
    /// `aws:kms:dsse`.
    Dsse,
}

const ALGORITHMS: [(Algorithm, &str); 3] =
    [(Algorithm::S3, "AES256"), (Algorithm::Kms, "aws:kms"), (Algorithm::Dsse, "aws:kms:dsse")];

fn malformed() -> S3Error {
    (&codes::MALFORMED_XML).into()
}

fn once<T>(slot: &mut Option<T>, value: T) -> S3Result<()> {
    if slot.replace(value).is_some() { Err(malformed()) } else { Ok(()) }
}

impl BucketEncryption {
    /// How an object is kept that nobody says anything of.
    pub fn wish(&self) -> Wish {
        let kms = |is_dsse| {
            let (key_id, bucket_key) = (self.key_id.clone(), self.bucket_key);
            Wish::Kms(KmsWish { is_dsse, key_id, context: None, bucket_key })
        };
        match self.algorithm {
            None => Wish::None,
            Some(Algorithm::S3) => Wish::S3,
            Some(Algorithm::Kms) => kms(false),
            Some(Algorithm::Dsse) => kms(true),
        }
    }

    /// Reads the document.
    ///
    /// # Errors
    /// `MalformedXML`; `InvalidArgument` for a key where none belongs.
    pub fn parse(document: &[u8]) -> S3Result<Self> {
        let mut reader = XmlReader::new(document)?;
        reader.root("ServerSideEncryptionConfiguration")?;
        let mut rule = None;
        while let Some(name) = reader.child()? {
            if name != "Rule" {
                return Err(malformed());
            }
            once(&mut rule, Self::parse_rule(&mut reader)?)?;
        }
        reader.end()?;
        rule.ok_or_else(malformed)
    }

    fn parse_rule(reader: &mut XmlReader<'_>) -> S3Result<Self> {
        let mut rule = Self::default();
        while let Some(name) = reader.child()? {
            match name.as_str() {
                "ApplyServerSideEncryptionByDefault" => rule.parse_default(reader)?,
                "BucketKeyEnabled" => {
                    let flag = match reader.text()?.trim() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(malformed()),
                    };
                    once(&mut rule.bucket_key, flag)?;
                }
                "BlockedEncryptionTypes" => rule.parse_blocked(reader)?,
                _ => return Err(malformed()),
            }
        }
        Ok(rule)
    }

    fn parse_default(&mut self, reader: &mut XmlReader<'_>) -> S3Result<()> {
        while let Some(name) = reader.child()? {
            let text = reader.text()?.trim().to_owned();
            match name.as_str() {
                "SSEAlgorithm" => {
                    let found = ALGORITHMS.iter().find(|(_, known)| *known == text);
                    once(&mut self.algorithm, found.ok_or_else(malformed)?.0)?;
                }
                "KMSMasterKeyID" => once(&mut self.key_id, text)?,
                _ => return Err(malformed()),
            }
        }
        let invalid = |message| Err(S3Error::new(&codes::INVALID_ARGUMENT, message));
        match (self.algorithm, &self.key_id) {
            (None, _) => Err(malformed()),
            (Some(Algorithm::S3), Some(_)) => invalid(
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms",
            ),
            (Some(_), Some(id)) if key_name(id).is_none() => {
                invalid("The KMSMasterKeyID is not the id of a key.")
            }
            (Some(_), _) => Ok(()),
        }
    }

    fn parse_blocked(&mut self, reader: &mut XmlReader<'_>) -> S3Result<()> {
        while let Some(name) = reader.child()? {
            if name != "EncryptionType" {
                return Err(malformed());
            }
            match reader.text()?.trim() {
                "SSE-C" => self.blocks_customer_keys = true,
                "NONE" => {}
                _ => return Err(malformed()),
            }
        }
        Ok(())
    }

    /// Writes the document.
    pub fn write(&self) -> String {
        let mut xml = XmlWriter::root("ServerSideEncryptionConfiguration");
        xml.open("Rule");
        if let Some(algorithm) = self.algorithm {
            let name = ALGORITHMS.iter().find(|(known, _)| *known == algorithm);
            xml.open("ApplyServerSideEncryptionByDefault");
            xml.text("SSEAlgorithm", name.map_or("", |(_, name)| name));
            xml.text_if("KMSMasterKeyID", self.key_id.as_deref());
            xml.close("ApplyServerSideEncryptionByDefault");
        }
        if let Some(flag) = self.bucket_key {
            xml.flag("BucketKeyEnabled", flag);
        }
        if self.blocks_customer_keys {
            xml.open("BlockedEncryptionTypes");
            xml.text("EncryptionType", "SSE-C");
            xml.close("BlockedEncryptionTypes");
        }
        xml.close("Rule");
        xml.close("ServerSideEncryptionConfiguration");
        xml.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rule: &str) -> Result<BucketEncryption, &'static str> {
        let document = format!(
            "<ServerSideEncryptionConfiguration><Rule>{rule}</Rule>\
             </ServerSideEncryptionConfiguration>"
        );
        BucketEncryption::parse(document.as_bytes()).map_err(|error| error.code.name)
    }

    fn default(content: &str) -> Result<BucketEncryption, &'static str> {
        parse(&format!(
            "<ApplyServerSideEncryptionByDefault>{content}</ApplyServerSideEncryptionByDefault>"
        ))
    }

    #[test]
    fn rules_come_back_as_they_were_written() {
        let aes = default("<SSEAlgorithm>AES256</SSEAlgorithm>").unwrap();
        assert_eq!(aes.algorithm, Some(Algorithm::S3));
        let kms = parse(
            "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>\
             <KMSMasterKeyID>photos</KMSMasterKeyID></ApplyServerSideEncryptionByDefault>\
             <BucketKeyEnabled>true</BucketKeyEnabled><BlockedEncryptionTypes>\
             <EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>",
        );
        let kms = kms.unwrap();
        assert!(kms.blocks_customer_keys && kms.key_id.as_deref() == Some("photos"));
        for rule in [aes, kms] {
            assert_eq!(BucketEncryption::parse(rule.write().as_bytes()).unwrap(), rule);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(default(""), Err("MalformedXML"));
        assert_eq!(default("<SSEAlgorithm>rot13</SSEAlgorithm>"), Err("MalformedXML"));
        let key = "<KMSMasterKeyID>photos</KMSMasterKeyID>";
        let aes = format!("<SSEAlgorithm>AES256</SSEAlgorithm>{key}");
        assert_eq!(default(&aes), Err("InvalidArgument"));
        let twice = format!("<SSEAlgorithm>aws:kms</SSEAlgorithm>{key}{key}");
        assert_eq!(default(&twice), Err("MalformedXML"));
        let bad = "<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>a b</KMSMasterKeyID>";
        assert_eq!(default(bad), Err("InvalidArgument"));
    }
}
