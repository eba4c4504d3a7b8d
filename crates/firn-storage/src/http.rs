//! Objects of web servers, read by ranges. Size and version come from the first answer; there is no HEAD request.

use crate::http_index;
use crate::listing::Level;
use crate::remote::{Opened, check_version};
use crate::transport::{Answer, Call, Transport, TransportError, TransportKind, status_kind};
use crate::web_keys::WebKeys;
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, SourceError, SourceVersion};
use reqwest::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, LAST_MODIFIED, ORIGIN, RANGE,
};
use reqwest::{Method, StatusCode};
use std::sync::Arc;
use url::Url;

/// An object of a web server.
#[derive(Clone)]
pub(crate) struct HttpObject {
    transport: Arc<Transport>,
    url: Url,
    pub at: At,
    /// Who asks; `None` asks as everybody.
    keys: Option<Arc<WebKeys>>,
}

impl HttpObject {
    pub(crate) fn new(transport: Arc<Transport>, url: Url) -> Self {
        let at = At::url(url.as_str());
        Self { transport, url, at, keys: None }
    }

    /// The same object, asked for by somebody that servers may know.
    pub(crate) fn known(self, keys: &Arc<WebKeys>) -> Self {
        Self { keys: (!keys.is_empty()).then(|| Arc::clone(keys)), ..self }
    }

    /// Asks for the first `head` bytes, and so learns whether the object exists, its size and its version.
    pub(crate) async fn open(&self, head: u64) -> Result<Option<Opened>, SourceError> {
        let answer = self.get(&(0..head.max(1)), self.transport.limits.whole_object).await?;
        let at = &self.at;
        match answer.status {
            StatusCode::PARTIAL_CONTENT => {
                let (range, size) = content_range(at, &answer.headers)?;
                if range.start != 0 || range.end > head.max(1) || range.end - range.start != answer.body.len() as u64 {
                    return Err(wrong_range(at, &(0..head), &range));
                }
                Ok(Some(Opened { version: version(&answer.headers, size), head: answer.body }))
            }
            StatusCode::OK => {
                let version = version(&answer.headers, answer.body.len() as u64);
                Ok(Some(Opened { version, head: answer.body }))
            }
            StatusCode::RANGE_NOT_SATISFIABLE => self.open_empty(&answer).await.map(Some),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => Err(self.refusal(&answer)),
        }
    }

    /// An empty object has no first byte, so its range cannot be satisfied.
    async fn open_empty(&self, answer: &Answer) -> Result<Opened, SourceError> {
        if let TransportKind::Status { size: Some(0), .. } = status_kind(answer) {
            return Ok(Opened { version: version(&answer.headers, 0), head: Bytes::new() });
        }
        let whole = self.send(None, self.transport.limits.whole_object).await?;
        if whole.status != StatusCode::OK {
            return Err(refusal(&self.at, &whole));
        }
        Ok(Opened { version: version(&whole.headers, whole.body.len() as u64), head: whole.body })
    }

    /// Exactly these bytes of exactly this version.
    pub(crate) async fn read(&self, range: ByteRange, expected: &SourceVersion) -> Result<Bytes, SourceError> {
        let answer = self.get(&range, self.transport.limits.whole_object).await?;
        let at = self.at.bytes(range.start, range.end - range.start);
        match answer.status {
            StatusCode::PARTIAL_CONTENT => {
                let (got, size) = content_range(&at, &answer.headers)?;
                check_version(&at, expected, &version(&answer.headers, size))?;
                if got != range || answer.body.len() as u64 != range.end - range.start {
                    return Err(wrong_range(&at, &range, &got));
                }
                Ok(answer.body)
            }
            StatusCode::OK => {
                check_version(&at, expected, &version(&answer.headers, answer.body.len() as u64))?;
                Ok(answer.body.slice(range.start as usize..range.end as usize))
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let TransportKind::Status { size: Some(size), .. } = status_kind(&answer) else {
                    return Err(refusal(&at, &answer));
                };
                check_version(&at, expected, &version(&answer.headers, size))?;
                Err(refusal(&at, &answer))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Err(SourceError::Changed { at, what: "it was there before and is gone now".to_owned() })
            }
            _ => Err(refusal(&at, &answer)),
        }
    }

