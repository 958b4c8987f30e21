//! XML, both ways: a writer of documents and a strict pull reader of the few bodies that S3 takes.
//!
//! - X1: a DOCTYPE, an entity other than the five predefined ones, or nesting beyond
//!   [`reader::DEPTH_MAX`] is an error.
//! - X2: every text that is written is escaped; control characters become character references, as
//!   AWS writes them.

pub mod bodies;
pub mod encryption;
pub mod lock;
pub mod reader;
pub mod settings;
mod writer;

pub use writer::{DECLARATION, XmlWriter};
