//! Responses: status, headers, bodies. Every one carries the headers that let pages of other hosts read it.

use crate::report::ErrorReport;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE, RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use firn_model::diagnose::Category;
use std::ops::Range;

/// How long an answer may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// For ever: it is of a pinned version.
    ForEver,
    /// After asking whether it is still so.
    Revalidate,
    /// Not at all: failures pass.
    Not,
}

impl Keep {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ForEver => "public, max-age=31536000, immutable",
            Self::Revalidate => "no-cache",
            Self::Not => "no-store",
        }
    }
}

/// Media types.
pub const JSON: &str = "application/json";
pub const BYTES: &str = "application/octet-stream";
pub const HTML: &str = "text/html; charset=utf-8";

/// Seconds after which a server that is busy, or a storage that does not answer, may be asked again.
const AGAIN: &str = "5";

/// What is answered with.
pub struct Answer {
    /// Media type.
    pub media_type: &'static str,
    /// All bytes.
    pub bytes: Bytes,
    /// How long it may be kept.
    pub keep: Keep,
}

/// 200, 206, 304 or 416, as the request asks for it.
pub fn found(answer: Answer, asked: &HeaderMap) -> Response<Body> {
    let Answer { media_type, bytes, keep } = answer;
    let tag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..32]);
    let mut response = empty(StatusCode::OK, keep);
    set(&mut response, ETAG, &tag);
    if lists(asked, &IF_NONE_MATCH, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    set(&mut response, CONTENT_TYPE, media_type);
    if media_type == HTML {
        set(&mut response, VARY, "Accept");
    }
    set(&mut response, ACCEPT_RANGES, "bytes");
    let total = bytes.len();
    let is_same = asked.get(IF_RANGE).is_none_or(|known| known.as_bytes() == tag.as_bytes());
    let range = asked.get(RANGE).and_then(|range| range.to_str().ok()).filter(|_| is_same);
    let bytes = match range.map(|range| wanted(range, total)) {
        None | Some(Wanted::All) => bytes,
        Some(Wanted::Part(part)) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, CONTENT_RANGE, &format!("bytes {}-{}/{total}", part.start, part.end - 1));
            bytes.slice(part)
        }
        Some(Wanted::Outside) => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            set(&mut response, CONTENT_RANGE, &format!("bytes */{total}"));
            return response;
        }
    };
    fill(response, bytes)
}

/// A chunk that is known to be empty: what Zarr says so with.
pub fn nothing_stored(keep: Keep) -> Response<Body> {
    empty(StatusCode::NOT_FOUND, keep)
}

/// A page or a list of links.
pub fn html(status: StatusCode, text: String, keep: Keep) -> Response<Body> {
    let mut response = empty(status, keep);
    set(&mut response, CONTENT_TYPE, HTML);
    set(&mut response, VARY, "Accept");
    fill(response, text.into())
}

/// A failure as the JSON that every verb answers with.
pub fn failure(status: StatusCode, report: &ErrorReport) -> Response<Body> {
    let mut response = empty(status, Keep::Not);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        set(&mut response, RETRY_AFTER, AGAIN);
    }
    set(&mut response, CONTENT_TYPE, JSON);
    set(&mut response, VARY, "Accept");
    let body = serde_json::json!({ "schema": "firn/serve/1", "ok": false, "result": null, "error": report });
    fill(response, body.to_string().into())
}

/// 308.
pub fn moved(location: &str) -> Response<Body> {
    let mut response = empty(StatusCode::PERMANENT_REDIRECT, Keep::Revalidate);
    set(&mut response, LOCATION, location);
    set(&mut response, VARY, "Accept");
    response
}

