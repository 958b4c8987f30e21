//! Appends, over HTTP.

use super::wire::Outgoing;
use super::{Gateway, header, versions};
use engine::object::{AppendRequest, Body, PutOutcome, StoreError, WriteCondition};
use http::Method;

impl Gateway {
    pub(super) async fn append_object(
        &self,
        request: AppendRequest,
        body: Body,
    ) -> Result<PutOutcome, StoreError> {
        let AppendRequest { bucket, key, base, len, .. } = request;
        let mut put = Outgoing::new(Method::PUT, bucket.as_str(), Some(key.as_str()));
        put = put.header("x-amz-write-offset-bytes", &base.size.to_string());
        put = put.condition(&WriteCondition::Matches(base.etag), |number| self.tags.tag_of(number));
        let (_, _, answer) = self.send_body(put, body, len).await?;
        let etag = self.tags.number_of(header(&answer.headers, "etag")).0;
        let size = header(&answer.headers, "x-amz-object-size").parse().unwrap_or_default();
        let version = versions::told(&answer.headers);
        Ok(PutOutcome { etag, checksum: None, size, modified: 0, version })
    }
}
