//! The one spelling of a local path: from the root, without `.` and `..`.

use std::io;
use std::path::{Component, Path, PathBuf};

/// This path from the root, without `.`, `..`, empty parts and a trailing slash. Symbolic links stay as they are written: a
/// path through a link may be the one that is kept when what lies behind it moves. Only where a `..` follows a link is the
/// link resolved, because there the system goes up from where the link leads.
///
/// # Errors
/// Where the current directory is not known, or the path is empty.
pub(crate) fn absolute(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if clean.is_symlink() {
                    // Of a link that leads nowhere the text decides; nothing can be read below it.
                    clean = clean.canonicalize().unwrap_or(clean);
                }
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        let here = std::env::current_dir().unwrap();
        let spelled = |text: &str| absolute(Path::new(text)).unwrap();
        for text in ["a/b.nc", "./a/b.nc", "a/./b.nc", "a//b.nc", "x/../a/b.nc", "a/b.nc/"] {
            assert_eq!(spelled(text), here.join("a/b.nc"), "{text}");
        }
        assert_eq!(spelled("/a/../../b"), Path::new("/b"));
        assert_eq!(spelled("/"), Path::new("/"));
        assert_eq!(spelled("/a b/%2e%2e/c#d"), Path::new("/a b/%2e%2e/c#d"));
        assert!(absolute(Path::new("")).is_err());
    }

    #[test]
    fn going_up_from_a_link_leads_where_the_system_goes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("far/away")).unwrap();
        std::fs::write(root.join("far/x"), "far").unwrap();
        std::fs::write(root.join("x"), "near").unwrap();
        std::os::unix::fs::symlink(root.join("far/away"), root.join("link")).unwrap();
        let up = root.join("link/../x");
        assert_eq!(std::fs::read_to_string(&up).unwrap(), "far", "the system's own answer");
        assert_eq!(absolute(&up).unwrap(), root.join("far/x"));
        assert_eq!(absolute(&root.join("link/x")).unwrap(), root.join("link/x"), "a link stays");
    }
}
