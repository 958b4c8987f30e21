//! The error codes of S3 that this crate answers with: name, HTTP status, default message.

/// One error code.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// As in the XML's `Code`.
    pub name: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What the XML's `Message` says when the place of the error knows nothing better.
    pub message: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $status:literal $name:literal $message:literal;)*) => {
        $(#[doc = $message] pub const $constant: ErrorCode =
            ErrorCode { name: $name, status: $status, message: $message };)*
    };
}

codes! {
    ACCESS_DENIED = 403 "AccessDenied" "Access Denied.";
    ACL_NOT_SUPPORTED = 400 "AccessControlListNotSupported" "The bucket does not allow ACLs.";
    ANNOTATION_LIMIT_EXCEEDED = 400 "AnnotationLimitExceeded"
        "An object has 1000 annotations at most.";
    ANNOTATION_NAME_TOO_LONG = 400 "AnnotationNameTooLong"
        "The name of an annotation has 512 bytes at most.";
    AUTHORIZATION_HEADER_MALFORMED = 400 "AuthorizationHeaderMalformed"
        "The authorization header is malformed.";
    AUTHORIZATION_QUERY_PARAMETERS = 400 "AuthorizationQueryParametersError"
        "The query parameters that sign the request are malformed.";
    BAD_DIGEST = 400 "BadDigest" "A checksum you specified did not match what was received.";
    BAD_REQUEST = 400 "BadRequest" "The request is malformed.";
    BUCKET_ALREADY_OWNED_BY_YOU = 409 "BucketAlreadyOwnedByYou"
        "The bucket exists already and you own it.";
    BUCKET_NOT_EMPTY = 409 "BucketNotEmpty" "The bucket you tried to delete is not empty.";
    ENTITY_TOO_LARGE = 400 "EntityTooLarge" "Your upload exceeds the maximum allowed object size.";
    ENTITY_TOO_SMALL = 400 "EntityTooSmall"
        "Your upload is smaller than the minimum allowed object size.";
    ILLEGAL_LOCATION_CONSTRAINT = 400 "IllegalLocationConstraintException"
        "The location constraint is not that of this endpoint.";
    INCOMPLETE_BODY = 400 "IncompleteBody"
        "You did not provide the number of bytes that the request announced.";
    INTERNAL_ERROR = 500 "InternalError" "An internal error occurred. Try again.";
    INCORRECT_NUMBER_OF_FILES = 400 "IncorrectNumberOfFilesInPOSTRequest"
        "POST requires exactly one file upload per request.";
    INVALID_ACCESS_KEY_ID = 403 "InvalidAccessKeyId"
        "The access key you provided does not exist.";
    INVALID_ANNOTATION_NAME = 400 "InvalidAnnotationName"
        "The name of an annotation consists of letters, digits, underscores, periods and hyphens, \
         and begins neither with aws nor with s3.";
    INVALID_ARGUMENT = 400 "InvalidArgument" "An argument is not valid.";
    INVALID_BUCKET_NAME = 400 "InvalidBucketName" "The bucket name is not valid.";
    INVALID_DIGEST = 400 "InvalidDigest" "The Content-MD5 you specified is not valid.";
    INVALID_ENCRYPTION_ALGORITHM = 400 "InvalidEncryptionAlgorithmError"
        "The encryption request you specified is not valid. The valid value is AES256.";
    INVALID_PART = 400 "InvalidPart"
        "A part was not found, or its entity tag is not the one that was uploaded.";
    INVALID_PART_NUMBER = 416 "InvalidPartNumber" "The requested partnumber is not satisfiable.";
    INVALID_PART_ORDER = 400 "InvalidPartOrder" "The parts are not in ascending order.";
    INVALID_POLICY_DOCUMENT = 400 "InvalidPolicyDocument"
        "The content of the form does not meet the conditions specified in the policy document.";
    INVALID_PREFIX = 400 "InvalidPrefix" "No name of an annotation begins like this.";
    INVALID_RANGE = 416 "InvalidRange" "The requested range cannot be satisfied.";
    INVALID_REDIRECT_LOCATION = 400 "InvalidRedirectLocation"
        "The website redirect location is not valid.";
    INVALID_REQUEST = 400 "InvalidRequest" "The request is not valid.";
    INVALID_STORAGE_CLASS = 400 "InvalidStorageClass" "The storage class is not valid.";
    EXPIRED_TOKEN = 400 "ExpiredToken" "The provided token has expired.";
    INVALID_ACTION = 400 "InvalidAction" "The action is not valid for this endpoint.";
    INVALID_TOKEN = 400 "InvalidToken" "The provided security token is not valid.";
    INVALID_URI = 400 "InvalidURI" "The URI of the request could not be parsed.";
    KMS_KEY_EXISTS = 409 "KMS.AlreadyExistsException" "The key exists already.";
    KMS_NOT_FOUND = 400 "KMS.NotFoundException" "Invalid keyId: there is no such key.";
    KEY_TOO_LONG = 400 "KeyTooLongError" "The key is too long.";
    MALFORMED_POST_REQUEST = 400 "MalformedPOSTRequest"
        "The body of your POST request is not well-formed multipart/form-data.";
    MALFORMED_TRAILER = 400 "MalformedTrailerError"
        "The trailer of the request is malformed or not the one that was announced.";
    MALFORMED_XML = 400 "MalformedXML" "The XML you provided is malformed or not as published.";
    MAX_POST_PRE_DATA_LENGTH = 400 "MaxPostPreDataLengthExceeded"
        "Your POST request fields preceding the upload file were too large.";
    MAX_MESSAGE_LENGTH_EXCEEDED = 400 "MaxMessageLengthExceeded" "The request body is too large.";
    MISSING_SECURITY_HEADER = 400 "MissingSecurityHeader"
        "Your request was missing a required header.";
    UNEXPECTED_CONTENT = 400 "UnexpectedContent" "This request does not support content.";
    TOO_MANY_PARTS = 400 "TooManyParts"
        "You have attempted to add more parts than the maximum of 10000 that are allowed for this \
         object. Copy it to another object and append to that.";
    INVALID_WRITE_OFFSET = 400 "InvalidWriteOffset"
        "The write offset value that you specified does not match the current object size.";
    METADATA_TOO_LARGE = 400 "MetadataTooLarge" "The metadata headers exceed the maximum size.";
    METHOD_NOT_ALLOWED = 405 "MethodNotAllowed"
        "The method is not allowed against this resource.";
    MISSING_CONTENT_LENGTH = 411 "MissingContentLength" "The length of the body must be announced.";
    NOT_IMPLEMENTED = 501 "NotImplemented"
        "The request needs functionality that is not implemented.";
    NO_SUCH_ANNOTATION = 404 "NoSuchAnnotation" "The specified annotation does not exist.";
    NO_SUCH_BUCKET = 404 "NoSuchBucket" "The specified bucket does not exist";
    NO_SUCH_KEY = 404 "NoSuchKey" "The specified key does not exist.";
    NO_SUCH_UPLOAD = 404 "NoSuchUpload"
        "The upload does not exist; it may have been aborted or completed.";
    NO_SUCH_VERSION = 404 "NoSuchVersion" "The version does not exist.";
    PRECONDITION_FAILED = 412 "PreconditionFailed"
        "At least one of the pre-conditions you specified did not hold";
    REQUEST_TIMEOUT = 400 "RequestTimeout"
        "Nothing was read from the connection for too long.";
    REQUEST_TIME_TOO_SKEWED = 403 "RequestTimeTooSkewed"
        "The difference between the request time and the current time is too large.";
    SERVICE_UNAVAILABLE = 503 "ServiceUnavailable" "The service is unavailable. Try again.";
    SIGNATURE_DOES_NOT_MATCH = 403 "SignatureDoesNotMatch"
        "The signature we calculated does not match the one you provided.";
    SLOW_DOWN = 503 "SlowDown" "Please reduce your request rate.";
    STORAGE_FULL = 507 "InsufficientStorage" "The disks are full.";
    UNSUPPORTED_MEDIA_TYPE = 415 "UnsupportedMediaType"
        "An annotation is text in UTF-8. Encode other bytes in base64.";
    X_AMZ_CONTENT_SHA256_MISMATCH = 400 "XAmzContentSHA256Mismatch"
        "The x-amz-content-sha256 you specified did not match what was received.";
    ACCESS_DENIED_LOCKED = 403 "AccessDenied"
        "Access Denied because object protected by object lock.";
    BUCKET_ALREADY_EXISTS = 409 "BucketAlreadyExists"
        "The requested bucket name is not available: it belongs to somebody else.";
    CONDITIONAL_CONFLICT = 409 "ConditionalRequestConflict"
        "The conditional request met another one on the same key. Try again.";
    INVALID_BUCKET_ACL = 400 "InvalidBucketAclWithObjectOwnership"
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    ILLEGAL_VERSIONING = 400 "IllegalVersioningConfigurationException"
        "The versioning configuration specified in the request is invalid.";
    INVALID_RETENTION_PERIOD = 400 "InvalidRetentionPeriod" "The retention period is not valid.";
    INVALID_BUCKET_STATE = 409 "InvalidBucketState"
        "The request is not valid for the current state of the bucket.";
    INVALID_TAG = 400 "InvalidTag" "The tag provided was not a valid tag.";
    MALFORMED_ACL = 400 "MalformedACLError"
        "The ACL you provided is malformed or not as published.";
    MALFORMED_POLICY_DOCUMENT = 400 "MalformedPolicyDocument" "The policy is malformed.";
    MISSING_ACTION = 400 "MissingAction" "The request names no action.";
    PACKED_POLICY_TOO_LARGE = 400 "PackedPolicyTooLarge"
        "The policy of a session has 2048 bytes at most.";
    VALIDATION_ERROR = 400 "ValidationError" "A parameter is not valid.";
    MALFORMED_POLICY = 400 "MalformedPolicy" "The policy is malformed.";
    NO_SUCH_BUCKET_POLICY = 404 "NoSuchBucketPolicy" "The bucket policy does not exist";
    NO_SUCH_CONFIGURATION = 404 "NoSuchConfiguration" "The specified configuration does not exist.";
    NO_SUCH_CORS = 404 "NoSuchCORSConfiguration" "The CORS configuration does not exist";
    NO_SUCH_ENCRYPTION = 404 "ServerSideEncryptionConfigurationNotFoundError"
        "The server side encryption configuration was not found";
    NO_SUCH_LIFECYCLE = 404 "NoSuchLifecycleConfiguration"
        "The lifecycle configuration does not exist";
    NO_SUCH_LOCK = 404 "NoSuchObjectLockConfiguration"
        "The specified object does not have a ObjectLock configuration";
    NO_SUCH_LOCK_CONFIGURATION = 404 "ObjectLockConfigurationNotFoundError"
        "Object Lock configuration does not exist for this bucket";
    NO_SUCH_OWNERSHIP = 404 "OwnershipControlsNotFoundError"
        "The bucket ownership controls were not found";
    NO_SUCH_PUBLIC_ACCESS_BLOCK = 404 "NoSuchPublicAccessBlockConfiguration"
        "The public access block configuration was not found";
    NO_SUCH_REPLICATION = 404 "ReplicationConfigurationNotFoundError"
        "The replication configuration was not found";
    NO_SUCH_TAG_SET = 404 "NoSuchTagSet" "The TagSet does not exist";
    NO_SUCH_WEBSITE = 404 "NoSuchWebsiteConfiguration"
        "The specified bucket does not have a website configuration";
    UNRESOLVABLE_GRANT = 400 "UnresolvableGrantByEmailAddress"
        "The e-mail address you provided does not match any account on record.";
}
