//! A web server that does what it is told, also wrong things.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request, as far as the tests look at it.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// First and last byte asked for.
    pub range: Option<(usize, usize)>,
    pub headers: String,
    pub body: Vec<u8>,
    /// How many came before, over all connections.
    pub index: usize,
}

/// What is sent back.
pub enum Reply {
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, then nothing more for a long time.
    Hang(Vec<u8>),
    /// These bytes, then one byte every 50 ms.
    Drip(Vec<u8>),
}

/// The server; it ends with the test.
pub struct Web {
    pub url: String,
    pub requests: Arc<Mutex<Vec<Request>>>,
    pub most_at_once: Arc<AtomicUsize>,
}

impl Web {
    /// Serves each request by this function, in a thread of its own.
    pub fn serve(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let (seen, most, reply) = (Arc::clone(&requests), Arc::clone(&most_at_once), Arc::new(reply));
        std::thread::spawn(move || {
            let now = Arc::new(AtomicUsize::new(0));
            for stream in listener.incoming().flatten() {
                let (seen, most, now, reply) = (seen.clone(), most.clone(), now.clone(), reply.clone());
                // Counted while the answer is made: after it, the client may be quicker than this thread.
                let counted = move |request: &Request| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let reply = reply(request);
                    now.fetch_sub(1, Ordering::SeqCst);
                    reply
                };
                std::thread::spawn(move || answer(stream, &seen, &counted));
            }
        });
        Self { url, requests, most_at_once }
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, reply: &dyn Fn(&Request) -> Reply) {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            _ => return,
        }
    }
    let text = String::from_utf8(text).unwrap();
    let mut words = text.split(' ');
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let range = text.to_ascii_lowercase().split("range: bytes=").nth(1).map(|rest| {
        let (first, last) = rest.split("\r\n").next().unwrap().split_once('-').unwrap();
        (first.parse().unwrap(), last.parse().unwrap())
    });
    let length = header(&text, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let request = {
        let mut seen = seen.lock().unwrap();
        let request = Request { method, path, range, headers: text, body, index: seen.len() };
        seen.push(Request { body: Vec::new(), ..request.clone() });
        request
    };
    match reply(&request) {
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Reply::Hang(bytes) => {
            let _ = stream.write_all(&bytes);
            std::thread::sleep(Duration::from_secs(30));
        }
        Reply::Drip(bytes) => {
            let mut alive = stream.write_all(&bytes).is_ok();
            while alive {
                std::thread::sleep(Duration::from_millis(50));
                alive = stream.write_all(b"x").is_ok();
            }
        }
    }
}

/// A header of a request, by its name in lower case.
pub fn header(headers: &str, name: &str) -> Option<String> {
    let lines = headers.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// An answer with this status line, these headers and this body, and its right length.
pub fn reply(status: &str, headers: &[&str], body: &[u8]) -> Reply {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    Reply::Raw([text.as_bytes(), body].concat())
}

/// What a good server answers to a request of ranges.
pub fn good(request: &Request, bytes: &[u8], headers: &[&str]) -> Reply {
    let Some((first, last)) = request.range else { return reply("200 OK", headers, bytes) };
    if first >= bytes.len() {
        return reply("416 No", &[&format!("Content-Range: bytes */{}", bytes.len())], b"");
    }
    let end = (last + 1).min(bytes.len());
    let range = format!("Content-Range: bytes {first}-{}/{}", end - 1, bytes.len());
    reply("206 Partial Content", &[headers, &[&range]].concat(), &bytes[first..end])
}

/// Bytes in which every position is recognised.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}
