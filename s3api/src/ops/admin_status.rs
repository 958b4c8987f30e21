//! AdminStatus: `GET /_stave/admin/v1/status`, the health of the store as JSON.

use super::Done;
use crate::error::{S3Result, codes};
use crate::health::STATUS_TIMEOUT;
use crate::response::{self, S3Response};
use crate::status;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let asked = tokio::time::timeout(STATUS_TIMEOUT, call.authorized.store().status()).await;
    let status = asked.map_err(|_| &codes::SERVICE_UNAVAILABLE)??;
    Ok(response::json(status::to_json(&status)))
}
