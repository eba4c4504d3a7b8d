//! The one place that sends requests: retries, politeness per host, limits of time and size, counting.
//!
//! Both web servers and S3 go through it (S3 by way of the connector in `s3.rs`), so there is one budget per host and
//! one rule for `Retry-After`. A request that may not be repeated blindly (a conditional write) is repeated here only
//! where the server cannot have seen it or says that it did nothing.

use crate::budget::{Host, Hosts, Pace, Use};
use crate::certificates::Certificates;
use crate::error::StorageError;
use crate::settings::{LimitSettings, RetrySettings, TimeoutSettings};
use crate::web_keys::WebKeys;
use bytes::{Bytes, BytesMut};
use firn_model::diagnose::without_secrets;
use object_store::client::HttpRequestBody;
use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use url::Url;

/// Redirects that are followed before it counts as a loop.
const REDIRECTS: usize = 8;
/// Shorter answers are put together, whatever was asked for.
const LONGEST_RUN: u64 = 1 << 20;
/// Bytes of a failing answer that are looked at.
const FAILURE_BODY: u64 = 16 * 1024;
/// Slowest acceptable copy on a server, in bytes a second.
const SLOWEST_COPY: u64 = 4 << 20;

/// One request.
pub(crate) struct Call {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<HttpRequestBody>,
    /// May it be repeated without harm when nobody knows whether it was carried out?
    pub repeatable: bool,
    /// Most bytes of the answer to a 206.
    pub limit_partial: u64,
    /// Most bytes of any other successful answer.
    pub limit_whole: u64,
    /// Leave a long part of an object in the runs in which it came ([`Answer::runs`]).
    pub in_runs: bool,
    /// Bytes that the server copies itself before it answers, which it may do in silence.
    pub moved: u64,
    /// S3 requests are signed for one address: they are not redirected.
    pub redirects: bool,
    /// For web servers that want to know who asks.
    pub keys: Option<Arc<WebKeys>>,
}

impl Call {
    fn purpose(&self) -> Use {
        if matches!(self.method, Method::GET | Method::HEAD) { Use::Read } else { Use::Write }
    }
}

/// One answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Instead of `body`, where that was asked for: to put megabytes together costs as much as to receive them.
    pub runs: Vec<Bytes>,
    /// Bytes that a [`Sink`] took instead.
    pub taken: u64,
}

impl Answer {
    /// Bytes that were received.
    fn received(&self) -> u64 {
        self.taken + (self.body.len() + self.runs.iter().map(Bytes::len).sum::<usize>()) as u64
    }
}

/// Takes the part of an object that an answer carries while it comes: what is hashed and written at once is still in the cache of
/// the processor, and needs no memory.
pub(crate) trait Sink: Send {
    /// An answer begins. What was taken of an earlier one does not count.
    fn begin(&mut self);
    /// The next bytes; whether they could be taken.
    fn take(&mut self, bytes: Bytes) -> bool;
    /// Why they could not, where it was not that there were too many.
    fn failure(&mut self) -> Option<StorageError> {
        None
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}", if *attempts > 1 { format!(" ({attempts} attempts)") } else { String::new() })]
pub(crate) struct TransportError {
    pub kind: TransportKind,
    pub attempts: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransportKind {
    #[error("no connection: {0}")]
    Connect(String),
    #[error(
        "its certificate is not trusted ({0}); name the file with those of your site: SSL_CERT_FILE or AWS_CA_BUNDLE"
    )]
    Certificate(String),
    #[error("the answer took too long")]
    Timeout,
    #[error("the connection ended before the answer did: {0}")]
    Interrupted(String),
    #[error("the answer is longer than the {limit} bytes that {}", if *partial { "were asked for" } else { "are taken at once" })]
    TooLong { limit: u64, partial: bool },
    #[error("the bytes could not be kept")]
    NotTaken,
    #[error("redirected too often, or to something that is not http(s)")]
    Redirect,
    #[error("the answer has no length, so a cut transfer could not be told from a complete one")]
    NoLength,
    #[error("the server answers with status {status}{}", code.as_deref().map(|c| format!(" {c}")).unwrap_or_default())]
    Status {
        status: u16,
        /// The `<Code>` of an S3 error.
        code: Option<String>,
        /// The size that a 416 tells in its `Content-Range`.
        size: Option<u64>,
    },
}

