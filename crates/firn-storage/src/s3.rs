//! S3 through `object_store`, the only module that knows it: signing, listing and multipart are its work; requests
//! are sent by [`crate::transport`], which also decides about repetition.

use crate::credentials::{CredentialState, Fetched};
use crate::error::StorageError;
use crate::fetched::{FetchError, Provider};
use crate::http::unreachable_source;
use crate::remote::{Opened, check_version};
use crate::transport::{Answer, Call, Transport, TransportError, TransportKind, status_kind};
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, SourceError, SourceVersion};
use futures::TryStreamExt;
use http_body::{Body, Frame, SizeHint};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, RetryConfig};
use reqwest::Method;
use reqwest::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH, RANGE};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use url::Url;

/// What is needed to reach one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BucketAddress {
    pub bucket: String,
    pub endpoint: Option<Url>,
    pub region: String,
    pub virtual_hosted: bool,
    pub anonymous: bool,
    /// Where the credentials come from: two accounts may reach one bucket.
    pub account: String,
}

impl BucketAddress {
    /// What names the bucket among all services.
    pub(crate) fn identity(&self) -> String {
        let endpoint = self.endpoint.as_ref().map_or_else(|| format!("aws {}", self.region), Url::to_string);
        format!("s3://{} at {}", self.bucket, endpoint.trim_end_matches('/'))
    }
}

/// A client of one bucket.
pub(crate) fn client(
    transport: &Arc<Transport>,
    address: &BucketAddress,
    state: &CredentialState,
) -> Result<Arc<AmazonS3>, StorageError> {
    // Repetition is the transport's: two loops inside each other would multiply.
    let no_retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&address.bucket)
        .with_region(&address.region)
        .with_virtual_hosted_style_request(address.virtual_hosted)
        .with_retry(no_retry)
        // One DELETE for one object is what every service understands; bulk deletion is not.
        .with_disable_bulk_delete(true)
        .with_http_connector(Connector { transport: Arc::clone(transport) });
    if let Some(endpoint) = &address.endpoint {
        builder = builder.with_endpoint(endpoint_text(endpoint, address)).with_allow_http(endpoint.scheme() == "http");
    }
    builder = match state {
        CredentialState::Keys(keys) => {
            let builder =
                builder.with_access_key_id(&keys.access_key_id).with_secret_access_key(&keys.secret_access_key);
            match &keys.session_token {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
        CredentialState::Fetched(how) => match &**how {
            Fetched::Ambient(settings) => settings.iter().try_fold(builder, |builder, (key, value)| {
                let key: AmazonS3ConfigKey = key
                    .parse()
                    .map_err(|error: object_store::Error| StorageError::Misuse { what: error.to_string() })?;
                Ok::<_, StorageError>(builder.with_config(key, value))
            })?,
            how => builder.with_credentials(Arc::new(Provider::new(transport, how))),
        },
        CredentialState::None | CredentialState::Cloud(_) | CredentialState::Unusable { .. } => {
            builder.with_skip_signature(true)
        }
    };
    let at = At::url(format!("s3://{}", address.bucket));
    let store = builder.build().map_err(|error| StorageError::BadUrl { at, what: scrub(&error.to_string()) })?;
    Ok(Arc::new(store))
}

/// With virtual addressing the library wants the endpoint of the bucket itself.
pub(crate) fn endpoint_text(endpoint: &Url, address: &BucketAddress) -> String {
    let text = endpoint.as_str().trim_end_matches('/');
    if !address.virtual_hosted {
        return text.to_owned();
    }
    text.replacen("://", &format!("://{}.", address.bucket), 1)
}

/// The key as the library's path.
///
/// # Errors
/// [`StorageError::Unsupported`] for keys that exist in buckets but that the library cannot name (`a//b`).
pub(crate) fn path(at: &At, key: &str) -> Result<Path, StorageError> {
    Path::parse(key).map_err(|_| StorageError::Unsupported {
        at: at.clone(),
        what: "the key has an empty, `.` or `..` segment or a control character".to_owned(),
        next: "copy the object to a key without them".into(),
    })
}

/// Gives the library a client that sends by way of our transport.
#[derive(Debug)]
pub(crate) struct Connector {
    pub transport: Arc<Transport>,
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service { transport: Arc::clone(&self.transport) }))
    }
}

#[derive(Debug)]
struct Service {
    transport: Arc<Transport>,
}

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let limits = &self.transport.limits;
        let call = Call {
            repeatable: is_repeatable(&parts.method, &url, &parts.headers),
            limit_partial: range_length(&parts.headers).unwrap_or(limits.object_in_memory),
            limit_whole: match range_length(&parts.headers) {
                Some(_) => limits.whole_object,
                None => limits.object_in_memory,
            },
            body: (body.content_length() > 0).then_some(body),
            method: parts.method,
            headers: parts.headers,
            url,
            in_runs: true,
            moved: 0,
            redirects: false,
            keys: None,
        };
        let answer = self.transport.send(&call).await.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let status = answer.status;
        // The library keeps the kind of these; of all others, and of a listing that fails, only a text would remain.
        let is_listing =
            call.url.query_pairs().any(|(key, value)| key == "list-type" || (key == "comp" && value == "list"));
        let known = match status.as_u16() {
            401 | 403 | 404 => !is_listing,
            code => matches!(code, 304 | 409 | 412),
        };
        if !status.is_success() && !known {
            let error = TransportError { kind: status_kind(&answer), attempts: 1 };
            return Err(HttpError::new(HttpErrorKind::Unknown, error));
        }
        Ok(response(answer))
    }
}

