//! Ctrl-C and SIGTERM: stopped cleanly, with the status and the words that say so.
#![cfg(unix)]

use crate::run::Place;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// Starts a command that waits for a server which never answers, sends a signal once it has asked, and returns status
/// and standard output.
fn interrupted_by(signal: &str) -> (Option<i32>, String) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a.nc", server.local_addr().unwrap());
    let place = Place::new();
    let mut child =
        place.command(&["inspect", &url, "-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (asked, _) = server.accept().unwrap();
    let mut line = String::new();
    BufReader::new(&asked).read_line(&mut line).unwrap();
    assert!(line.contains("/a.nc"), "{line}");
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = child.wait().unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    (status.code(), text)
}

#[test]
fn a_signal_stops_cleanly_and_says_how_to_continue() {
    for signal in ["-INT", "-TERM"] {
        let (status, text) = interrupted_by(signal);
        assert_eq!(status, Some(130), "{signal}: {text}");
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["error"]["category"], "interrupted");
        assert_eq!(object["error"]["next"], "run the same command again to continue");
    }
}
