//! The S3 protocol: HTTP in, `ObjectStore` calls out.
