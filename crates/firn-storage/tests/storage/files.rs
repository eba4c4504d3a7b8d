//! Servers of files that are silent, or talk nonsense: given up in time, without a panic.

use crate::support::{impatient, runtime};
use firn_model::source::SourceError;
use firn_storage::{ObjectUrl, Storage, StorageSettings};
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// A server that says this to everybody, again and again, and then nothing. Its port.
fn says(text: &'static [u8], times: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            std::thread::spawn(move || {
                for _ in 0..times {
                    if connection.write_all(text).is_err() {
                        return;
                    }
                }
                std::thread::sleep(Duration::from_mins(1));
            });
        }
    });
    port
}

#[test]
fn servers_that_are_none_are_given_up() {
    let runtime = runtime();
    let home = tempfile::tempdir().unwrap();
    let variables = [("HOME", home.path().to_str().unwrap()), ("USER", "me")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut settings = StorageSettings { ssh: StorageSettings::from_env(variables).unwrap().ssh, ..impatient() };
    settings.timeouts.connect = Duration::from_millis(300);
    let storage = Storage::new(settings, runtime.handle().clone()).unwrap();
    for (text, times) in [
        (b"".as_slice(), 0),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 1),
        (b"SSH-2.0-x\r\n\xff\xff\xff\xff\xff\xff\xff\xff", 1),
        (b"SSH-2.0-x\r\n\0\0\0\x0c\x0a", 1),
        (b"220 hello\r\n", 1000),
        (b"220-without an end ", 100_000),
        (b"\0\0\0\0", 100_000),
        (b"999 what\r\n", 100),
        (b"229 (|||0|)\r\n", 100),
    ] {
        let port = says(text, times);
        for address in [format!("sftp://me@127.0.0.1:{port}/a"), format!("ftp://127.0.0.1:{port}/a")] {
            let begun = Instant::now();
            let url = ObjectUrl::parse(&address).unwrap();
            let error = storage.open(&url).err().unwrap_or_else(|| panic!("{address} {text:?}"));
            let is_right = matches!(
                error,
                SourceError::Unavailable { .. } | SourceError::Broken { .. } | SourceError::Denied { .. }
            );
            assert!(is_right, "{address} {text:?}: {error}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{address} {text:?}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn nothing_is_written_to_an_ftp_server() {
    let runtime = runtime();
    let storage = Storage::new(impatient(), runtime.handle().clone()).unwrap();
    let url = ObjectUrl::parse("ftp://127.0.0.1:1/x").unwrap();
    assert!(matches!(storage.prefix(&url), Err(firn_storage::StorageError::Unsupported { .. })));
    assert!(url.is_read_only());
}