impl TransportKind {
    /// Can the server have carried the request out?
    pub(crate) fn may_have_happened(&self) -> bool {
        !matches!(self, Self::Connect(_) | Self::Certificate(_) | Self::Status { status: 429, .. })
    }

    fn is_transient(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Timeout | Self::Interrupted(_))
    }
}

/// Requests and bytes since the start: what was asked of all servers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Traffic {
    /// Requests, repeated ones counted each time.
    pub requests: u64,
    /// Bytes of bodies that were received.
    pub received: u64,
}

pub(crate) struct Transport {
    plain: reqwest::Client,
    /// For web servers that know who asks.
    known: reqwest::Client,
    /// For requests on which a server works in silence: only the whole attempt has a limit of time.
    silent: reqwest::Client,
    hosts: Hosts,
    retry: RetrySettings,
    timeouts: TimeoutSettings,
    pub(crate) limits: LimitSettings,
    requests: AtomicU64,
    received: AtomicU64,
    pace: Pace,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    pub(crate) fn new(
        retry: RetrySettings,
        timeouts: TimeoutSettings,
        limits: LimitSettings,
        certificates: &Certificates,
    ) -> Result<Self, reqwest::Error> {
        let client = || {
            reqwest::Client::builder()
                .user_agent(concat!("firn/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(timeouts.connect)
                // Followed here, where it is known what may be sent to whom.
                .redirect(reqwest::redirect::Policy::none())
                .tls_certs_merge(certificates.found.iter().cloned())
        };
        Ok(Self {
            plain: client().read_timeout(timeouts.idle).build()?,
            // Who signs in at one host is sent back with a cookie for the other.
            known: client().read_timeout(timeouts.idle).cookie_store(true).build()?,
            silent: client().build()?,
            hosts: Hosts::default(),
            retry,
            timeouts,
            pace: Pace::new(limits.bandwidth),
            limits,
            requests: AtomicU64::new(0),
            received: AtomicU64::new(0),
        })
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic { requests: self.requests.load(Ordering::Relaxed), received: self.received.load(Ordering::Relaxed) }
    }

    /// The answer to this call, whatever its status; statuses that ask to try again only after the last attempt failed
    /// too, and then as an error.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, TransportError> {
        self.send_into(call, None).await
    }

    /// The same, where a part of an object that is answered goes into the sink.
    pub(crate) async fn send_into(
        &self,
        call: &Call,
        mut sink: Option<&mut dyn Sink>,
    ) -> Result<Answer, TransportError> {
        let limits = &self.limits;
        let (first, most) = if call.redirects {
            (limits.requests_per_web_host, limits.requests_per_web_host)
        } else {
            (limits.requests_per_s3_host, limits.most_requests_per_s3_host)
        };
        let host = self.hosts.get(&call.url, first, most);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let sent = call.body.as_ref().map_or(0, |body| body.content_length() as u64);
            self.pace.turn(sent).await;
            let outcome = host
                .turn(call.purpose(), self.once(call, sink.as_mut().map(|sink| &mut **sink as &mut dyn Sink)))
                .await;
            if let Ok(answer) = &outcome {
                self.pace.spend(answer.received());
            }
            tell(call, &outcome);
            let kind = match outcome {
                Ok(answer) if !is_transient(answer.status) => return Ok(answer),
                Ok(answer) => {
                    let may_repeat = call.repeatable || answer.status == StatusCode::TOO_MANY_REQUESTS;
                    let asked = retry_after(&answer.headers);
                    let kind = status_kind(&answer);
                    let too_long = asked.is_some_and(|wait| wait > self.retry.longest_retry_after);
                    if let Some(wait) = asked.filter(|_| !too_long) {
                        host.pause(wait);
                    }
                    if !may_repeat || too_long {
                        return Err(TransportError { kind, attempts });
                    }
                    kind
                }
                Err(kind) if !kind.is_transient() => return Err(TransportError { kind, attempts }),
                Err(kind) if !call.repeatable && kind.may_have_happened() => {
                    return Err(TransportError { kind, attempts });
                }
                Err(kind) => kind,
            };
            if attempts >= self.retry.attempts {
                return Err(TransportError { kind, attempts });
            }
            tracing::debug!(host = Host::key(&call.url), attempts, %kind, "request failed, trying again");
            tokio::time::sleep(self.wait(attempts)).await;
        }
    }

