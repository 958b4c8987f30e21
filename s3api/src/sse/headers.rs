//! What a request says of encryption.

use crate::error::{S3Error, S3Result, codes};
use crate::headers::text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use md5::{Digest, Md5};
use sealing::Secret;

/// The header that names the kind of encryption.
pub const ENCRYPTION: &str = "x-amz-server-side-encryption";
/// The header that names a key.
pub const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
/// The header with the encryption context.
pub const CONTEXT: &str = "x-amz-server-side-encryption-context";
/// The header that asks for fewer questions to the key store.
pub const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";
/// What headers of a client's own key begin with.
pub const CUSTOMER: &str = "x-amz-server-side-encryption-customer-";
/// Likewise, of the source of a copy.
pub const SOURCE_CUSTOMER: &str = "x-amz-copy-source-server-side-encryption-customer-";

/// Bytes of the id of a key (KMS API reference, "GenerateDataKey").
const KEY_ID_LEN_MAX: usize = 2048;

/// Bytes of an encryption context, as it is sent.
const CONTEXT_LEN_MAX: usize = 8 << 10;

/// A key that the client brings with each request (SSE-C).
#[derive(Clone, Debug)]
pub struct CustomerKey {
    /// The key.
    pub key: Secret,
    /// Base64 of its MD5, as it was sent.
    pub md5: String,
}

/// How the client wants an object kept.
#[derive(Clone, Debug)]
pub enum Wish {
    /// It says nothing.
    None,
    /// Under the store's own key (SSE-S3).
    S3,
    /// Under a named key (SSE-KMS).
    Kms(KmsWish),
    /// Under a key of its own (SSE-C).
    Customer(CustomerKey),
}

/// What is said of a named key.
#[derive(Clone, Debug, Default)]
pub struct KmsWish {
    /// Whether it is `aws:kms:dsse`, two layers on AWS: one here, and told as it was asked.
    pub is_dsse: bool,
    /// The key, as it was written.
    pub key_id: Option<String>,
    /// Base64 of the context, as it was sent.
    pub context: Option<String>,
    /// Whether a bucket key was asked for; it changes nothing here.
    pub bucket_key: Option<bool>,
}

fn invalid(message: &'static str) -> S3Error {
    S3Error::new(&codes::INVALID_ARGUMENT, message)
}

/// Reads how an object is to be kept (S3 API reference, "PutObject").
///
/// # Errors
/// `InvalidArgument`, `InvalidEncryptionAlgorithmError`.
pub fn wish(headers: &HeaderMap) -> S3Result<Wish> {
    let customer = customer_key(headers, CUSTOMER)?;
    let kind = text(headers, ENCRYPTION)?;
    if let Some(customer) = customer {
        if kind.is_some() {
            return Err(invalid(
                "Server Side Encryption with Customer provided key is incompatible with the \
                 encryption method specified.",
            ));
        }
        return Ok(Wish::Customer(customer));
    }
    let is_dsse = kind == Some("aws:kms:dsse");
    match kind {
        Some("aws:kms" | "aws:kms:dsse") => Ok(Wish::Kms(kms_wish(headers, is_dsse)?)),
        None | Some("AES256") if headers.contains_key(KEY_ID) => Err(invalid(
            "Server Side Encryption with AWS KMS managed key requires HTTP header \
             x-amz-server-side-encryption : aws:kms.",
        )),
        Some("AES256") => Ok(Wish::S3),
        None => Ok(Wish::None),
        Some(other) => Err(invalid("The encryption method specified is not supported.")
            .with("ArgumentName", ENCRYPTION)
            .with("ArgumentValue", other)),
    }
}

fn kms_wish(headers: &HeaderMap, is_dsse: bool) -> S3Result<KmsWish> {
    let key_id = text(headers, KEY_ID)?.map(str::trim);
    if key_id.is_some_and(|id| key_name(id).is_none()) {
        return Err(S3Error::new(&codes::KMS_NOT_FOUND, "Invalid keyId: there is no such key."));
    }
    let context = text(headers, CONTEXT)?;
    if let Some(context) = context {
        let document = STANDARD.decode(context).ok().filter(|_| context.len() <= CONTEXT_LEN_MAX);
        let document = document.and_then(|bytes| String::from_utf8(bytes).ok());
        let is_object = |text: &String| {
            let text = text.trim();
            text.starts_with('{') && text.ends_with('}')
        };
        if !document.as_ref().is_some_and(is_object) {
            return Err(invalid("The encryption context is not base64 of a JSON object.")
                .with("ArgumentName", CONTEXT));
        }
    }
    let bucket_key = match text(headers, BUCKET_KEY)? {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(invalid("A flag is neither true nor false.")),
    };
    let (key_id, context) = (key_id.map(str::to_owned), context.map(str::to_owned));
    Ok(KmsWish { is_dsse, key_id, context, bucket_key })
}

/// The name within the id of a key: of an ARN (`arn:aws:kms:eu-west-1:111122223333:key/name`, or as
/// MinIO has it `arn:aws:kms:name`) its last piece.
pub fn key_name(id: &str) -> Option<&str> {
    if id.len() > KEY_ID_LEN_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let name = if id.starts_with("arn:") { id.rsplit([':', '/']).next()? } else { id };
    let name = name.strip_prefix("alias/").unwrap_or(name);
    sealing::ring::is_name(name).then_some(name)
}

