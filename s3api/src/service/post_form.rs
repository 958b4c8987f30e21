//! The way of a form: its fields say who it is from, and which write it asks for.

use super::Service;
use crate::access::{AccessRecord, Facts};
use crate::auth::Unauthenticated;
use crate::body::BodyPlan;
use crate::body::frames::Frames;
use crate::body::pace::Pace;
use crate::error::{S3Error, S3Result, codes};
use crate::form::FormReader;
use crate::form::body::{FormBody, check_max};
use crate::form::fields::FormFields;
use crate::form::multipart;
use crate::ops::{self, Call, RequestIds};
use crate::request::RequestHead;
use crate::response::S3Response;
use crate::route::Route;
use crate::sigv4::presign;
use bytes::Bytes;
use engine::object::BucketName;
use http::header::AUTHORIZATION;
use http_body::Body as HttpBody;
use std::net::IpAddr;

/// A request whose form is not read yet.
pub(super) struct Arrival {
    pub head: RequestHead,
    pub route: &'static Route,
    pub peer: Option<IpAddr>,
    /// What HTTP itself announces.
    pub http_len: Option<u64>,
}

impl Service {
    /// From the head of a form to its answer.
    pub(super) async fn run_form<B>(
        &self,
        arrival: Arrival,
        body: B,
        record: &mut AccessRecord,
        (facts, ids): (&mut Facts, &RequestIds),
    ) -> S3Result<S3Response>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    {
        let Arrival { head, route, peer, http_len } = arrival;
        let bucket = bucket_of_form(&head)?;
        let boundary = multipart::boundary(&head.headers)?;
        let http_len = http_len.ok_or_else(|| S3Error::from(&codes::MISSING_CONTENT_LENGTH))?;
        record.hold(self.admission.request()?);
        let frames = Frames::new(body, Pace::new(&self.config.limits), record.received());
        let mut reader = FormReader::new(frames, &boundary);
        let fields = FormFields::read(&mut reader).await?;
        let key = fields.key()?;
        fields.check_bucket(&bucket)?;
        let headers = fields.headers(&head.headers)?;
        let head = head.of_form((bucket, key), headers, fields.success());
        facts.target = Some(head.target.clone());
        let now = self.env.clock.unix_nanos();
        let request = Unauthenticated { head, route, peer };
        let (authenticated, mut range) =
            request.authenticate_form(&self.gate, now, &fields).await?;
        let (authorized, _) = authenticated.authorize(&self.gate).await?;
        range.max = range.max.min(self.config.limits.object_len_max);
        check_max(reader.file_len_min(http_len), range)?;
        let plan = BodyPlan::of_file(&authorized.head().headers)?;
        let call = Call {
            authorized,
            config: self.config.clone(),
            ids: ids.clone(),
            admission: self.admission.clone(),
            plan,
            open: Box::new(move |plan| Box::new(FormBody::new(reader, plan, range))),
        };
        ops::dispatch(call).await
    }
}

/// A form signs itself; a signature of its request would be a second one.
fn bucket_of_form(head: &RequestHead) -> S3Result<BucketName> {
    if head.headers.contains_key(AUTHORIZATION) || presign::is_signed(&head.query) {
        let message = "Only one auth mechanism is allowed: a form is signed by its fields.";
        return Err(S3Error::new(&codes::INVALID_REQUEST, message));
    }
    let bucket = head.target.bucket().cloned();
    bucket.ok_or_else(|| (&codes::METHOD_NOT_ALLOWED).into())
}
