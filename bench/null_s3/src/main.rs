//! An S3 service that is nobody's bottleneck: it drops what it is sent and invents what it is asked for.
//!
//!     null_s3 [--port 0] [--latency-ms 0] [--threads 4]
//!
//! It keeps of each object key, size, entity tag and metadata, and bodies of at most 4 KiB (what a client writes to try a service out).
//! Larger ones read as bytes that follow from key and position alone. A bucket whose name is `gen-COUNT-SIZE` is full from the start. The
//! entity tag of an object up to 1 MiB is the MD5 sum of its bytes; of a larger one it is that of its parts, where the client said theirs.
//! Nothing is authenticated. `GET /-/count` answers requests by kind and bytes, and starts anew.

use base64::Engine;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, RANGE};
use hyper::{Method, Request, Response, StatusCode};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

/// Bytes that all bodies are cut from.
const NOISE: usize = 4 << 20;
/// Longest run of them that is sent at once.
const RUN: usize = 256 << 10;
/// Bodies up to this many bytes are kept.
const KEPT: usize = 4096;
/// Bodies up to this many bytes are hashed.
const HASHED: u64 = 1 << 20;
/// Most objects that are remembered: what bounds the memory.
const MOST: usize = 2_000_000;
const KEEP_IN_KEYS: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const MODIFIED: (&str, &str) = ("Mon, 01 Jan 2024 00:00:00 GMT", "2024-01-01T00:00:00.000Z");

#[derive(Clone)]
struct Object {
    size: u64,
    tag: String,
    meta: Vec<(String, String)>,
    body: Option<Bytes>,
    /// What its bytes follow from: a copy has those of its original.
    seed: u64,
}

#[derive(Default)]
struct Upload {
    parts: BTreeMap<u64, (u64, [u8; 16])>,
    meta: Vec<(String, String)>,
}

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    uploads: BTreeMap<String, Upload>,
    next_upload: u64,
    counts: BTreeMap<String, u64>,
}

struct Server {
    noise: Bytes,
    state: Mutex<State>,
    latency: Duration,
}

/// What is answered: bytes, or so many of the invented ones.
enum Answer {
    Bytes(Bytes),
    Noise { noise: Bytes, at: u64, left: u64 },
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut *self {
            Self::Bytes(bytes) => std::mem::take(bytes),
            Self::Noise { noise, at, left } => {
                let from = (*at % NOISE as u64) as usize;
                let length = (NOISE - from).min(RUN).min(*left as usize);
                *at += length as u64;
                *left -= length as u64;
                noise.slice(from..from + length)
            }
        };
        Poll::Ready(if next.is_empty() { None } else { Some(Ok(Frame::data(next))) })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Noise { left, .. } => *left,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }
}

/// FNV-1a: equal on every machine.
fn seed(key: &str) -> u64 {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash % NOISE as u64
}