/// The client's own key, by headers that begin with `prefix`.
///
/// # Errors
/// `InvalidArgument`, `InvalidEncryptionAlgorithmError`.
pub fn customer_key(headers: &HeaderMap, prefix: &'static str) -> S3Result<Option<CustomerKey>> {
    let header = |name: &str| text(headers, &format!("{prefix}{name}"));
    let (algorithm, key, md5) = (header("algorithm")?, header("key")?, header("key-md5")?);
    if algorithm.is_none() && key.is_none() && md5.is_none() {
        return Ok(None);
    }
    match algorithm {
        Some("AES256") => {}
        Some(_) => return Err((&codes::INVALID_ENCRYPTION_ALGORITHM).into()),
        None => {
            return Err(invalid(
                "Requests specifying Server Side Encryption with Customer provided keys must \
                 provide a valid encryption algorithm.",
            ));
        }
    }
    let key = key.ok_or_else(|| {
        invalid(
            "Requests specifying Server Side Encryption with Customer provided keys must provide \
             an appropriate secret key.",
        )
    })?;
    let md5 = md5.ok_or_else(|| {
        invalid(
            "Requests specifying Server Side Encryption with Customer provided keys must provide \
             the client calculated MD5 of the secret key.",
        )
    })?;
    let key = Secret::parse(key)
        .map_err(|_| invalid("The secret key was invalid for the specified algorithm."))?;
    let computed = STANDARD.encode(Md5::digest(key.bytes()));
    if computed != md5.trim() {
        return Err(invalid(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        ));
    }
    Ok(Some(CustomerKey { key, md5: computed }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        pairs.collect()
    }

    fn code(pairs: &[(&'static str, &str)]) -> Result<String, &'static str> {
        wish(&map(pairs)).map(|wish| format!("{wish:?}")).map_err(|error| error.code.name)
    }

    #[test]
    fn wishes_are_read() {
        assert_eq!(code(&[]).unwrap(), "None");
        assert_eq!(code(&[(ENCRYPTION, "AES256")]).unwrap(), "S3");
        let kms = code(&[(ENCRYPTION, "aws:kms"), (KEY_ID, "arn:aws:kms:eu:1:key/photos")]);
        assert!(kms.unwrap().contains("key/photos"));
        assert_eq!(code(&[(ENCRYPTION, "rot13")]), Err("InvalidArgument"));
        assert_eq!(code(&[(KEY_ID, "photos")]), Err("InvalidArgument"));
        assert_eq!(code(&[(ENCRYPTION, "aws:kms"), (KEY_ID, "a b")]), Err("KMS.NotFoundException"));
        let context = [(ENCRYPTION, "aws:kms"), (CONTEXT, "e30="), (BUCKET_KEY, "true")];
        assert!(code(&context).unwrap().contains("Some(true)"));
        assert_eq!(code(&[(ENCRYPTION, "aws:kms"), (CONTEXT, "W10=")]), Err("InvalidArgument"));
    }

    #[test]
    fn a_clients_key_comes_whole_or_not_at_all() {
        const ALGORITHM: &str = "x-amz-server-side-encryption-customer-algorithm";
        const CUSTOMER_KEY: &str = "x-amz-server-side-encryption-customer-key";
        const CUSTOMER_MD5: &str = "x-amz-server-side-encryption-customer-key-md5";
        let secret = Secret::parse(KEY).unwrap();
        let md5 = STANDARD.encode(Md5::digest(secret.bytes()));
        let whole = [(ALGORITHM, "AES256"), (CUSTOMER_KEY, KEY), (CUSTOMER_MD5, md5.as_str())];
        let shown = code(&whole).unwrap();
        assert!(shown.contains(&md5) && !shown.contains(KEY), "{shown}");
        for missing in 0..3 {
            let mut part = whole.to_vec();
            part.remove(missing);
            assert_eq!(code(&part), Err("InvalidArgument"));
        }
        let with = |index: usize, value| {
            let mut changed = whole;
            changed[index].1 = value;
            code(&changed)
        };
        assert_eq!(with(0, "AES128"), Err("InvalidEncryptionAlgorithmError"));
        assert_eq!(with(1, "AQID"), Err("InvalidArgument"));
        assert_eq!(with(2, "AQID"), Err("InvalidArgument"));
        let both = [&whole[..], &[(ENCRYPTION, "AES256")]].concat();
        assert_eq!(code(&both), Err("InvalidArgument"));
    }

    #[test]
    fn names_of_keys_are_found_in_their_ids() {
        for (id, name) in [
            ("photos", Some("photos")),
            ("arn:aws:kms:photos", Some("photos")),
            ("arn:aws:kms:eu-west-1:111122223333:key/photos", Some("photos")),
            ("arn:aws:kms:eu-west-1:111122223333:alias/photos", Some("photos")),
            ("alias/photos", Some("photos")),
            ("a/b", None),
            ("", None),
        ] {
            assert_eq!(key_name(id), name, "{id}");
        }
    }
}
