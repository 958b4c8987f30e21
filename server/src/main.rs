//! The binary `stave`.
fn main() {}