fn noise() -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = (0..NOISE / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect::<Vec<u8>>().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The MD5 sum of invented bytes.
fn sum(noise: &Bytes, seed: u64, size: u64) -> String {
    let mut hash = Md5::new();
    let (mut at, mut left) = (seed, size as usize);
    while left > 0 {
        let from = (at % NOISE as u64) as usize;
        let length = (NOISE - from).min(left);
        hash.update(&noise[from..from + length]);
        (at, left) = (at + length as u64, left - length);
    }
    hex(&hash.finalize())
}

/// The objects of `gen-COUNT-SIZE`.
fn full(noise: &Bytes, name: &str) -> Option<BTreeMap<String, Object>> {
    let (count, size) = name.strip_prefix("gen-")?.split_once('-')?;
    let (count, size): (u64, u64) = (count.parse().ok()?, size.parse().ok()?);
    let object = |number: u64| {
        let key = format!("d{:02}/f{number:05}.bin", number % 100);
        let seed = seed(&key);
        let tag = if size <= HASHED { sum(noise, seed, size) } else { format!("{seed:032x}-{}", size.div_ceil(8 << 20)) };
        (key, Object { size, tag: format!("\"{tag}\""), meta: Vec::new(), body: None, seed })
    };
    (count <= MOST as u64).then(|| (0..count).map(object).collect())
}

type Reply = Response<Answer>;

fn reply(status: u16, text: String) -> Reply {
    let mut reply = Response::new(Answer::Bytes(text.into()));
    *reply.status_mut() = StatusCode::from_u16(status).expect("a status");
    reply.headers_mut().insert(CONTENT_TYPE, "application/xml".parse().expect("a header"));
    reply
}

fn error(status: u16, code: &str) -> Reply {
    reply(status, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn header<'a>(request: &'a hyper::http::request::Parts, name: &str) -> Option<&'a str> {
    request.headers.get(name)?.to_str().ok()
}

fn metadata(request: &hyper::http::request::Parts) -> Vec<(String, String)> {
    let all = request.headers.iter().filter(|(name, _)| name.as_str().starts_with("x-amz-meta-") || *name == CONTENT_TYPE);
    all.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}

struct Taken {
    size: u64,
    md5: Option<[u8; 16]>,
    kept: Option<Bytes>,
}

/// Reads a body to its end and forgets it.
async fn take(parts: &hyper::http::request::Parts, mut body: Incoming) -> Option<Taken> {
    let said = header(parts, "content-length").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let decoded = header(parts, "x-amz-decoded-content-length").and_then(|text| text.parse::<u64>().ok());
    let mut hash = (said <= HASHED && decoded.is_none()).then(Md5::new);
    let (mut size, mut kept) = (0, Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        size += data.len() as u64;
        if let Some(hash) = &mut hash {
            hash.update(&data);
        }
        if said <= KEPT as u64 {
            kept.extend_from_slice(&data);
        }
    }
    let md5 = match (hash, header(parts, "content-md5")) {
        (Some(hash), _) => Some(hash.finalize().into()),
        (None, Some(text)) => base64::prelude::BASE64_STANDARD.decode(text).ok().and_then(|sum| sum.try_into().ok()),
        (None, None) => None,
    };
    Some(Taken { size: decoded.unwrap_or(size), md5, kept: (said <= KEPT as u64 && decoded.is_none()).then(|| kept.into()) })
}

impl Server {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn count(&self, what: &str, by: u64) {
        let mut state = self.lock();
        match state.counts.get_mut(what) {
            Some(count) => *count += by,
            None => drop(state.counts.insert(what.to_owned(), by)),
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Reply, Infallible> {
        let (parts, body) = request.into_parts();
        let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned();
        let query: BTreeMap<String, String> = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
        }).collect();
        if path == "/-/count" {
            let counts = std::mem::take(&mut self.lock().counts);
            let text: Vec<String> = counts.iter().map(|(name, count)| format!("\"{name}\": {count}")).collect();
            return Ok(reply(200, format!("{{{}}}", text.join(", "))));
        }
        let Some(taken) = take(&parts, body).await else { return Ok(error(400, "IncompleteBody")) };
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
        let (kind, mut reply) = if key.is_empty() { self.bucket(&parts, bucket, &query, &taken) } else { self.object(&parts, bucket, key, &query, taken) };
        self.count(kind, 1);
        self.count("requests", 1);
        self.count("sent", reply.body().size_hint().exact().unwrap_or(0));
        if parts.method == Method::HEAD && !reply.headers().contains_key(CONTENT_LENGTH) {
            *reply.body_mut() = Answer::Bytes(Bytes::new());
        }
        Ok(reply)
    }

    fn bucket(&self, parts: &hyper::http::request::Parts, bucket: &str, query: &BTreeMap<String, String>, taken: &Taken) -> (&'static str, Reply) {
        let noise = self.noise.clone();
        let mut state = self.lock();
        if !state.buckets.contains_key(bucket)
            && let Some(objects) = full(&noise, bucket)
        {
            state.buckets.insert(bucket.to_owned(), objects);
        }
        if bucket.is_empty() {
            let names: String = state.buckets.keys().map(|name| format!("<Bucket><Name>{name}</Name><CreationDate>{}</CreationDate></Bucket>", MODIFIED.1)).collect();
            return ("list buckets", reply(200, format!("<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>")));
        }
        let method = parts.method.as_str();
        if method == "PUT" {
            state.buckets.entry(bucket.to_owned()).or_default();
            return ("make bucket", reply(200, String::new()));
        }
        let Some(objects) = state.buckets.get_mut(bucket) else { return ("no bucket", error(404, "NoSuchBucket")) };
        match method {
            "HEAD" => ("head bucket", reply(200, String::new())),
            "DELETE" => {
                state.buckets.remove(bucket);
                ("remove bucket", reply(204, String::new()))
            }
            "POST" if query.contains_key("delete") => {
                let text = taken.kept.as_deref().map(|kept| String::from_utf8_lossy(kept).into_owned()).unwrap_or_default();
                for piece in text.split("<Key>").skip(1) {
                    objects.remove(piece.split("</Key>").next().unwrap_or_default());
                }
                ("delete many", reply(200, "<DeleteResult></DeleteResult>".to_owned()))
            }
            "GET" if query.contains_key("location") => ("location", reply(200, "<LocationConstraint></LocationConstraint>".to_owned())),
            "GET" if query.contains_key("versioning") => ("versioning", reply(200, "<VersioningConfiguration></VersioningConfiguration>".to_owned())),
            "GET" if query.contains_key("uploads") => ("list uploads", reply(200, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>".to_owned())),
            "GET" => ("list", list(objects, bucket, query)),
            _ => ("other", error(405, "MethodNotAllowed")),
        }
    }

    fn object(&self, parts: &hyper::http::request::Parts, bucket: &str, key: &str, query: &BTreeMap<String, String>, taken: Taken) -> (&'static str, Reply) {
        let noise = self.noise.clone();
        let mut state = self.lock();
        if !state.buckets.contains_key(bucket)
            && let Some(objects) = full(&noise, bucket)
        {
            state.buckets.insert(bucket.to_owned(), objects);
        }
        let original = header(parts, "x-amz-copy-source").map(|source| {
            let source = percent_decode_str(source.trim_start_matches('/')).decode_utf8_lossy().into_owned();
            let (bucket, key) = source.split_once('/').unwrap_or((&source, ""));
            state.buckets.get(bucket).and_then(|objects| objects.get(key)).cloned()
        });
        if !state.buckets.contains_key(bucket) {
            return ("no bucket", error(404, "NoSuchBucket"));
        }
        match (parts.method.as_str(), query.get("uploadId")) {
            ("POST", None) if query.contains_key("uploads") => {
                state.next_upload += 1;
                let id = format!("upload-{}", state.next_upload);
                state.uploads.insert(id.clone(), Upload { meta: metadata(parts), ..Upload::default() });
                ("begin parts", reply(200, format!("<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>", escaped(key))))
            }
            ("PUT", Some(id)) => {
                let Some(upload) = state.uploads.get_mut(id) else { return ("part", error(404, "NoSuchUpload")) };
                let number = query.get("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0);
                let md5 = taken.md5.unwrap_or([0; 16]);
                let (size, kind) = match original {
                    None => (taken.size, "part"),
                    Some(original) => {
                        let range = header(parts, "x-amz-copy-source-range").and_then(|text| range(text, original.map_or(0, |o| o.size)));
                        (range.map_or(0, |(from, to)| to - from), "copy part")
                    }
                };
                upload.parts.insert(number, (size, md5));
                let tag = format!("\"{}\"", hex(&md5));
                if kind == "copy part" {
                    return (kind, reply(200, format!("<CopyPartResult><ETag>{}</ETag></CopyPartResult>", escaped(&tag))));
                }
                let mut reply = reply(200, String::new());
                reply.headers_mut().insert(ETAG, tag.parse().expect("a tag"));
                (kind, reply)
            }
            ("POST", Some(id)) => {
                let Some(upload) = state.uploads.remove(id) else { return ("complete", error(404, "NoSuchUpload")) };
                let size = upload.parts.values().map(|part| part.0).sum();
                let mut hash = Md5::new();
                upload.parts.values().for_each(|part| hash.update(part.1));
                let tag = format!("\"{}-{}\"", hex(&hash.finalize()), upload.parts.len());
                let text = format!("<CompleteMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{}</Key><ETag>{}</ETag></CompleteMultipartUploadResult>", escaped(key), escaped(&tag));
                keep(&mut state, bucket, key, Object { size, tag, meta: upload.meta, body: None, seed: seed(key) });
                ("complete", reply(200, text))
            }
            ("DELETE", Some(id)) => {
                state.uploads.remove(id);
                ("abort", reply(204, String::new()))
            }
            ("PUT", None) => {
                let there = state.buckets.get(bucket).and_then(|objects| objects.get(key));
                let wanted = header(parts, "if-match").map(|tag| tag.trim_matches('"'));
                let fails = header(parts, "if-none-match").is_some() && there.is_some()
                    || wanted.is_some_and(|wanted| there.is_none_or(|there| there.tag.trim_matches('"') != wanted));
                if fails {
                    return ("put", error(412, "PreconditionFailed"));
                }
                if let Some(original) = original {
                    let Some(original) = original else { return ("copy", error(404, "NoSuchKey")) };
                    if header(parts, "x-amz-copy-source-if-match").is_some_and(|tag| tag.trim_matches('"') != original.tag.trim_matches('"')) {
                        return ("copy", error(412, "PreconditionFailed"));
                    }
                    let text = format!("<CopyObjectResult><LastModified>{}</LastModified><ETag>{}</ETag></CopyObjectResult>", MODIFIED.1, escaped(&original.tag));
                    keep(&mut state, bucket, key, original);
                    return ("copy", reply(200, text));
                }
                let tag = format!("\"{}\"", taken.md5.map_or_else(|| format!("{:032x}-1", seed(key)), |sum| hex(&sum)));
                let mut reply = reply(200, String::new());
                reply.headers_mut().insert(ETAG, tag.parse().expect("a tag"));
                keep(&mut state, bucket, key, Object { size: taken.size, tag, meta: metadata(parts), body: taken.kept, seed: seed(key) });
                ("put", reply)
            }
            ("DELETE", None) => {
                state.buckets.get_mut(bucket).and_then(|objects| objects.remove(key));
                ("delete", reply(204, String::new()))
            }
            ("GET" | "HEAD", _) => {
                let kind = if parts.method == Method::HEAD { "head" } else { "get" };
                let Some(object) = state.buckets.get(bucket).and_then(|objects| objects.get(key)) else { return (kind, error(404, "NoSuchKey")) };
                if header(parts, "if-match").is_some_and(|tag| tag.trim_matches('"') != object.tag.trim_matches('"')) {
                    return (kind, error(412, "PreconditionFailed"));
                }
                let asked = parts.headers.get(RANGE).and_then(|text| text.to_str().ok());
                let found = asked.map(|text| range(text, object.size));
                let (from, to) = match found {
                    Some(None) => return (kind, error(416, "InvalidRange")),
                    Some(Some(found)) => found,
                    None => (0, object.size),
                };
                let body = match &object.body {
                    _ if kind == "head" => Answer::Bytes(Bytes::new()),
                    Some(body) => Answer::Bytes(body.slice(from as usize..to as usize)),
                    None => Answer::Noise { noise, at: object.seed + from, left: to - from },
                };
                let mut reply = Response::new(body);
                let headers = reply.headers_mut();
                headers.insert(CONTENT_LENGTH, (to - from).into());
                headers.insert(ETAG, object.tag.parse().expect("a tag"));
                headers.insert(LAST_MODIFIED, MODIFIED.0.parse().expect("a date"));
                headers.insert("accept-ranges", "bytes".parse().expect("a word"));
                for (name, value) in &object.meta {
                    if let (Ok(name), Ok(value)) = (name.parse::<hyper::header::HeaderName>(), value.parse()) {
                        headers.insert(name, value);
                    }
                }
                if asked.is_some() {
                    headers.insert(CONTENT_RANGE, format!("bytes {from}-{}/{}", to.saturating_sub(1), object.size).parse().expect("a range"));
                    *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
                }
                (kind, reply)
            }
            _ => ("other", error(405, "MethodNotAllowed")),
        }
    }
}

fn keep(state: &mut State, bucket: &str, key: &str, object: Object) {
    if let Some(objects) = state.buckets.get_mut(bucket)
        && objects.len() < MOST
    {
        objects.insert(key.to_owned(), object);
    }
}

/// First and end of `bytes=…`, within the object.
fn range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (first, last) {
        ("", last) => (size.saturating_sub(last.parse().ok()?), size),
        (first, "") => (first.parse().ok()?, size),
        (first, last) => (first.parse().ok()?, last.parse::<u64>().ok()?.saturating_add(1).min(size)),
    };
    (from < to).then_some((from, to))
}

/// One page, of either version of the request.
fn list(objects: &BTreeMap<String, Object>, bucket: &str, query: &BTreeMap<String, String>) -> Reply {
    let get = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let (prefix, delimiter) = (get("prefix"), get("delimiter"));
    let is_second = get("list-type") == "2";
    let most = query.get("max-keys").and_then(|text| text.parse().ok()).unwrap_or(1000_usize).min(1000);
    let after = match (is_second, get("continuation-token")) {
        (true, "") => get("start-after"),
        (true, token) => token,
        (false, _) => get("marker"),
    };
    let is_encoded = get("encoding-type") == "url";
    let name = |key: &str| if is_encoded { utf8_percent_encode(key, &KEEP_IN_KEYS).to_string() } else { escaped(key) };
    let from = if after.is_empty() { Included(prefix) } else if after < prefix { Included(prefix) } else { Excluded(after) };
    let (mut text, mut count, mut last, mut is_cut) = (String::new(), 0, String::new(), false);
    let mut folder: Option<String> = None;
    for (key, object) in objects.range::<str, _>((from, Unbounded)) {
        let Some(rest) = key.strip_prefix(prefix) else { break };
        if folder.as_ref().is_some_and(|folder| key.starts_with(folder)) {
            continue;
        }
        let below = (!delimiter.is_empty()).then(|| rest.find(delimiter)).flatten().map(|at| format!("{prefix}{}", &rest[..at + delimiter.len()]));
        // A page that ended with a folder goes on behind it.
        if below.as_deref().is_some_and(|below| after.starts_with(below)) {
            continue;
        }
        if count == most {
            is_cut = true;
            break;
        }
        count += 1;
        match below {
            Some(below) => {
                let _ = write!(text, "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", name(&below));
                last.clone_from(&below);
                folder = Some(below);
            }
            None => {
                let (tag, size) = (escaped(&object.tag), object.size);
                let _ = write!(text, "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{tag}</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>", name(key), MODIFIED.1);
                last.clone_from(key);
            }
        }
    }
    let next = match (is_cut, is_second) {
        (false, _) => String::new(),
        (true, true) => format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(&last)),
        (true, false) => format!("<NextMarker>{}</NextMarker>", name(&last)),
    };
    let encoding = if is_encoded { "<EncodingType>url</EncodingType>" } else { "" };
    reply(200, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{bucket}</Name><Prefix>{}</Prefix><MaxKeys>{most}</MaxKeys><KeyCount>{count}</KeyCount>{encoding}<IsTruncated>{is_cut}</IsTruncated>{next}{text}</ListBucketResult>", name(prefix)))
}

async fn serve(server: Arc<Server>, port: u16) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| Arc::clone(&server).answer(request));
            // A client that hangs up is no failure of the server.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
        });
    }
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: u64| {
        arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let (port, latency, threads) = (option("--port", 0), option("--latency-ms", 0), option("--threads", 4));
    let server = Arc::new(Server { noise: noise(), state: Mutex::default(), latency: Duration::from_millis(latency) });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads.max(1) as usize).enable_all().build()?;
    runtime.block_on(serve(server, port as u16))
}
