//! Putting a catalog in place: whole files only, and nothing of others is replaced.

use crate::error::EngineError;
use firn_catalog::build::CatalogFile;
use firn_catalog::index::{CatalogIndex, FILE_NAME};
use firn_model::diagnose::At;
use firn_storage::StorageError;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// Whether a catalog can be written there at all: asked before stores are opened.
///
/// # Errors
/// Where it is a file, or a feedstock: its documents and those of the catalog would lie side by side.
pub(super) fn check(out: &Path) -> Result<(), EngineError> {
    match fs::metadata(out) {
        Ok(found) if !found.is_dir() => Err(EngineError::TargetNotEmpty {
            at: at(out),
            what: "a file has this name".to_owned(),
            next: "the same command with another --out".to_owned(),
        }),
        Ok(_) if ["meta.yaml", "catalog.yaml", "recipe.yaml"].iter().any(|name| out.join(name).is_file()) => {
            Err(EngineError::TargetNotEmpty {
                at: at(out),
                what: "a feedstock is there, whose documents would be mixed with those of the catalog".to_owned(),
                next: format!("the same command with --out {}", out.join("catalog").display()),
            })
        }
        _ => Ok(()),
    }
}

/// Writes all files; those of the catalog before that are not among them are removed. Where the directory does not exist it
/// appears whole; else file by file, firn's index last.
///
/// # Errors
/// A file in the way that no catalog of firn wrote; what the file system says.
pub(super) fn write(out: &Path, files: &[CatalogFile]) -> Result<Vec<String>, EngineError> {
    let before = owned(out)?;
    refuse_foreign(out, files, &before)?;
    let stage = Stage::new(out)?;
    for file in files {
        stage.put(&file.path, file.text.as_bytes())?;
    }
    if fs::symlink_metadata(out).is_err() {
        return match fs::rename(&stage.path, out) {
            Ok(()) => Ok(Vec::new()),
            Err(error) => Err(failed(out, &error)),
        };
    }
    for file in files {
        let target = out.join(&file.path);
        make_parent(&target)?;
        fs::rename(stage.path.join(&file.path), &target).map_err(|error| failed(&target, &error))?;
    }
    let now: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let gone: Vec<String> = before.into_iter().filter(|path| !now.contains(path.as_str())).collect();
    for path in &gone {
        remove(out, path)?;
    }
    Ok(gone)
}

/// The files that the catalog before says are its own.
fn owned(out: &Path) -> Result<BTreeSet<String>, EngineError> {
    let path = out.join(FILE_NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(BTreeSet::new());
        }
        Err(error) => return Err(failed(&path, &error)),
    };
    let index: Option<CatalogIndex> = serde_json::from_slice(&bytes).ok();
    let names = index.map(|index| index.files).unwrap_or_default();
    // A list from elsewhere must not name anything outside of its directory.
    Ok(names.into_iter().filter(|name| is_below(name)).collect())
}

fn is_below(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

fn refuse_foreign(out: &Path, files: &[CatalogFile], before: &BTreeSet<String>) -> Result<(), EngineError> {
    let foreign: Vec<&str> = files
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| !before.contains(*path) && fs::symlink_metadata(out.join(path)).is_ok())
        .collect();
    let Some(first) = foreign.first() else { return Ok(()) };
    let more = if foreign.len() > 1 { format!(" and {} more", foreign.len() - 1) } else { String::new() };
    Err(EngineError::TargetNotEmpty {
        at: at(out),
        what: format!("{first}{more} would be replaced, which no catalog of firn wrote"),
        next: "choose another --out, or move these files away first".to_owned(),
    })
}

fn remove(out: &Path, name: &str) -> Result<(), EngineError> {
    let path = out.join(name);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&path, &error)),
    }
    // Directories that are empty now were the catalog's. One that is not ends the way up.
    let mut parent = path.parent();
    while let Some(folder) = parent.filter(|folder| *folder != out && fs::remove_dir(folder).is_ok()) {
        parent = folder.parent();
    }
    Ok(())
}

/// A directory beside the target in which files are complete before they are moved; removed when dropped.
struct Stage {
    path: PathBuf,
}

impl Stage {
    fn new(out: &Path) -> Result<Self, EngineError> {
        let absolute = std::path::absolute(out).map_err(|error| failed(out, &error))?;
        let parent = absolute.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = parent.join(format!(".{name}.firn-{}", std::process::id()));
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path, &error)),
            _ => {}
        }
        fs::create_dir(&path).map_err(|error| failed(&path, &error))?;
        Ok(Self { path })
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        let path = self.path.join(name);
        make_parent(&path)?;
        let written = fs::File::create_new(&path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(|error| failed(&path, &error))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Nothing of it is left where it was renamed; otherwise only copies are.
        let _gone = fs::remove_dir_all(&self.path);
    }
}

fn make_parent(path: &Path) -> Result<(), EngineError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|error| failed(parent, &error))
}

fn at(path: &Path) -> At {
    At::url(path.to_string_lossy())
}

fn failed(path: &Path, error: &io::Error) -> EngineError {
    StorageError::io(at(path), error).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::EngineError;

    fn file(path: &str, text: &str) -> CatalogFile {
        CatalogFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn index(paths: &[&str]) -> CatalogFile {
        let names = paths.iter().chain(&[FILE_NAME]).map(|path| (*path).to_owned()).collect();
        file(FILE_NAME, &serde_json::to_string(&CatalogIndex::new(Vec::new(), names)).unwrap())
    }

    #[test]
    fn a_second_build_replaces_its_own_files_and_removes_what_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        let out = temp.path().join("deep/out");
        write(&out, &[file("a/x.json", "1"), file("b/y.json", "1"), index(&["a/x.json", "b/y.json"])]).unwrap();
        fs::write(out.join("mine.txt"), "mine").unwrap();
        let gone = write(&out, &[file("a/x.json", "2"), index(&["a/x.json"])]).unwrap();
        assert_eq!(gone, ["b/y.json"]);
        assert_eq!(fs::read_to_string(out.join("a/x.json")).unwrap(), "2");
        assert!(!out.join("b").exists() && out.join("mine.txt").exists());
        let left: Vec<_> = fs::read_dir(temp.path().join("deep")).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_feedstock_is_no_place_for_a_catalog() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("recipe.yaml"), "version: 1").unwrap();
        let refused = check(dir.path()).expect_err("a feedstock is there");
        assert!(matches!(refused, EngineError::TargetNotEmpty { .. }), "{refused:?}");
        assert!(check(&dir.path().join("catalog")).is_ok());
    }

    #[test]
    fn files_of_others_stop_the_build_before_anything_is_written() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("catalog.json"), "precious").unwrap();
        let error = write(temp.path(), &[file("a.json", "1"), file("catalog.json", "2")]).unwrap_err();
        assert!(matches!(error, EngineError::TargetNotEmpty { .. }), "{error}");
        assert_eq!(fs::read_to_string(temp.path().join("catalog.json")).unwrap(), "precious");
        assert!(!temp.path().join("a.json").exists());
    }

    #[test]
    fn an_index_cannot_name_files_elsewhere() {
        let temp = tempfile::tempdir().unwrap();
        let precious = temp.path().join("precious");
        fs::write(&precious, "x").unwrap();
        let out = temp.path().join("out");
        fs::create_dir(&out).unwrap();
        fs::write(out.join(FILE_NAME), index(&["../precious", precious.to_str().unwrap()]).text).unwrap();
        assert_eq!(write(&out, &[index(&[])]).unwrap(), Vec::<String>::new());
        assert!(precious.exists());
    }
}
