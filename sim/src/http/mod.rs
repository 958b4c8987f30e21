//! The client side of HTTP and S3, written apart from the server's, so that the two check each
//! other.

pub mod connection;
pub mod sign;
pub mod stream;
pub mod xml;
