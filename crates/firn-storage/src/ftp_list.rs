//! What FTP servers say of files: facts of RFC 3659 (`MLST`, `MLSD`), and the lines of `LIST`, which no standard describes.

use crate::file_server::{Entry, NodeKind, version};

/// A line of `MLSD` or `MLST`: `fact=value;fact=value; name`. `None` for a line that is none.
pub(crate) fn facts(line: &str) -> Option<Entry> {
    let (facts, name) = line.split_once(' ')?;
    let (mut kind, mut size, mut modified) = (NodeKind::Other, None, None);
    for fact in facts.split(';').filter(|fact| !fact.is_empty()) {
        let (fact, value) = fact.split_once('=')?;
        match fact.to_ascii_lowercase().as_str() {
            "type" => {
                kind = match value.to_ascii_lowercase().as_str() {
                    "file" => NodeKind::File,
                    "dir" => NodeKind::Folder,
                    // The folder itself and the one above.
                    "cdir" | "pdir" => {
                        return Some(Entry { name: ".".to_owned(), kind: NodeKind::Folder, version: version(0, None) });
                    }
                    other if other.starts_with("os.unix=slink") || other.starts_with("os.unix=symlink") => {
                        NodeKind::Link
                    }
                    _ => NodeKind::Other,
                }
            }
            "size" => size = Some(value.parse::<u64>().ok()?),
            "modify" => modified = time(value),
            _ => {}
        }
    }
    if kind == NodeKind::File && size.is_none() {
        kind = NodeKind::Other;
    }
    Some(Entry { name: name.to_owned(), kind, version: version(size.unwrap_or(0), modified) })
}

/// `YYYYMMDDHHMMSS`, perhaps with a fraction, in UTC; in seconds since 1970.
pub(crate) fn time(text: &str) -> Option<i64> {
    let digits = text.split('.').next()?;
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits[from..to].parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let is_time = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !is_time || year < 1970 {
        return None;
    }
    Some(((crate::http_date::days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// A line of `LIST`, as Unix or Windows write it; `None` for a line of neither (a total, a heading). Its times have no zone and
/// often no year, so they are not taken.
pub(crate) fn line(line: &str) -> Option<Entry> {
    unix(line).or_else(|| windows(line))
}

/// `-rw-r--r--   1 owner group  1234 Jan 01 12:00 name`.
fn unix(line: &str) -> Option<Entry> {
    let kind = match line.as_bytes().first()? {
        b'-' => NodeKind::File,
        b'd' => NodeKind::Folder,
        b'l' => NodeKind::Link,
        b'b' | b'c' | b'p' | b's' => NodeKind::Other,
        _ => return None,
    };
    let mut rest = line;
    let mut words = Vec::new();
    for _ in 0..8 {
        rest = rest.trim_start_matches(' ');
        let (word, after) = rest.split_once(' ')?;
        words.push(word);
        rest = after;
    }
    let modes = words[0];
    if modes.len() < 10 || !modes[1..].bytes().all(|byte| byte.is_ascii_alphabetic() || b"-+.@".contains(&byte)) {
        return None;
    }
    let is_month = words[5].len() == 3 && words[5].bytes().all(|byte| byte.is_ascii_alphabetic());
    let size = words[4].parse::<u64>().ok().filter(|_| is_month);
    let kind = if kind == NodeKind::File && size.is_none() { return None } else { kind };
    let name = if kind == NodeKind::Link { rest.split_once(" -> ").map_or(rest, |(name, _)| name) } else { rest };
    Some(Entry { name: name.to_owned(), kind, version: version(size.unwrap_or(0), None) })
}

/// `01-02-20  03:04PM       <DIR>          name`, or a size in place of `<DIR>`.
fn windows(line: &str) -> Option<Entry> {
    let mut rest = line;
    let mut words = Vec::new();
    for _ in 0..3 {
        rest = rest.trim_start_matches(' ');
        let (word, after) = rest.split_once(' ')?;
        words.push(word);
        rest = after;
    }
    let is_date = words[0].len() >= 8 && words[0].bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if !is_date || !words[1].contains(':') {
        return None;
    }
    let name = rest.trim_start_matches(' ').to_owned();
    match words[2] {
        "<DIR>" => Some(Entry { name, kind: NodeKind::Folder, version: version(0, None) }),
        size => Some(Entry { name, kind: NodeKind::File, version: version(size.parse().ok()?, None) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(entry: Option<Entry>) -> Option<(String, NodeKind, u64, Option<i64>)> {
        entry.map(|entry| (entry.name, entry.kind, entry.version.size, entry.version.last_modified))
    }

    #[test]
    fn facts_are_read_in_any_order_and_case() {
        let of = |name: &str, kind, size, time| Some((name.to_owned(), kind, size, time));
        assert_eq!(
            told(facts("Size=12;Modify=20200229235959.123;Type=file;Perm=r; a  b.nc")),
            of(" b.nc", NodeKind::File, 12, Some(1_583_020_799)).map(|(_, k, s, t)| ("a  b.nc".to_owned(), k, s, t))
        );
        assert_eq!(told(facts("type=dir; sub")), of("sub", NodeKind::Folder, 0, None));
        assert_eq!(told(facts("type=cdir; /pub")), of(".", NodeKind::Folder, 0, None));
        assert_eq!(told(facts("type=OS.unix=slink:/etc/passwd; x")), of("x", NodeKind::Link, 0, None));
        assert_eq!(told(facts("type=file; no-size")), of("no-size", NodeKind::Other, 0, None));
        for broken in ["", "type=file;size=5;", "type=file;size=-1; a", "x y", "type=file;size=99999999999999999999; a"]
        {
            assert_eq!(facts(broken), None, "{broken}");
        }
    }

    #[test]
    fn times_are_seconds_of_utc() {
        assert_eq!(time("19700101000000"), Some(0));
        assert_eq!(time("20000229120000"), Some(951_825_600));
        assert_eq!(time("20261123190000.5"), Some(1_795_460_400));
        for broken in ["", "2020", "20201301000000", "19691231235959", "2020010100000x", "99999999999999"] {
            assert_eq!(time(broken), None, "{broken}");
        }
    }

    #[test]
    fn lines_of_unix_and_windows_are_read() {
        let of = |name: &str, kind, size| Some((name.to_owned(), kind, size, None));
        assert_eq!(
            told(line("-rw-r--r--   1 ftp ftp      1234 Jan 01 12:00 a b.nc")),
            of("a b.nc", NodeKind::File, 1234)
        );
        assert_eq!(told(line("drwxr-xr-x+  2 0 0 4096 Mar  3  2020 sub")), of("sub", NodeKind::Folder, 4096));
        assert_eq!(told(line("lrwxrwxrwx 1 0 0 9 Mar 3 2020 latest -> ../../etc")), of("latest", NodeKind::Link, 9));
        assert_eq!(
            told(line("01-02-20  03:04PM       <DIR>          my folder")),
            of("my folder", NodeKind::Folder, 0)
        );
        assert_eq!(told(line("01-02-2020  03:04PM             1234 a.nc")), of("a.nc", NodeKind::File, 1234));
        for none in ["total 12", "", "drwx", "-rw-r--r-- 1 ftp ftp x Jan 01 12:00 a", "<html>", "- - - - - - - - -"] {
            assert_eq!(line(none), None, "{none}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = (facts(&text), line(&text), time(&text));
        }

        #[test]
        fn no_line_like_text_panics(text in "[-dl][-rwx]{9} [0-9 a-zA-Zé]{0,40}") {
            let _ = line(&text);
        }
    }
}