/// What a browser asks before it lets a page read from here.
pub fn preflight() -> Response<Body> {
    let mut response = empty(StatusCode::NO_CONTENT, Keep::Revalidate);
    set(&mut response, ALLOW, METHODS);
    set(&mut response, ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    set(
        &mut response,
        ACCESS_CONTROL_ALLOW_HEADERS,
        "range, if-none-match, if-range, cache-control, accept, content-type",
    );
    set(&mut response, ACCESS_CONTROL_MAX_AGE, "86400");
    response
}

/// 405.
pub fn not_allowed(report: &ErrorReport) -> Response<Body> {
    let mut response = failure(StatusCode::METHOD_NOT_ALLOWED, report);
    set(&mut response, ALLOW, METHODS);
    response
}

const METHODS: &str = "GET, HEAD, OPTIONS";

/// The status of a failure on the way to bytes that are there. Never 404, which readers of Zarr take for fill values.
pub fn status_of(category: Category) -> StatusCode {
    match category {
        Category::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Category::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        Category::Bug => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// The same headers without a body, for `HEAD`.
pub fn without_body(response: Response<Body>, method: &Method) -> Response<Body> {
    if method == Method::HEAD { response.map(|_| Body::empty()) } else { response }
}

fn empty(status: StatusCode, keep: Keep) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    set(&mut response, CACHE_CONTROL, keep.as_str());
    set(&mut response, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(
        &mut response,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        "accept-ranges, cache-control, content-length, content-range, content-type, etag, location, retry-after",
    );
    // What is served is data: no browser should take a chunk for a page.
    set(&mut response, HeaderName::from_static("x-content-type-options"), "nosniff");
    response
}

fn fill(mut response: Response<Body>, bytes: Bytes) -> Response<Body> {
    set(&mut response, CONTENT_LENGTH, &bytes.len().to_string());
    response.map(|_| Body::from(bytes))
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    // None of the values has a character that a header may not have: a failure here would leave out a header.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Whether a header with entity tags lists this one, strong or weak.
fn lists(asked: &HeaderMap, name: &HeaderName, tag: &str) -> bool {
    let values = asked.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<usize>),
    Outside,
}

/// The bytes that a `Range` asks for. Several ranges, or what is none, are answered with everything, as RFC 9110 allows.
fn wanted(range: &str, total: usize) -> Wanted {
    let Some((first, last)) = range.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::All;
    };
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let part = match (first.trim(), last.trim()) {
        ("", last) => number(last).map(|count| total.saturating_sub(count)..total),
        (first, "") => number(first).map(|first| first..total),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..last.saturating_add(1).min(total)),
            _ => None,
        },
    };
    match part {
        None => Wanted::All,
        Some(part) if part.start < part.end => Wanted::Part(part),
        Some(_) => Wanted::Outside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (text, expected) in [
            ("bytes=0-3", Wanted::Part(0..4)),
            ("bytes=8-", Wanted::Part(8..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=5-99", Wanted::Part(5..10)),
            ("bytes=10-12", Wanted::Outside),
            ("bytes=-0", Wanted::Outside),
            ("bytes=3-1", Wanted::All),
            ("bytes=0-1,4-5", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("bytes=99999999999999999999-", Wanted::All),
        ] {
            assert_eq!(wanted(text, 10), expected, "{text}");
        }
    }

    #[test]
    fn a_copy_that_is_still_right_is_not_sent_again() {
        let answer = || Answer { media_type: BYTES, bytes: Bytes::from_static(b"abc"), keep: Keep::ForEver };
        let first = found(answer(), &HeaderMap::new());
        let tag = first.headers()[ETAG].clone();
        let mut asked = HeaderMap::new();
        asked.insert(IF_NONE_MATCH, HeaderValue::from_str(&format!("W/{}, \"x\"", tag.to_str().unwrap())).unwrap());
        assert_eq!(found(answer(), &asked).status(), StatusCode::NOT_MODIFIED);
        asked.insert(IF_NONE_MATCH, HeaderValue::from_static("\"x\""));
        assert_eq!(found(answer(), &asked).status(), StatusCode::OK);
    }

    #[test]
    fn no_failure_on_the_way_to_bytes_is_404() {
        for category in Category::ALL {
            let status = status_of(category);
            assert!(status.is_server_error() || status == StatusCode::UNPROCESSABLE_ENTITY, "{category}: {status}");
        }
    }
}
