//! Requests to S3 that `object_store` does not make: copies between buckets, parts that are copied, and writes whose bytes
//! the server compares with a `Content-MD5`. The signature is the library's; sending is the transport's.

use crate::fetched::FetchError;
use crate::s3::{BucketAddress, endpoint_text, find, scrub};
use crate::transport::{Answer, Call, Sink, Transport, TransportError, TransportKind};
use bytes::Bytes;
use firn_model::source::ByteRange;
use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{HttpRequest, HttpRequestBody};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, HeaderName, HeaderValue, RANGE};
use std::fmt::Write;
use url::Url;

/// What S3 wants to see as it is in keys and query values; everything else is `%XX`, a space and a `+` too.
const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const KEPT_IN_KEYS: AsciiSet = KEPT.remove(b'/');
/// Most bytes of an answer: servers that tell how far a copy is write some bytes for each piece of it.
const ANSWER: u64 = 8 << 20;

/// One request, before it is signed.
pub(crate) struct Request<'a> {
    pub method: Method,
    pub key: &'a str,
    pub query: Vec<(&'static str, String)>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// Bytes that the server copies before it answers.
    pub moved: u64,
    /// May it be sent again when nobody knows whether it was carried out?
    pub repeatable: bool,
    /// The part of the object that is wanted.
    pub range: Option<ByteRange>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: Method, key: &'a str) -> Self {
        let (query, headers) = (Vec::new(), Vec::new());
        Self { method, key, query, headers, body: Bytes::new(), moved: 0, repeatable: true, range: None }
    }
}

/// Why a request was not carried out, as far as anybody knows.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// The server says no: status, and the `<Code>` of its answer where there is one.
    Answer { status: u16, code: String },
    /// No usable answer.
    Transport(TransportError),
    /// The request could not be made.
    Unsigned(String),
    /// There are no keys to sign it with.
    NoKeys(String),
    /// The answer of success is not what it has to be.
    Unreadable(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer { status, code } if code.is_empty() => write!(f, "the server answers with status {status}"),
            Self::Answer { status, code } => write!(f, "the server answers with status {status} {code}"),
            Self::Transport(error) => write!(f, "{error}"),
            Self::Unsigned(what) => write!(f, "the request could not be signed: {what}"),
            Self::NoKeys(what) | Self::Unreadable(what) => f.write_str(what),
        }
    }
}

/// A bucket, asked by requests of our own.
#[derive(Clone, Copy)]
pub(crate) struct Bucket<'a> {
    pub transport: &'a Transport,
    pub store: &'a AmazonS3,
    pub address: &'a BucketAddress,
}

impl Bucket<'_> {
    /// Sends a request until it is answered for good. Each attempt is signed anew: a signature lasts a quarter of an hour,
    /// and a copy may take longer.
    ///
    /// An error may come with status 200: S3 begins its answer before a copy is done, and finds out later.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Answer, Refusal> {
        self.send_into(request, None).await
    }

    /// The same, where a part of an object that is answered goes into the sink.
    pub(crate) async fn send_into(
        &self,
        request: &Request<'_>,
        mut sink: Option<&mut dyn Sink>,
    ) -> Result<Answer, Refusal> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let call = self.signed(request).await?;
            let (refusal, again) =
                match self.transport.send_into(&call, sink.as_mut().map(|sink| &mut **sink as &mut dyn Sink)).await {
                    Ok(answer) => match code(&answer) {
                        None if answer.status.is_success() => return Ok(answer),
                        code => {
                            let code = code.unwrap_or_default();
                            let again = answer.status.is_success() && is_passing(&code);
                            (Refusal::Answer { status: answer.status.as_u16(), code }, again)
                        }
                    },
                    Err(error) => {
                        let again = matches!(
                            error.kind,
                            TransportKind::Timeout | TransportKind::Interrupted(_) | TransportKind::Status { .. }
                        );
                        (Refusal::Transport(error), again)
                    }
                };
            if !(again && request.repeatable && attempt < self.transport.attempts()) {
                return Err(refusal);
            }
            tracing::debug!(bucket = self.address.bucket, attempt, %refusal, "request failed, trying again");
            tokio::time::sleep(self.transport.wait(attempt)).await;
        }
    }

    async fn signed(&self, request: &Request<'_>) -> Result<Call, Refusal> {
        let unsigned = |what: String| Refusal::Unsigned(scrub(&what));
        let url = object_url(self.address, request.key, &request.query).map_err(unsigned)?;
        let body = HttpRequestBody::from(request.body.clone());
        let mut signed = HttpRequest::new(body.clone());
        *signed.method_mut() = request.method.clone();
        *signed.uri_mut() = url.as_str().parse().map_err(|_| unsigned("the address is not a URI".to_owned()))?;
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value).map_err(|error| unsigned(error.to_string()))?;
            signed.headers_mut().insert(HeaderName::from_static(name), value);
        }
        if let Some(range) = &request.range {
            let value = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
            let value = HeaderValue::from_str(&value).map_err(|error| unsigned(error.to_string()))?;
            signed.headers_mut().insert(RANGE, value);
        }
        if !self.address.anonymous {
            let credential = self.store.credentials().get_credential().await;
            let credential = credential.map_err(|error| match find::<FetchError>(&error) {
                Some(error) => Refusal::NoKeys(error.to_string()),
                None => unsigned(error.to_string()),
            })?;
            // A `Content-MD5` is signed with the other headers and compared by the server: SHA-256 of the same bytes would cost
            // as much again and prove nothing more.
            let is_summed = request.headers.iter().any(|(name, _)| *name == "content-md5");
            AwsAuthorizer::new(&credential, "s3", &self.address.region)
                .with_sign_payload(!is_summed)
                .try_authorize(&mut signed, None)
                .map_err(|error| unsigned(error.to_string()))?;
        }
        let has_body = matches!(request.method, Method::PUT | Method::POST);
        if has_body {
            // Also for an empty body: Ceph answers 411 without it.
            signed.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
        }
        let (parts, _) = signed.into_parts();
        Ok(Call {
            method: parts.method,
            url,
            headers: parts.headers,
            body: has_body.then_some(body),
            repeatable: false,
            limit_partial: request.range.as_ref().map_or(ANSWER, |range| range.end - range.start),
            limit_whole: ANSWER,
            in_runs: false,
            moved: request.moved,
            redirects: false,
            keys: None,
        })
    }
}

