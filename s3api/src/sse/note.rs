//! What is kept of an object's encryption, beside its bytes.
//!
//! ```text
//! 1 kind key-name key-id sealed-key context bucket-key md5-of-the-client's-key
//! ```
//! Fields are separated by blanks; none of them has any, and an empty one is `-`.

use crate::error::{S3Error, S3Result, codes};

/// How an object is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Under the store's own key.
    S3,
    /// Under a named key.
    Kms,
    /// Under a named key, asked for as two layers.
    Dsse,
    /// Under a key of the client's.
    Customer,
}

const KINDS: [(Kind, &str); 4] =
    [(Kind::S3, "s3"), (Kind::Kms, "kms"), (Kind::Dsse, "dsse"), (Kind::Customer, "customer")];

/// What is kept of an object's encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) kind: Kind,
    /// The key in the key store.
    pub(super) key_name: String,
    /// The same as the client wrote it.
    pub(super) key_id: String,
    /// The object's key, sealed.
    pub(super) sealed: String,
    /// Base64 of the encryption context.
    pub(super) context: Option<String>,
    pub(super) bucket_key: bool,
    /// Base64.
    pub(super) customer_md5: String,
}

impl Note {
    pub(super) fn new(kind: Kind) -> Self {
        let empty = String::new;
        Self {
            kind,
            key_name: empty(),
            key_id: empty(),
            sealed: empty(),
            context: None,
            bucket_key: false,
            customer_md5: empty(),
        }
    }

    pub(super) fn to_text(&self) -> String {
        let kind = KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, name)| name);
        let flag = if self.bucket_key { "true" } else { "" };
        let context = self.context.as_deref().unwrap_or("");
        let fields = [
            "1",
            kind,
            &self.key_name,
            &self.key_id,
            &self.sealed,
            context,
            flag,
            &self.customer_md5,
        ];
        fields.map(|field| if field.is_empty() { "-" } else { field }).join(" ")
    }

    /// Reads a note.
    ///
    /// # Errors
    /// `InternalError`: an object whose note cannot be read is never given as if it had none.
    pub(super) fn parse(text: &str) -> S3Result<Self> {
        let fields: Vec<&str> =
            text.split(' ').map(|field| if field == "-" { "" } else { field }).collect();
        let ["1", kind, key_name, key_id, sealed, context, flag, md5] = fields[..] else {
            return Err(damaged());
        };
        let kind = KINDS.iter().find(|(_, name)| *name == kind).ok_or_else(damaged)?.0;
        Ok(Self {
            kind,
            key_name: key_name.to_owned(),
            key_id: key_id.to_owned(),
            sealed: sealed.to_owned(),
            context: Some(context.to_owned()).filter(|context| !context.is_empty()),
            bucket_key: flag == "true",
            customer_md5: md5.to_owned(),
        })
    }
}

fn damaged() -> S3Error {
    tracing::error!("the note of an object's encryption cannot be read");
    (&codes::INTERNAL_ERROR).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_others_are_errors() {
        let plain = Note { sealed: "v0:AA==".to_owned(), ..Note::new(Kind::S3) };
        let full = Note {
            key_name: "photos".to_owned(),
            key_id: "arn:aws:kms:photos".to_owned(),
            context: Some("e30=".to_owned()),
            bucket_key: true,
            ..Note { kind: Kind::Kms, ..plain.clone() }
        };
        for note in [plain, full] {
            assert_eq!(Note::parse(&note.to_text()).unwrap(), note);
        }
        for text in ["", "2 s3 - - - - - -", "1 s3", "1 other - - - - - -"] {
            assert_eq!(Note::parse(text).unwrap_err().code.name, "InternalError", "{text}");
        }
    }
}
