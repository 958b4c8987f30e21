//! The chain of signatures over an aws-chunked body: each signs its chunk and the signature before
//! it.

use super::key::SigningKey;
use super::{EMPTY_SHA256, Scope};

/// The chain, at one point of the body. It begins with the signature of the request's head.
#[derive(Clone)]
pub struct ChunkChain {
    key: SigningKey,
    /// Timestamp and scope, a line each, as every link repeats them.
    context: String,
    previous: String,
}

impl ChunkChain {
    /// The chain that begins with `seed`, the signature of the head.
    pub fn new(key: SigningKey, timestamp: &str, scope: &Scope<'_>, seed: &str) -> Self {
        let mut context = String::with_capacity(64);
        context.push_str(timestamp);
        context.push('\n');
        scope.push(&mut context);
        context.push('\n');
        Self { key, context, previous: seed.to_owned() }
    }

    /// Signature of the next chunk, from the SHA-256 of its data in hexadecimal.
    pub fn chunk(&mut self, sha256_hex: &str) -> &str {
        let lines = [EMPTY_SHA256, "\n", sha256_hex];
        self.link("AWS4-HMAC-SHA256-PAYLOAD\n", &lines)
    }

    /// Signature of the trailer, from the SHA-256 of its lines in hexadecimal.
    pub fn trailer(&mut self, sha256_hex: &str) -> &str {
        self.link("AWS4-HMAC-SHA256-TRAILER\n", &[sha256_hex])
    }

    fn link(&mut self, algorithm: &str, tail: &[&str]) -> &str {
        let mut text = String::with_capacity(320);
        for part in [algorithm, &self.context, &self.previous, "\n"] {
            text.push_str(part);
        }
        for part in tail {
            text.push_str(part);
        }
        self.previous = self.key.sign(&text);
        &self.previous
    }
}

#[cfg(test)]
mod tests {
    use super::super::SigningService;
    use super::super::sha256_hex;
    use super::*;

    /// The example of AWS's documentation: 65 KiB of `a` in chunks of 64 KiB.
    #[test]
    fn chain_of_aws_documentation() {
        let scope = Scope { day: "20130524", region: "us-east-1", service: SigningService::S3 };
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &scope);
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let mut chain = ChunkChain::new(key, "20130524T000000Z", &scope, seed);
        let chunks = [
            (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
            (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
            (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
        ];
        for (len, expected) in chunks {
            assert_eq!(chain.chunk(&sha256_hex(&vec![b'a'; len])), expected);
        }
    }
}
