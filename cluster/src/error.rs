//! How errors of the engine and of the log become errors of the store.

use crate::meta::LogError;
use crate::meta::command::Refusal;
use engine::EngineError;
use engine::object::StoreError;

/// An engine's error as the store's users see it: absence is never made of an error (P4).
pub(crate) fn from_engine(error: EngineError) -> StoreError {
    match error {
        EngineError::OutOfSpace => StoreError::OutOfSpace,
        EngineError::Corrupt { .. } => {
            tracing::error!(%error, "stored bytes are damaged");
            StoreError::Corrupt(error.to_string())
        }
        EngineError::VolumeGone(_)
        | EngineError::Foreign(_)
        | EngineError::Io { .. }
        | EngineError::Closed(_) => StoreError::Unavailable(error.to_string()),
    }
}

/// A log's error as the store's users see it.
pub(crate) fn from_log(error: LogError) -> StoreError {
    match error {
        LogError::Engine(error) => from_engine(error),
        LogError::Refused(refusal) => match refusal {
            Refusal::Damaged => damaged_row(),
            Refusal::NoSuchBucket => StoreError::NoSuchBucket,
            Refusal::BucketExists(owner) => StoreError::BucketExists { owner },
            Refusal::BucketNotEmpty => StoreError::BucketNotEmpty,
            Refusal::NoSuchKey => StoreError::NoSuchKey,
            Refusal::NoSuchVersion => StoreError::NoSuchVersion,
            Refusal::Marker { version, modified, is_named } => {
                StoreError::DeleteMarker { version: Some(version), modified, is_named }
            }
            Refusal::Locked => StoreError::Locked,
            Refusal::BucketConflict => StoreError::BucketConflict,
            Refusal::ConfigurationTooLong => StoreError::ConfigurationTooLong,
            Refusal::NoSuchUpload => StoreError::NoSuchUpload,
            Refusal::InvalidPart(number) => StoreError::InvalidPart { number },
            Refusal::PartTooSmall { number, size } => StoreError::PartTooSmall { number, size },
            Refusal::TooManyAnnotations => StoreError::TooManyAnnotations,
            Refusal::Changed => StoreError::Changed,
            Refusal::PreconditionFailed => StoreError::PreconditionFailed,
            Refusal::Fenced(_) | Refusal::Stale => StoreError::Unavailable(refusal.to_string()),
        },
    }
}

/// A row that cannot be read as what it should be.
pub(crate) fn damaged_row() -> StoreError {
    from_engine(EngineError::corrupt("row", "index", 0))
}
