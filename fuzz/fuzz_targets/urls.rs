//! Addresses of objects and keys below prefixes: what `ObjectUrl` and `check_key` take of texts that others wrote. Lines of
//! the input: an address, keys.
#![no_main]

use firn_fuzz::{expect_no_bug, lines};
use firn_storage::{ObjectUrl, check_key, is_pattern};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(lines) = lines(data) else { return };
    let _ = is_pattern(lines[0]);
    let url = match ObjectUrl::parse(lines[0]) {
        Ok(url) => url,
        Err(error) => return expect_no_bug(&error),
    };
    let text = url.to_string();
    if url.is_durable() {
        // What is written into plans and stores names the same object when it is read again. Local paths are written as
        // paths, of which one that looks like a URL is another address: they are made absolute before.
        let written = url.absolute().map_or(text.clone(), |absolute| absolute.to_string());
        let again = ObjectUrl::parse(&written).unwrap_or_else(|error| panic!("{text:?} is not parsed again: {error}"));
        assert_eq!(again.to_string(), written, "{text:?}");
    }
    if let Ok(absolute) = url.absolute() {
        assert_eq!(absolute.absolute().ok().as_ref(), Some(&absolute), "{text:?}");
        if let Some(path) = absolute.local_path() {
            assert!(path.is_absolute() && !path.components().any(|part| part.as_os_str() == ".."), "{path:?}");
        }
    }
    let _ = (url.file_name(), url.scheme(), url.parent(), url.at());
    for key in lines.iter().skip(1).take(4) {
        let checked = check_key(&url.at(), key);
        let child = match url.child(key) {
            Ok(child) => child,
            Err(error) => {
                expect_no_bug(&error);
                continue;
            }
        };
        assert!(checked.is_ok(), "{key:?} is refused, and has a place below {text:?}");
        assert!(!key.split('/').any(|part| matches!(part, "" | "." | "..")), "{key:?}");
        assert_eq!(child.key_below(&url).as_deref(), Some(*key), "{child:?} below {url:?}");
    }
});
