//! How annotations are sealed: as their object is, each under a key of its own.
//!
//! An object that is not encrypted has annotations under the store's own key, where there is one,
//! as on AWS. One under a client's key has none: nobody could read them without it.

use super::note::Note;
use super::{Kind, Seal, WHOLE, body, new_secret};
use crate::auth::Authorized;
use crate::error::{S3Error, S3Result, codes};
use crate::notes;
use engine::object::{
    AnnotationName, BucketName, ByteStream, ObjectAttributes, ObjectKey, OpenAnnotation,
};
use sealing::{ObjectCipher, Place};

/// What the key of an annotation is for (E3).
fn binding(
    (bucket, key): (&BucketName, &ObjectKey),
    name: &AnnotationName,
    context: Option<&str>,
) -> Vec<u8> {
    [
        b"stave annotation 1\0".as_slice(),
        bucket.as_str().as_bytes(),
        b"\0",
        &(key.as_str().len() as u64).to_be_bytes(),
        key.as_str().as_bytes(),
        &(name.as_str().len() as u64).to_be_bytes(),
        name.as_str().as_bytes(),
        context.unwrap_or("").as_bytes(),
    ]
    .concat()
}

/// Refuses annotations where the object is under a key of its client's.
///
/// # Errors
/// `InvalidRequest`; `InternalError` for a note that cannot be read.
pub fn check_object(attributes: &ObjectAttributes) -> S3Result<()> {
    match note_of(attributes)? {
        Some(Note { kind: Kind::Customer, .. }) => {
            let message = "Objects that are encrypted with customer provided keys (SSE-C) cannot \
                           have annotations.";
            Err(S3Error::new(&codes::INVALID_REQUEST, message))
        }
        _ => Ok(()),
    }
}

fn note_of(attributes: &ObjectAttributes) -> S3Result<Option<Note>> {
    attributes.note(notes::ENCRYPTION).map(Note::parse).transpose()
}

/// The seal of a new annotation of an object of such attributes; `None` where nothing is to be
/// encrypted.
///
/// # Errors
/// As [`check_object`]; what the key store fails with.
pub async fn of_new(
    authorized: &Authorized,
    object: (&BucketName, &ObjectKey),
    attributes: &ObjectAttributes,
    name: &AnnotationName,
) -> S3Result<Option<Seal>> {
    check_object(attributes)?;
    let encryption = authorized.encryption();
    let note = match (note_of(attributes)?, &encryption.keys) {
        (Some(note), _) => Note { sealed: String::new(), ..note },
        (None, Some(keys)) => {
            Note { key_name: keys.default_key().to_owned(), ..Note::new(Kind::S3) }
        }
        (None, None) => return Ok(None),
    };
    let secret = new_secret(authorized);
    let binding = binding(object, name, note.context.as_deref());
    let sealed = encryption.keys()?.seal(&note.key_name, &secret, &binding).await?;
    Ok(Some(Seal { note: Note { sealed, ..note }, cipher: ObjectCipher::new(&secret) }))
}

/// How a stored annotation is told and opened.
///
/// # Errors
/// What the key store fails with; `InternalError` for a note that cannot be read.
pub async fn of_stored(
    authorized: &Authorized,
    object: (&BucketName, &ObjectKey),
    note: Option<&str>,
    name: &AnnotationName,
) -> S3Result<Option<Seal>> {
    let Some(note) = note.map(Note::parse).transpose()? else {
        return Ok(None);
    };
    let binding = binding(object, name, note.context.as_deref());
    let keys = authorized.encryption().keys()?;
    let secret = keys.open(&note.key_name, &note.sealed, &binding).await?;
    Ok(Some(Seal { note, cipher: ObjectCipher::new(&secret) }))
}

/// The text of an annotation, opened where there is a seal.
pub fn read(open: OpenAnnotation, seal: Option<&Seal>) -> ByteStream {
    match seal {
        None => open.bytes,
        Some(seal) => {
            let opener = seal.cipher.opener(Place::at(WHOLE, 0), 0..open.annotation.size);
            body::opened(open.bytes, opener)
        }
    }
}
