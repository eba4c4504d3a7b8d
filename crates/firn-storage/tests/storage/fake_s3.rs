//! An S3 service in memory, which can be as wrong as real ones are.

use crate::web::{Reply, Request, Web, header, reply};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// In which way it is wrong.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// Preconditions are ignored: everything is overwritten.
    pub ignores_conditions: bool,
    /// `If-Match` is compared without quotes, as Ceph 16 does.
    pub unquoted: bool,
    /// Of each so many conditional writes one is carried out, and the connection ends without an answer.
    pub loses_every: usize,
    /// The same, with the answer 500.
    pub fails_after_every: usize,
    /// Copies are refused with 403.
    pub refuses_copies: bool,
    /// The condition of a copy's source is ignored, as Ceph 16 does.
    pub copies_anything: bool,
    /// Of each so many copies one fails after an answer that began with status 200.
    pub copy_fails_every: usize,
}

struct Stored {
    bytes: Vec<u8>,
    etag: String,
    mark: Option<String>,
}

/// Starts a service with one bucket, `bucket`.
pub fn serve(faults: Faults) -> Web {
    let objects: Mutex<BTreeMap<String, Stored>> = Mutex::default();
    let (writes, versions, copies) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    Web::serve(move |request| {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let key = decode(path.strip_prefix("/bucket").unwrap().trim_start_matches('/'));
        let mut objects = objects.lock().unwrap();
        match request.method.as_str() {
            "GET" if key.is_empty() => list(&objects, query),
            "GET" | "HEAD" => get(&objects, &key, request),
            "DELETE" => {
                objects.remove(&key);
                reply("204 No Content", &[], b"")
            }
            "POST" if query.contains("delete") => {
                let text = String::from_utf8_lossy(&request.body);
                for key in text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
                    objects.remove(key);
                }
                reply("200 OK", &[], b"<DeleteResult></DeleteResult>")
            }
            "PUT" => {
                if let Some(source) = header(&request.headers, "x-amz-copy-source") {
                    let count = copies.fetch_add(1, Ordering::SeqCst) + 1;
                    return copy(&mut objects, key, &decode(&source), request, faults, count);
                }
                let conditional = ["if-match", "if-none-match"].iter().any(|n| header(&request.headers, n).is_some());
                if !faults.ignores_conditions && refuses(&objects, &key, request, faults) {
                    return reply("412 Precondition Failed", &[], b"<Error><Code>PreconditionFailed</Code></Error>");
                }
                let etag = format!("\"{:032x}\"", versions.fetch_add(1, Ordering::SeqCst) + 1);
                let mark = header(&request.headers, "x-amz-meta-firnwrite");
                objects.insert(key, Stored { bytes: request.body.clone(), etag: etag.clone(), mark });
                let count = if conditional { writes.fetch_add(1, Ordering::SeqCst) + 1 } else { 1 };
                let now = |every: usize| conditional && every > 0 && count % every == 0;
                if now(faults.loses_every) {
                    return Reply::Raw(Vec::new());
                }
                if now(faults.fails_after_every) {
                    return reply("500 Internal", &[], b"<Error><Code>UnknownError</Code></Error>");
                }
                reply("200 OK", &[&format!("ETag: {etag}")], b"")
            }
            _ => reply("501 Not Implemented", &[], b""),
        }
    })
}

fn copy(
    objects: &mut BTreeMap<String, Stored>,
    key: String,
    source: &str,
    request: &Request,
    faults: Faults,
    count: usize,
) -> Reply {
    let error = |status, code: &str| reply(status, &[], format!("<Error><Code>{code}</Code></Error>").as_bytes());
    if faults.refuses_copies {
        return error("403 Forbidden", "AccessDenied");
    }
    let Some(original) = objects.get(source.trim_start_matches('/').strip_prefix("bucket/").unwrap()) else {
        return error("404 Not Found", "NoSuchKey");
    };
    let expected = header(&request.headers, "x-amz-copy-source-if-match");
    if !faults.copies_anything && expected.is_some_and(|expected| expected != original.etag) {
        return error("412 Precondition Failed", "PreconditionFailed");
    }
    if faults.copy_fails_every > 0 && count.is_multiple_of(faults.copy_fails_every) {
        return error("200 OK", "InternalError");
    }
    let (bytes, etag) = (original.bytes.clone(), original.etag.clone());
    let text = format!("<CopyObjectResult><ETag>{}</ETag></CopyObjectResult>", etag.replace('"', "&quot;"));
    objects.insert(key, Stored { bytes, etag, mark: None });
    reply("200 OK", &[], text.as_bytes())
}

fn refuses(objects: &BTreeMap<String, Stored>, key: &str, request: &Request, faults: Faults) -> bool {
    if header(&request.headers, "if-none-match").is_some() && objects.contains_key(key) {
        return true;
    }
    let Some(expected) = header(&request.headers, "if-match") else { return false };
    let found =
        objects.get(key).map(|object| if faults.unquoted { object.etag.replace('"', "") } else { object.etag.clone() });
    found != Some(expected)
}

fn get(objects: &BTreeMap<String, Stored>, key: &str, request: &Request) -> Reply {
    let Some(object) = objects.get(key) else {
        return reply("404 Not Found", &[], b"<Error><Code>NoSuchKey</Code></Error>");
    };
    let tag = format!("ETag: {}", object.etag);
    let mark = format!("x-amz-meta-firnwrite: {}", object.mark.clone().unwrap_or_default());
    let headers = [tag.as_str(), mark.as_str(), "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"];
    if request.method == "HEAD" {
        let Reply::Raw(mut bytes) = reply("200 OK", &headers, &object.bytes) else { unreachable!() };
        bytes.truncate(bytes.len() - object.bytes.len());
        return Reply::Raw(bytes);
    }
    crate::web::good(request, &object.bytes, &headers)
}

fn list(objects: &BTreeMap<String, Stored>, query: &str) -> Reply {
    let value = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        pair.map(decode).unwrap_or_default()
    };
    let (prefix, delimiter) = (value("prefix"), value("delimiter"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 60;
    let (mut text, mut folders) = (String::from("<ListBucketResult><IsTruncated>false</IsTruncated>"), Vec::new());
    for (key, object) in objects.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix)) {
        if let Some((folder, _)) = key[prefix.len()..].split_once('/').filter(|_| !delimiter.is_empty()) {
            folders.push(format!("{prefix}{folder}/"));
            continue;
        }
        let (etag, size) = (object.etag.replace('"', "&quot;"), object.bytes.len());
        let key = key.replace('&', "&amp;");
        let entry = format!(
            "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:{now:02}.000Z</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>"
        );
        text.push_str(&entry);
    }
    folders.dedup();
    for folder in folders {
        let entry = format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
        text.push_str(&entry);
    }
    reply("200 OK", &[], (text + "</ListBucketResult>").as_bytes())
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
