//! What clients look for and is not there: each answer is the one that AWS gives where nothing is
//! configured.

use super::Done;
use crate::error::{S3Error, S3Result, codes};
use crate::response::{self, S3Response};
use crate::route::Operation;
use crate::xml::XmlWriter;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let error = |code| Err(S3Error::from(code));
    let operation = call.authorized.route().operation;
    let (root, content) = match operation {
        Operation::GetBucketLifecycleConfiguration => return error(&codes::NO_SUCH_LIFECYCLE),
        Operation::GetBucketReplication => return error(&codes::NO_SUCH_REPLICATION),
        Operation::GetBucketWebsite => return error(&codes::NO_SUCH_WEBSITE),
        Operation::GetBucketLogging => ("BucketLoggingStatus", None),
        Operation::GetBucketNotificationConfiguration => ("NotificationConfiguration", None),
        Operation::GetBucketAccelerateConfiguration => ("AccelerateConfiguration", None),
        Operation::GetBucketRequestPayment => {
            ("RequestPaymentConfiguration", Some(("Payer", "BucketOwner")))
        }
        // One configuration of many.
        Operation::ListBucketAnalyticsConfigurations
        | Operation::ListBucketIntelligentTieringConfigurations
        | Operation::ListBucketInventoryConfigurations
        | Operation::ListBucketMetricsConfigurations
            if call.query("id").is_some() =>
        {
            return error(&codes::NO_SUCH_CONFIGURATION);
        }
        Operation::ListBucketAnalyticsConfigurations => {
            ("ListBucketAnalyticsConfigurationResult", Some(("IsTruncated", "false")))
        }
        Operation::ListBucketIntelligentTieringConfigurations => {
            ("ListBucketIntelligentTieringConfigurationsOutput", Some(("IsTruncated", "false")))
        }
        Operation::ListBucketInventoryConfigurations => {
            ("ListInventoryConfigurationsResult", Some(("IsTruncated", "false")))
        }
        _ => ("ListMetricsConfigurationsResult", Some(("IsTruncated", "false"))),
    };
    let mut xml = XmlWriter::root(root);
    if let Some((name, text)) = content {
        xml.text(name, text);
    }
    xml.close(root);
    Ok(response::xml(xml.finish()))
}