fn response(answer: Answer) -> HttpResponse {
    let body = if answer.runs.is_empty() { answer.body.into() } else { HttpResponseBody::new(Runs::new(answer.runs)) };
    let mut response = HttpResponse::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// A body in the runs in which it came.
struct Runs {
    left: u64,
    runs: std::vec::IntoIter<Bytes>,
}

impl Runs {
    fn new(runs: Vec<Bytes>) -> Self {
        Self { left: runs.iter().map(|run| run.len() as u64).sum(), runs: runs.into_iter() }
    }
}

impl Body for Runs {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let next = self.runs.next();
        self.left -= next.as_ref().map_or(0, |run| run.len() as u64);
        Poll::Ready(next.map(|run| Ok(Frame::data(run))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// May the request be sent again when nobody knows whether the first was carried out? A conditional write may not:
/// its own first success would make the second fail. Neither may the completion of an upload.
fn is_repeatable(method: &Method, url: &Url, headers: &HeaderMap) -> bool {
    let conditional = headers.contains_key(IF_NONE_MATCH)
        || headers.contains_key(IF_MATCH)
        || headers.contains_key("x-goog-if-generation-match");
    let completes = *method == Method::POST && url.query_pairs().any(|(key, _)| key == "uploadId");
    !(completes || conditional && *method == Method::PUT)
}

fn range_length(headers: &HeaderMap) -> Option<u64> {
    let (first, last) = headers.get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    last.checked_sub(first)?.checked_add(1)
}

/// What went wrong, in kinds that this crate decides by.
#[derive(Debug)]
pub(crate) enum S3Failure {
    /// The object does not exist, or (named) the bucket.
    NotFound { bucket: bool },
    /// The server refuses.
    Denied(String),
    /// 409, or the condition of `If-None-Match: *` did not hold.
    Exists,
    /// The condition of `If-Match` did not hold.
    Precondition,
    /// No usable answer.
    Transport(TransportError),
    /// The library understood the answer as wrong.
    Broken(String),
}

impl S3Failure {
    pub(crate) fn of(error: &object_store::Error) -> Self {
        if let Some(transport) = find::<TransportError>(error) {
            return match &transport.kind {
                TransportKind::Status { status: 401 | 403, .. } => Self::Denied(transport.to_string()),
                // Only of a listing: then it is the bucket.
                TransportKind::Status { status: 404, .. } => Self::NotFound { bucket: true },
                _ => Self::Transport(transport.clone()),
            };
        }
        if let Some(fetch) = find::<FetchError>(error) {
            return Self::Denied(fetch.to_string());
        }
        match error {
            object_store::Error::NotFound { source, .. } => {
                Self::NotFound { bucket: source.to_string().contains("NoSuchBucket") }
            }
            object_store::Error::AlreadyExists { .. } => Self::Exists,
            object_store::Error::Precondition { .. } | object_store::Error::NotModified { .. } => Self::Precondition,
            object_store::Error::PermissionDenied { source, .. }
            | object_store::Error::Unauthenticated { source, .. } => Self::Denied(denial(&source.to_string())),
            other => Self::Broken(scrub(&other.to_string())),
        }
    }

    /// As an error of a reader.
    pub(crate) fn source(&self, at: &At) -> SourceError {
        let at = at.clone();
        match self {
            Self::NotFound { bucket: false } => SourceError::NotFound { at },
            Self::NotFound { bucket: true } => SourceError::NotFound { at: bucket_of(&at) },
            Self::Denied(what) => SourceError::Denied { at, what: what.clone() },
            Self::Exists => {
                let what = "the server answers 409: another request is at work on it".to_owned();
                SourceError::Unavailable { at, what }
            }
            Self::Precondition => {
                SourceError::Changed { at, what: "a condition of the request does not hold".to_owned() }
            }
            Self::Transport(error) => unreachable_source(&at, error),
            Self::Broken(what) => SourceError::Broken { at, what: what.clone() },
        }
    }

    /// Can the server have carried out the request that failed like this?
    pub(crate) fn may_have_happened(&self) -> bool {
        match self {
            Self::Transport(error) => error.kind.may_have_happened(),
            Self::Broken(_) => true,
            _ => false,
        }
    }
}

pub(crate) fn bucket_of(at: &At) -> At {
    let address = at.url.as_deref().and_then(|url| url.split_once("://"));
    address.map_or_else(
        || at.clone(),
        |(scheme, rest)| At::url(format!("{scheme}://{}", rest.split('/').next().unwrap_or_default())),
    )
}

/// The first error of this type among the causes.
pub(crate) fn find<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The S3 code of a refusal, without the rest of the answer.
fn denial(text: &str) -> String {
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    match code {
        Some(code) if code.len() < 64 => format!("the server answers {code}"),
        _ => "the server refuses access".to_owned(),
    }
}

/// The text without queries of URLs, which may be signatures, and at most 300 characters of it.
pub(crate) fn scrub(text: &str) -> String {
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| if word.contains("://") { word.split('?').next().unwrap_or_default() } else { word })
        .filter(|word| !word.contains("X-Amz-") && !word.contains("Signature="))
        .collect();
    words.join(" ").chars().take(300).collect()
}

fn joined(mut runs: Vec<Bytes>) -> Bytes {
    match runs.pop() {
        None => Bytes::new(),
        Some(one) if runs.is_empty() => one,
        Some(last) => {
            runs.push(last);
            runs.concat().into()
        }
    }
}

/// An object of a bucket, by what all services have in common.
#[derive(Clone)]
pub(crate) struct StoreObject {
    pub store: Arc<dyn ObjectStore>,
    pub path: Path,
    pub at: At,
}

impl StoreObject {
    /// Asks for the first `head` bytes, and so learns whether the object exists, its size and its version.
    pub(crate) async fn open(&self, head: u64) -> Result<Option<Opened>, SourceError> {
        match self.get(0..head.max(1)).await {
            Ok((version, head)) => Ok(Some(Opened { version, head })),
            Err(S3Failure::NotFound { bucket: false }) => Ok(None),
            Err(S3Failure::Transport(TransportError { kind: TransportKind::Status { status: 416, .. }, .. })) => {
                let head = self.store.get_opts(&self.path, GetOptions::new().with_head(true)).await;
                let meta = head.map_err(|error| S3Failure::of(&error).source(&self.at))?.meta;
                if meta.size > 0 {
                    let what = "the server says that the object has no first byte, and that it is not empty".to_owned();
                    return Err(SourceError::Broken { at: self.at.clone(), what });
                }
                Ok(Some(Opened { version: version(&meta), head: Bytes::new() }))
            }
            Err(failure) => Err(failure.source(&self.at)),
        }
    }

    /// Exactly these bytes of exactly this version.
    pub(crate) async fn read(&self, range: ByteRange, expected: &SourceVersion) -> Result<Bytes, SourceError> {
        Ok(joined(self.runs(range, expected).await?))
    }

    /// The same in the runs in which they came.
    pub(crate) async fn runs(&self, range: ByteRange, expected: &SourceVersion) -> Result<Vec<Bytes>, SourceError> {
        let length = range.end - range.start;
        let at = self.at.bytes(range.start, length);
        match self.get_runs(range).await {
            Ok((version, runs)) => {
                check_version(&at, expected, &version)?;
                let came: u64 = runs.iter().map(|run| run.len() as u64).sum();
                if came != length {
                    let what = format!("{length} bytes were asked for, and {came} came");
                    return Err(SourceError::Broken { at, what });
                }
                Ok(runs)
            }
            Err(S3Failure::NotFound { bucket: false }) => {
                Err(SourceError::Changed { at, what: "it was there before and is gone now".to_owned() })
            }
            Err(failure) => Err(failure.source(&at)),
        }
    }

    async fn get(&self, range: ByteRange) -> Result<(SourceVersion, Bytes), S3Failure> {
        let (version, runs) = self.get_runs(range).await?;
        Ok((version, joined(runs)))
    }

    async fn get_runs(&self, range: ByteRange) -> Result<(SourceVersion, Vec<Bytes>), S3Failure> {
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(range)));
        let failure = |error: object_store::Error| S3Failure::of(&error);
        let result = self.store.get_opts(&self.path, options).await.map_err(failure)?;
        let version = version(&result.meta);
        let expected = result.range.end - result.range.start;
        let runs: Vec<Bytes> = result.into_stream().try_collect().await.map_err(failure)?;
        let came: u64 = runs.iter().map(|run| run.len() as u64).sum();
        if came != expected {
            return Err(S3Failure::Broken(format!("{expected} bytes were announced, and {came} came")));
        }
        Ok((version, runs))
    }
}

/// An object of a bucket of an S3 service.
#[derive(Clone)]
pub(crate) struct S3Object {
    pub object: StoreObject,
    pub client: Arc<AmazonS3>,
    pub address: Arc<BucketAddress>,
}

/// The tag as headers write it: listings of Azure leave the quotes out.
fn quoted(tag: &str) -> String {
    if tag.ends_with('"') { tag.to_owned() } else { format!("\"{tag}\"") }
}

/// What a listing or an answer says of an object.
pub(crate) fn version(meta: &ObjectMeta) -> SourceVersion {
    SourceVersion {
        etag: meta.e_tag.as_deref().map(quoted),
        last_modified: Some(meta.last_modified.timestamp()).filter(|seconds| *seconds > 0),
        nanoseconds: None,
        size: meta.size,
    }
}
