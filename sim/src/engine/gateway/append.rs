//! Appends, over HTTP. Whoever knows what it appends to says so; a wrong offset is sent alone, so
//! that nothing else is refused.

use super::wire::Outgoing;
use super::{Gateway, header, versions};
use engine::object::{AppendRequest, Body, PutOutcome, StoreError, WriteCondition};
use http::Method;

/// What an append says of what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// Which value it is.
    Value,
    /// That nothing is.
    Absent,
    /// An offset that is wrong.
    WrongOffset,
}

impl Gateway {
    pub(super) async fn append_object(
        &self,
        request: AppendRequest,
        body: Body,
    ) -> Result<PutOutcome, StoreError> {
        let AppendRequest { bucket, key, base, len, join, .. } = request;
        let known = self.tags.size_of(&base.etag.0);
        let says = match (known.is_none_or(|size| size == base.size), base.etag.0.as_str()) {
            (true, "") if base.size == 0 => Says::Absent,
            (false, _) | (true, "") => Says::WrongOffset,
            (true, _) => Says::Value,
        };
        let mut put = Outgoing::new(Method::PUT, bucket.as_str(), Some(key.as_str()));
        put = put.header("x-amz-write-offset-bytes", &base.size.to_string());
        if says == Says::Value {
            let condition = WriteCondition::Matches(base.etag.clone());
            put = self.bind(put, (&bucket, &key), &condition).await?;
        }
        let way = self.way(&key);
        put = self.sealed(put, &key).await?;
        let gathered = self.gather(&key, body).await;
        let size = base.size + gathered.len();
        let number = join(&gathered.number, None, gathered.len()).0;
        if gathered.is_whole() {
            let body = (&gathered.bytes(), way.hides_tags());
            self.tags.learn_append(&number, &base.etag, body);
        }
        let sent = self.send_gathered(put, gathered, len).await;
        let answer = sent.map_err(|error| refusal(says, error))?;
        let etag = self.told(&key, &number, &answer.headers)?.0;
        // What begins an object is answered as any other write.
        let told = header(&answer.headers, "x-amz-object-size").parse();
        let size = if says == Says::Absent { size } else { told.unwrap_or_default() };
        let version = versions::told(&answer.headers);
        Ok(PutOutcome { etag, checksum: None, size, modified: 0, version })
    }
}

/// What a refusal means; the errors that S3 has for it are no others of the store's.
fn refusal(says: Says, error: StoreError) -> StoreError {
    match (says, error) {
        (_, StoreError::Corrupt(text)) if text.contains(" InvalidWriteOffset:") => {
            StoreError::PreconditionFailed
        }
        (_, StoreError::Corrupt(text)) if text.contains(" ConditionalRequestConflict:") => {
            StoreError::BucketConflict
        }
        (Says::Absent | Says::WrongOffset, StoreError::PreconditionFailed) => {
            StoreError::Corrupt("a wrong offset was refused as something else".into())
        }
        (Says::Absent, StoreError::NoSuchKey) => {
            StoreError::Corrupt("an object can begin at its first byte, and did not".into())
        }
        (_, error) => error,
    }
}