/// The key as it stands in a URL and in `x-amz-copy-source`.
pub(crate) fn encoded_key(key: &str) -> String {
    utf8_percent_encode(key, &KEPT_IN_KEYS).to_string()
}

/// A value as it stands in the query of a URL.
pub(crate) fn encoded_value(value: &str) -> String {
    utf8_percent_encode(value, &KEPT).to_string()
}

fn object_url(address: &BucketAddress, key: &str, query: &[(&str, String)]) -> Result<Url, String> {
    let (bucket, region) = (&address.bucket, &address.region);
    let base = match (&address.endpoint, address.virtual_hosted) {
        (Some(endpoint), _) => endpoint_text(endpoint, address),
        (None, true) => format!("https://{bucket}.s3.{region}.amazonaws.com"),
        (None, false) => format!("https://s3.{region}.amazonaws.com"),
    };
    let folder = if address.virtual_hosted { String::new() } else { format!("/{bucket}") };
    let mut text = format!("{base}{folder}/{}", encoded_key(key));
    for (at, (name, value)) in query.iter().enumerate() {
        let mark = if at == 0 { '?' } else { '&' };
        // Writing to a text cannot fail.
        let _ = write!(text, "{mark}{name}={}", encoded_value(value));
    }
    Url::parse(&text).map_err(|error| error.to_string())
}

/// The code of an error, also of one in an answer with status 200; the empty text where an error names none.
fn code(answer: &Answer) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.body);
    let is_error = text.contains("<Error>") || text.contains("<Error ");
    if answer.status.is_success() && !is_error {
        return None;
    }
    let code = element(&text, "Code").unwrap_or_default();
    let is_code = code.len() < 64 && code.chars().all(|c| c.is_ascii_alphanumeric());
    Some(if is_code { code } else { String::new() })
}

/// Codes that mean "not now".
fn is_passing(code: &str) -> bool {
    matches!(code, "InternalError" | "SlowDown" | "ServiceUnavailable" | "RequestTimeout" | "OperationAborted")
}

/// The text of the first element of this name.
pub(crate) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.replace("&quot;", "\"").replace("&#34;", "\"").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use reqwest::StatusCode;

    fn address(endpoint: Option<&str>, virtual_hosted: bool) -> BucketAddress {
        BucketAddress {
            bucket: "b".to_owned(),
            endpoint: endpoint.map(|text| text.parse().unwrap()),
            region: "eu-west-1".to_owned(),
            virtual_hosted,
            anonymous: false,
            account: String::new(),
        }
    }

    #[test]
    fn keys_are_escaped_as_s3_signs_them() {
        assert_eq!(encoded_key("a b/c+d/%41/ü~-._"), "a%20b/c%2Bd/%2541/%C3%BC~-._");
        let url = |endpoint, hosted| {
            let query = [("uploadId", "a/b+c=".to_owned()), ("partNumber", "1".to_owned())];
            object_url(&address(endpoint, hosted), "x y", &query).unwrap().to_string()
        };
        let query = "x%20y?uploadId=a%2Fb%2Bc%3D&partNumber=1";
        assert_eq!(url(Some("http://host:1"), false), format!("http://host:1/b/{query}"));
        assert_eq!(url(Some("https://host/"), true), format!("https://b.host/{query}"));
        assert_eq!(url(None, false), format!("https://s3.eu-west-1.amazonaws.com/b/{query}"));
        assert_eq!(url(None, true), format!("https://b.s3.eu-west-1.amazonaws.com/{query}"));
    }

    #[test]
    fn an_error_with_status_200_is_an_error() {
        let answer = |status, body: &str| Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: reqwest::header::HeaderMap::new(),
            body: Bytes::from(body.to_owned()),
            runs: Vec::new(),
            taken: 0,
        };
        assert_eq!(code(&answer(200, "<CopyObjectResult><ETag>&quot;a&quot;</ETag></CopyObjectResult>")), None);
        assert_eq!(code(&answer(200, "  <?xml?>\n<Error><Code>SlowDown</Code></Error>")).as_deref(), Some("SlowDown"));
        assert_eq!(code(&answer(200, "<Error><Message>x</Message></Error>")).as_deref(), Some(""));
        assert_eq!(code(&answer(403, "<html>")).as_deref(), Some(""));
        assert_eq!(element("<ETag>&quot;a-2&quot;</ETag>", "ETag").as_deref(), Some("\"a-2\""));
    }
}