    /// The wait after this many failures: exponential, with half of it random so that jobs do not come back together.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let whole = self.retry.first_wait.saturating_mul(factor).min(self.retry.longest_wait);
        let random = std::hash::RandomState::new().build_hasher().finish() % 1000;
        whole / 2 + whole.mul_f64(random as f64 / 2000.0)
    }

    /// The budget of a server that is not spoken to by HTTP.
    pub(crate) fn host(&self, place: &str, at_once: usize) -> Arc<Host> {
        self.hosts.named(place, at_once, at_once)
    }

    /// Counts a request to such a server.
    pub(crate) fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes that came from such a server.
    pub(crate) fn count_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
        self.pace.spend(bytes);
    }

    /// Waits until it is time to send so many bytes.
    pub(crate) async fn pace(&self, bytes: u64) {
        self.pace.turn(bytes).await;
    }

    /// The limits of time.
    pub(crate) fn timeouts(&self) -> &TimeoutSettings {
        &self.timeouts
    }

    /// How often a failed conditional write is looked into.
    pub(crate) fn attempts(&self) -> u32 {
        self.retry.attempts
    }

    async fn once(&self, call: &Call, sink: Option<&mut dyn Sink>) -> Result<Answer, TransportKind> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let client = match call {
            Call { keys: Some(_), .. } => &self.known,
            Call { moved: 0, .. } => &self.plain,
            _ => &self.silent,
        };
        let work = Duration::from_secs(call.moved / SLOWEST_COPY);
        let mut url = call.url.clone();
        let mut hops = 0;
        let response = loop {
            let response = self.hop(client, call, &url, work).await?;
            let Some(next) = redirect(call, &url, &response)? else { break response };
            hops += 1;
            if hops > REDIRECTS {
                return Err(TransportKind::Redirect);
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            url = next;
        };
        let limit = match response.status() {
            StatusCode::PARTIAL_CONTENT => call.limit_partial,
            status if status.is_success() => call.limit_whole,
            _ => FAILURE_BODY,
        };
        // Some servers send the head of the answer at once and the rest when the copy is done.
        self.body(response, limit, work, call, sink).await
    }

    /// One request to one address.
    async fn hop(
        &self,
        client: &reqwest::Client,
        call: &Call,
        url: &Url,
        work: Duration,
    ) -> Result<reqwest::Response, TransportKind> {
        let mut request = reqwest::Request::new(call.method.clone(), url.clone());
        *request.headers_mut() = call.headers.clone();
        if let Some(authorization) = call.keys.as_ref().and_then(|keys| keys.authorization(url)) {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let sent = call.body.as_ref().map_or(0, |body| body.content_length() as u64);
        *request.body_mut() = call.body.clone().map(reqwest::Body::wrap);
        tokio::time::timeout(self.patience(sent) + work, client.execute(request))
            .await
            .map_err(|_| TransportKind::Timeout)?
            .map_err(|error| failure(&error))
    }

    /// Reads the body to its end. A failing answer is cut at the limit; any other that is longer is an error.
    async fn body(
        &self,
        mut response: reqwest::Response,
        limit: u64,
        work: Duration,
        call: &Call,
        sink: Option<&mut dyn Sink>,
    ) -> Result<Answer, TransportKind> {
        let head = call.method == Method::HEAD;
        let (status, headers) = (response.status(), response.headers().clone());
        let cut = !status.is_success();
        let length = response.content_length();
        let too_long = || TransportKind::TooLong { limit, partial: status == StatusCode::PARTIAL_CONTENT };
        if !cut && !head && length.is_none() && !has_framing(&response) {
            return Err(TransportKind::NoLength);
        }
        if !cut && !head && length.is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        let expected = length.unwrap_or(limit).min(limit);
        let in_runs =
            call.in_runs && status == StatusCode::PARTIAL_CONTENT && length.is_some_and(|length| length > LONGEST_RUN);
        let mut sink = sink.filter(|_| status == StatusCode::PARTIAL_CONTENT);
        if let Some(sink) = &mut sink {
            sink.begin();
        }
        let is_taken = sink.is_some();
        let read = async {
            let (mut runs, mut received) = (Vec::new(), 0);
            let whole = if in_runs || is_taken { 0 } else { length.unwrap_or(0).min(limit).min(8 << 20) };
            let mut body = BytesMut::with_capacity(whole as usize);
            while let Some(part) = response.chunk().await.map_err(|error| failure(&error))? {
                self.received.fetch_add(part.len() as u64, Ordering::Relaxed);
                received += part.len() as u64;
                if received > limit {
                    if cut {
                        break;
                    }
                    return Err(too_long());
                }
                if let Some(sink) = &mut sink {
                    if !sink.take(part) {
                        return Err(TransportKind::NotTaken);
                    }
                } else if in_runs {
                    runs.push(part);
                } else {
                    body.extend_from_slice(&part);
                }
            }
            Ok((body.freeze(), runs, if is_taken { received } else { 0 }))
        };
        let (body, runs, taken) =
            tokio::time::timeout(self.patience(expected) + work, read).await.map_err(|_| TransportKind::Timeout)??;
        Ok(Answer { status, headers, body, runs, taken })
    }

    fn patience(&self, bytes: u64) -> Duration {
        self.timeouts.idle + Duration::from_secs(bytes / self.timeouts.slowest.max(1))
    }
}