    /// The whole of a small object, asked for with an `Origin`.
    pub(crate) async fn get_as_web_page(&self) -> Result<WebPage, SourceError> {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static("https://example.org"));
        let answer = self.call(headers, 0, self.transport.limits.whole_object).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refusal(&answer));
        }
        let allowed_origin = header(&answer.headers, &ACCESS_CONTROL_ALLOW_ORIGIN).map(str::to_owned);
        Ok(WebPage { bytes: answer.body, allowed_origin })
    }

    /// The first byte of whatever there is, asked for with an `Origin`: what a browser would see, also of a refusal.
    pub(crate) async fn answer_as_web_page(&self) -> Result<WebAnswer, SourceError> {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static("https://example.org"));
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        let answer = self.call(headers, 1, self.transport.limits.whole_object).await?;
        let allowed_origin = header(&answer.headers, &ACCESS_CONTROL_ALLOW_ORIGIN).map(str::to_owned);
        Ok(WebAnswer { status: answer.status.as_u16(), allowed_origin })
    }

    /// The index page of a folder as a listing; `None` where the server has none: nothing there, or no page.
    pub(crate) async fn index(&self) -> Result<Option<Level>, SourceError> {
        let mut folder = self.url.clone();
        if let Ok(mut segments) = folder.path_segments_mut() {
            // Relative links are below a folder only where its address ends in a slash.
            segments.pop_if_empty().push("");
        }
        let page = Self { url: folder, ..self.clone() };
        let answer = page.send(None, self.transport.limits.whole_object).await?;
        match answer.status {
            StatusCode::OK => {
                let is_page = header(&answer.headers, &CONTENT_TYPE).is_some_and(|form| form.contains("html"));
                Ok(is_page.then(|| http_index::links(&page.url, &answer.body)))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => Err(self.refusal(&answer)),
        }
    }

    async fn get(&self, range: &ByteRange, whole: u64) -> Result<Answer, SourceError> {
        self.send(Some(range), whole).await
    }

    async fn send(&self, range: Option<&ByteRange>, limit_whole: u64) -> Result<Answer, SourceError> {
        let mut headers = HeaderMap::new();
        // Ranges count the bytes as stored: a compressed answer would be other bytes.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(range) = range
            && let Ok(value) = HeaderValue::from_str(&format!("bytes={}-{}", range.start, range.end - 1))
        {
            headers.insert(RANGE, value);
        }
        let answer = self.call(headers, range.map_or(0, |range| range.end - range.start), limit_whole).await?;
        if answer.status.is_success()
            && let Some(encoding) = header(&answer.headers, &CONTENT_ENCODING).filter(|name| *name != "identity")
        {
            let what = format!("the server compressed the bytes ({encoding}) although it was asked not to");
            return Err(SourceError::Broken { at: self.at.clone(), what });
        }
        Ok(answer)
    }

    async fn call(&self, headers: HeaderMap, limit_partial: u64, limit_whole: u64) -> Result<Answer, SourceError> {
        let call = Call {
            method: Method::GET,
            url: self.url.clone(),
            headers,
            body: None,
            repeatable: true,
            limit_partial,
            limit_whole,
            in_runs: false,
            moved: 0,
            redirects: true,
            keys: self.keys.clone(),
        };
        self.transport.send(&call).await.map_err(|error| unreachable_source(&self.at, &error))
    }
}

/// An object as a web page of another host gets it.
pub(crate) struct WebPage {
    pub bytes: Bytes,
    /// `Access-Control-Allow-Origin`.
    pub allowed_origin: Option<String>,
}

/// How a server answers a web page of another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Access-Control-Allow-Origin`.
    pub allowed_origin: Option<String>,
}

impl WebAnswer {
    /// Whether a page of any host may see the answer.
    pub fn is_for_everybody(&self) -> bool {
        self.allowed_origin.as_deref().is_some_and(|origin| origin == "*" || origin == "https://example.org")
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(crate) fn version(headers: &HeaderMap, size: u64) -> SourceVersion {
    SourceVersion {
        etag: header(headers, &ETAG).map(str::to_owned),
        last_modified: header(headers, &LAST_MODIFIED).and_then(crate::http_date::parse),
        nanoseconds: None,
        size,
    }
}

/// The range and total size of `Content-Range: bytes a-b/size`.
pub(crate) fn content_range(at: &At, headers: &HeaderMap) -> Result<(ByteRange, u64), SourceError> {
    let broken = |what: String| SourceError::Broken { at: at.clone(), what };
    let text = header(headers, &CONTENT_RANGE)
        .ok_or_else(|| broken("a partial answer does not say which part it is (no Content-Range)".to_owned()))?;
    let parse = || {
        let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, last) = range.split_once('-')?;
        let (start, last): (u64, u64) = (start.trim().parse().ok()?, last.trim().parse().ok()?);
        let size: u64 = size.trim().parse().ok()?;
        (start <= last && last < size).then(|| (start..last + 1, size))
    };
    parse().ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        broken(format!("the Content-Range {shown:?} does not give a range and a size"))
    })
}

pub(crate) fn wrong_range(at: &At, asked: &ByteRange, got: &ByteRange) -> SourceError {
    let what =
        format!("bytes {}..{} were asked for, and bytes {}..{} came", asked.start, asked.end, got.start, got.end);
    SourceError::Broken { at: at.clone(), what }
}

impl HttpObject {
    /// A status other than success.
    fn refusal(&self, answer: &Answer) -> SourceError {
        match refusal(&self.at, answer) {
            SourceError::Denied { at, what } if self.keys.as_ref().is_some_and(|keys| keys.is_withheld(&self.url)) => {
                let what = format!("{what}; what .netrc has for this host is sent over https only");
                SourceError::Denied { at, what }
            }
            error => error,
        }
    }
}

/// A status other than success.
fn refusal(at: &At, answer: &Answer) -> SourceError {
    let what = status_kind(answer).to_string();
    match answer.status.as_u16() {
        401 | 403 | 407 | 451 => SourceError::Denied { at: at.clone(), what },
        404 | 410 => SourceError::NotFound { at: at.clone() },
        _ => SourceError::Broken { at: at.clone(), what },
    }
}

/// No answer at all.
pub(crate) fn unreachable_source(at: &At, error: &TransportError) -> SourceError {
    let what = error.to_string();
    match &error.kind {
        TransportKind::TooLong { limit, partial: false } => {
            let what = format!("the server ignores ranges, and the object is larger than {limit} bytes");
            SourceError::Broken { at: at.clone(), what }
        }
        TransportKind::TooLong { .. } | TransportKind::Redirect | TransportKind::NoLength => {
            SourceError::Broken { at: at.clone(), what }
        }
        TransportKind::Status { status: 401 | 403, .. } => SourceError::Denied { at: at.clone(), what },
        _ => SourceError::Unavailable { at: at.clone(), what },
    }
}
