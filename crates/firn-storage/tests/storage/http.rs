//! Web servers, good and bad.

use crate::support::{impatient, runtime};
use crate::web::{Reply, Request, Web, good, pattern, reply};
use firn_model::source::{RangeReader, SourceError};
use firn_storage::{LimitSettings, ObjectUrl, Storage, StorageError, StorageSettings};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const SIZE: usize = 600_000;
const TAG: &str = "ETag: \"v1\"";

type Opened = Result<Option<Arc<dyn RangeReader>>, SourceError>;

struct Bench {
    _runtime: Runtime,
    storage: Storage,
    web: Web,
}

impl Bench {
    fn new(settings: StorageSettings, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let runtime = runtime();
        let storage = Storage::new(settings, runtime.handle().clone()).unwrap();
        Self { storage, web: Web::serve(reply), _runtime: runtime }
    }

    fn open(&self) -> Opened {
        self.storage.open(&ObjectUrl::parse(&format!("{}/a.nc", self.web.url)).unwrap())
    }
}

fn bench(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Bench {
    Bench::new(impatient(), reply)
}

/// Small enough limits that a body of `SIZE` is too large to take whole.
fn narrow() -> StorageSettings {
    let limits = LimitSettings { whole_object: 1000, requests_per_web_host: 3, ..LimitSettings::default() };
    StorageSettings { limits, ..impatient() }
}

fn error(opened: Opened) -> SourceError {
    match opened {
        Err(error) => error,
        Ok(reader) => panic!("opened: {}", reader.is_some()),
    }
}

#[test]
fn size_and_version_come_with_the_first_range_and_there_is_no_head() {
    let bench = bench(|request| good(request, &pattern(SIZE), &[TAG, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"]));
    let reader = bench.open().unwrap().unwrap();
    let version = reader.version().unwrap();
    assert_eq!((version.size, version.etag.as_deref()), (SIZE as u64, Some("\"v1\"")));
    assert_eq!(version.last_modified, Some(784_111_777));
    assert_eq!(reader.read(1000..2000).unwrap(), pattern(SIZE)[1000..2000]);
    assert_eq!(bench.web.count(), 1);
    assert_eq!(reader.read(500_000..500_100).unwrap(), pattern(SIZE)[500_000..500_100]);
    assert_eq!(reader.read(SIZE as u64 - 1..SIZE as u64).unwrap(), pattern(SIZE)[SIZE - 1..]);
    assert!(
        bench.web.requests.lock().unwrap().iter().all(|request| request.method == "GET" && request.range.is_some())
    );
    let beyond = reader.read(SIZE as u64 - 1..SIZE as u64 + 1);
    assert!(matches!(beyond, Err(SourceError::OutOfBounds { .. })), "{beyond:?}");
}

#[test]
fn a_batch_is_few_requests_side_by_side() {
    let bench = Bench::new(narrow(), |request| {
        std::thread::sleep(Duration::from_millis(30));
        good(request, &pattern(3_000_000), &[TAG])
    });
    let reader = bench.open().unwrap().unwrap();
    // Two clusters of small pieces, and three far ones.
    let starts = [300_000, 310_000, 460_000, 1_000_000, 1_050_000, 1_500_000, 2_000_000, 2_900_000];
    let ranges: Vec<_> = starts.iter().map(|start| *start..start + 100).collect();
    let bytes = reader.read_ranges(&ranges).unwrap();
    for (start, bytes) in starts.iter().zip(bytes) {
        assert_eq!(bytes, pattern(3_000_000)[*start as usize..*start as usize + 100]);
    }
    assert_eq!(bench.web.count(), 1 + 5);
    let most = bench.web.most_at_once.load(std::sync::atomic::Ordering::SeqCst);
    assert!((2..=3).contains(&most), "at most 3 at once to one host, more than one at a time: {most}");
}

#[test]
fn an_empty_object_is_empty() {
    let bench = bench(|request| good(request, b"", &[TAG]));
    assert_eq!(bench.open().unwrap().unwrap().size().unwrap(), 0);
}

#[test]
fn a_server_that_ignores_ranges_is_read_whole_up_to_the_bound() {
    let whole = |_: &Request| reply("200 OK", &[TAG], &pattern(SIZE));
    let wide = bench(whole);
    let reader = wide.open().unwrap().unwrap();
    assert_eq!(reader.read(500_000..500_100).unwrap(), pattern(SIZE)[500_000..500_100]);
    assert_eq!(wide.web.count(), 1);
    let refused = error(Bench::new(narrow(), whole).open());
    assert!(matches!(&refused, SourceError::Broken { what, .. } if what.contains("ignores ranges")), "{refused}");
}

#[test]
fn a_wrong_range_is_broken_and_not_data() {
    let shifted = bench(|_| reply("206 P", &["Content-Range: bytes 1-10/600000"], &pattern(10)));
    assert!(matches!(error(shifted.open()), SourceError::Broken { .. }));
    let unnamed = bench(|_| reply("206 P", &[], &pattern(10)));
    assert!(matches!(error(unnamed.open()), SourceError::Broken { .. }));
    let sizeless = bench(|_| reply("206 P", &["Content-Range: bytes 0-9/*"], &pattern(10)));
    assert!(matches!(error(sizeless.open()), SourceError::Broken { .. }));
    let lying = bench(|_| reply("206 P", &["Content-Range: bytes 0-99/600000"], &pattern(10)));
    assert!(matches!(error(lying.open()), SourceError::Broken { .. }));
    let later = bench(|request| match request.index {
        0 => good(request, &pattern(SIZE), &[TAG]),
        _ => reply("206 P", &[TAG, "Content-Range: bytes 0-99/600000"], &pattern(100)),
    });
    let read = later.open().unwrap().unwrap().read(500_000..500_100);
    assert!(matches!(read, Err(SourceError::Broken { .. })), "{read:?}");
}

#[test]
fn a_cut_body_is_asked_for_again() {
    let cut = |request: &Request| {
        let Reply::Raw(bytes) = good(request, &pattern(SIZE), &[TAG]) else { unreachable!() };
        Reply::Raw(bytes[..bytes.len() - 7].to_vec())
    };
    let twice =
        bench(move |request| if request.index < 2 { cut(request) } else { good(request, &pattern(SIZE), &[TAG]) });
    assert_eq!(twice.open().unwrap().unwrap().read(0..100).unwrap(), pattern(SIZE)[..100]);
    assert_eq!(twice.web.count(), 3);
    let always = bench(cut);
    assert!(matches!(error(always.open()), SourceError::Unavailable { .. }));
    assert_eq!(always.web.count(), 3);
}

#[test]
fn a_body_without_a_length_is_refused() {
    let bench = bench(|_| Reply::Raw([b"HTTP/1.0 200 OK\r\n\r\n", pattern(500).as_slice()].concat()));
    let refused = error(bench.open());
    assert!(matches!(&refused, SourceError::Broken { what, .. } if what.contains("no length")), "{refused}");
}

#[test]
fn an_endless_body_ends_at_what_was_asked() {
    let bench = bench(|_| {
        let head = b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-65535/600000\r\nTransfer-Encoding: chunked\r\n\r\n";
        Reply::Hang(
            [
                head.as_slice(),
                &b"10000\r\n".iter().copied().chain(pattern(0x10000)).chain(*b"\r\n").collect::<Vec<u8>>().repeat(4),
            ]
            .concat(),
        )
    });
    assert!(matches!(error(bench.open()), SourceError::Broken { .. }));
}

#[test]
fn retry_after_is_obeyed_by_all_and_not_for_ever() {
    let busy = bench(|request| match request.index {
        0 => reply("503 Busy", &["Retry-After: 1"], b""),
        _ => good(request, &pattern(SIZE), &[TAG]),
    });
    let start = Instant::now();
    busy.open().unwrap().unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(busy.web.count(), 2);
    let closed = bench(|_| reply("429 Too Many", &["Retry-After: 86400"], b""));
    let refused = error(closed.open());
    assert!(matches!(&refused, SourceError::Unavailable { what, .. } if what.contains("429")), "{refused}");
    assert_eq!(closed.web.count(), 1);
}

#[test]
fn refusals_keep_their_kind() {
    assert!(bench(|_| reply("404 Not Found", &[], b"<html>")).open().unwrap().is_none());
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let bench = bench(move |_| reply(status, &[], b"no"));
        assert!(matches!(error(bench.open()), SourceError::Denied { .. }));
        assert_eq!(bench.web.count(), 1);
    }
    let failing = bench(|_| reply("500 Oops", &[], b"x"));
    assert!(matches!(error(failing.open()), SourceError::Unavailable { .. }));
    assert_eq!(failing.web.count(), 3);
    let odd = bench(|_| reply("418 Teapot", &[], b"x"));
    assert!(matches!(error(odd.open()), SourceError::Broken { .. }));
}

#[test]
fn a_changed_object_is_never_mixed_with_the_old_one() {
    let tag = bench(|request| {
        let tag = if request.index == 0 { TAG } else { "ETag: \"v2\"" };
        good(request, &pattern(SIZE), &[tag])
    });
    let read = tag.open().unwrap().unwrap().read(500_000..500_100);
    assert!(matches!(&read, Err(SourceError::Changed { what, .. }) if what.contains("v2")), "{read:?}");
    let size = bench(|request| good(request, &pattern(SIZE - request.index), &[]));
    let read = size.open().unwrap().unwrap().read(500_000..500_100);
    assert!(matches!(read, Err(SourceError::Changed { .. })), "{read:?}");
    let shrunk = bench(|request| good(request, &pattern(if request.index == 0 { SIZE } else { 1000 }), &[TAG]));
    let read = shrunk.open().unwrap().unwrap().read(500_000..500_100);
    assert!(matches!(read, Err(SourceError::Changed { .. })), "{read:?}");
    let gone = bench(|request| match request.index {
        0 => good(request, &pattern(SIZE), &[TAG]),
        _ => reply("404 Not Found", &[], b""),
    });
    let read = gone.open().unwrap().unwrap().read(500_000..500_100);
    assert!(matches!(read, Err(SourceError::Changed { .. })), "{read:?}");
}

#[test]
fn redirects_are_followed_to_the_web_only_and_not_for_ever() {
    let moved = bench(|request| match request.path.as_str() {
        "/a.nc" => reply("302 Found", &["Location: /b.nc"], b""),
        _ => good(request, &pattern(SIZE), &[TAG]),
    });
    assert_eq!(moved.open().unwrap().unwrap().size().unwrap(), SIZE as u64);
    let circle = bench(|_| reply("302 Found", &["Location: /a.nc"], b""));
    assert!(matches!(error(circle.open()), SourceError::Broken { .. }));
    assert!(circle.web.count() < 15);
    let local = bench(|_| reply("302 Found", &["Location: file:///etc/passwd"], b""));
    assert!(matches!(error(local.open()), SourceError::Broken { .. }));
}

#[test]
fn a_server_that_stands_still_is_given_up() {
    for silent in [false, true] {
        let bench = bench(move |_| {
            let head = b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-65535/600000\r\nContent-Length: 65536\r\n\r\n";
            if silent { Reply::Hang(Vec::new()) } else { Reply::Drip(head.to_vec()) }
        });
        let start = Instant::now();
        let refused = error(bench.open());
        assert!(matches!(&refused, SourceError::Unavailable { what, .. } if what.contains("too long")), "{refused}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[test]
fn compressed_bytes_are_refused() {
    let bench = bench(|request| good(request, &pattern(SIZE), &["Content-Encoding: gzip"]));
    assert!(matches!(error(bench.open()), SourceError::Broken { .. }));
    let asked = &bench.web.requests.lock().unwrap()[0].headers;
    assert!(asked.to_ascii_lowercase().contains("accept-encoding: identity"), "{asked}");
}

#[test]
fn nobody_there_is_unavailable() {
    let runtime = runtime();
    let storage = Storage::new(impatient(), runtime.handle().clone()).unwrap();
    let refused = error(storage.open(&ObjectUrl::parse("http://127.0.0.1:9/a.nc?token=hidden").unwrap()));
    assert!(matches!(&refused, SourceError::Unavailable { what, .. } if what.contains("no connection")), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("hidden"));
}

#[test]
fn a_known_version_costs_no_request_until_it_is_read() {
    let bench = bench(|request| good(request, &pattern(SIZE), &[TAG]));
    let url = ObjectUrl::parse(&format!("{}/a.nc", bench.web.url)).unwrap();
    let version = bench.open().unwrap().unwrap().version().unwrap();
    let reader = bench.storage.open_known(&url, &version).unwrap();
    assert_eq!(bench.web.count(), 1);
    assert_eq!(reader.read(0..10).unwrap(), pattern(10));
    let other = firn_model::source::SourceVersion { etag: Some("\"v0\"".to_owned()), ..version };
    let read = bench.storage.open_known(&url, &other).unwrap().read(0..10);
    assert!(matches!(read, Err(SourceError::Changed { .. })), "{read:?}");
}

#[test]
fn web_servers_cannot_be_listed_or_written() {
    let bench = bench(|request| good(request, &pattern(10), &[]));
    let url = ObjectUrl::parse(&bench.web.url).unwrap();
    assert!(bench.storage.list(&url).is_err());
    assert!(bench.storage.prefix(&url).is_err());
    assert_eq!(bench.web.count(), 0);
}

#[test]
fn sniffing_and_reading_are_one_look() {
    let bench = bench(|request| good(request, &pattern(SIZE), &[TAG]));
    let source = bench.storage.source(&ObjectUrl::parse(&format!("{}/a.nc", bench.web.url)).unwrap()).unwrap();
    source.object("").unwrap().unwrap().read(0..8).unwrap();
    source.object("").unwrap().unwrap().read(8..100).unwrap();
    assert_eq!(bench.web.count(), 1);
}

const PAGE: &str = "<html><a href=\"../\">../</a><a href=\"1981/\">1981/</a><a href=\"a.19810901.nc\">a</a><a href=\"b.nc\">b</a></html>";

#[test]
fn an_index_page_is_the_listing_of_its_folder() {
    let bench = bench(|request| match request.path.as_str() {
        "/data/" | "/data/1981/" => reply("200 OK", &["Content-Type: text/html;charset=utf-8"], PAGE.as_bytes()),
        _ => reply("404 Not Found", &[], b""),
    });
    let folder = ObjectUrl::parse(&format!("{}/data", bench.web.url)).unwrap();
    let level = bench.storage.list_level(&folder).unwrap();
    let keys: Vec<&str> = level.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!((keys, level.prefixes), (vec!["a.19810901.nc", "b.nc"], vec!["1981".to_owned()]));
    let found = bench.storage.glob(&format!("{}/data/*/a.*.nc", bench.web.url)).unwrap();
    let found: Vec<String> = found.iter().map(|(url, _)| url.to_string()).collect();
    assert_eq!(found, [format!("{}/data/1981/a.19810901.nc", bench.web.url)]);
}

#[test]
fn a_server_without_an_index_page_lists_nothing_rather_than_an_empty_folder() {
    let bench = bench(|request| match request.path.as_str() {
        "/json/" => reply("200 OK", &["Content-Type: application/json"], b"{}"),
        _ => reply("404 Not Found", &[], b""),
    });
    for folder in ["json", "none"] {
        let folder = ObjectUrl::parse(&format!("{}/{folder}", bench.web.url)).unwrap();
        let refused = bench.storage.list_level(&folder).unwrap_err();
        assert!(matches!(refused, StorageError::Source(SourceError::NotListable { .. })), "{refused}");
    }
    let everything = bench.storage.list(&ObjectUrl::parse(&bench.web.url).unwrap()).unwrap_err();
    assert!(matches!(everything, StorageError::Source(SourceError::NotListable { .. })), "{everything}");
}