/// One line a request, without what signs it.
fn tell(call: &Call, outcome: &Result<Answer, TransportKind>) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let url = without_secrets(call.url.as_str());
    let range = call.headers.get(reqwest::header::RANGE).and_then(|range| range.to_str().ok()).unwrap_or("whole");
    let method = &call.method;
    match outcome {
        Ok(answer) => {
            let (status, received) = (answer.status.as_u16(), answer.received());
            tracing::debug!(%method, %url, range, status, received, "request");
        }
        Err(kind) => tracing::debug!(%method, %url, range, %kind, "request without an answer"),
    }
}

/// Is the end of the body marked, so that a cut one is noticed?
fn has_framing(response: &reqwest::Response) -> bool {
    response.version() >= reqwest::Version::HTTP_2
        || response.headers().contains_key(reqwest::header::TRANSFER_ENCODING)
        || response.status() == StatusCode::NO_CONTENT
}

/// Statuses by which a server says "not now".
fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// The status, the S3 code in the body, and the size that a 416 tells.
pub(crate) fn status_kind(answer: &Answer) -> TransportKind {
    let text = String::from_utf8_lossy(&answer.body);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let code = code.filter(|code| code.len() < 64 && code.chars().all(|c| c.is_ascii_alphanumeric()));
    let size = answer.headers.get(reqwest::header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let size = size.and_then(|value| value.rsplit_once('/')).and_then(|(_, size)| size.trim().parse().ok());
    TransportKind::Status { status: answer.status.as_u16(), code: code.map(str::to_owned), size }
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = u64::try_from(crate::http_date::parse(value)?).ok()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(until.saturating_sub(now)))
}

/// Where an answer sends the reader instead, if it does.
fn redirect(call: &Call, from: &Url, response: &reqwest::Response) -> Result<Option<Url>, TransportKind> {
    if !call.redirects || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let next = location.to_str().ok().and_then(|text| from.join(text).ok()).ok_or(TransportKind::Redirect)?;
    if matches!(next.scheme(), "http" | "https") { Ok(Some(next)) } else { Err(TransportKind::Redirect) }
}

/// What an error of the HTTP library means; its text never has the URL.
fn failure(error: &reqwest::Error) -> TransportKind {
    let mut root: &dyn std::error::Error = error;
    let mut is_root = true;
    while let Some(source) = root.source() {
        (root, is_root) = (source, false);
    }
    // The library's own text, which is the root where there is no deeper cause, names the URL: then say the kind only.
    let text = if is_root { "the request failed".to_owned() } else { root.to_string() };
    if error.is_timeout() {
        TransportKind::Timeout
    } else if error.is_connect() && text.contains("certificate") {
        TransportKind::Certificate(text)
    } else if error.is_connect() {
        TransportKind::Connect(text)
    } else {
        TransportKind::Interrupted(text)
    }
}
