//! A kerchunk JSON file, and the folder beside it that holds what a run needs until the file is published.

use crate::error::EngineError;
use crate::journal::remove_all_but_record;
use crate::settings::Engine;
use bytes::Bytes;
use firn_storage::{ObjectUrl, Prefix};

/// Where the file is staged, below the folder beside it.
const STAGING: &str = "staging/references.json";

/// A file that is written once.
pub struct KerchunkFile {
    /// Its address.
    pub url: ObjectUrl,
    /// The folder `<file>.firn` beside it.
    pub work: Prefix,
    folder: Prefix,
    name: String,
}

impl KerchunkFile {
    /// The file at this address.
    ///
    /// # Errors
    /// An address that names no file; what the storage says.
    pub fn at(engine: &Engine, url: &ObjectUrl) -> Result<Self, EngineError> {
        let name = url.file_name();
        let Some(folder) = url.parent().filter(|_| !name.is_empty()) else {
            return Err(EngineError::usage(
                format!("{url} names no file"),
                "the same command with --target FOLDER/references.json",
            ));
        };
        if url.local_path().is_some_and(std::path::Path::is_dir) {
            return Err(EngineError::TargetExists { at: url.at() });
        }
        let folder = engine.target_prefix(&folder)?;
        let work = folder.child(&work_name(&name))?;
        Ok(Self { url: url.clone(), work, folder, name })
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn exists(&self) -> Result<bool, EngineError> {
        Ok(self.folder.head(&self.name).await?.is_some())
    }

    /// The whole file; `None` where it is not there.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn read(&self) -> Result<Option<Bytes>, EngineError> {
        Ok(self.folder.get(&self.name).await?.map(|object| object.bytes))
    }

    /// Puts the whole file in place in one step, unless something is there. That it is there already, put by a process of the
    /// same run whose answer was lost, is success: `is_ours` tells by the bytes.
    ///
    /// # Errors
    /// [`EngineError::TargetExists`] where another writer was first.
    pub async fn publish(&self, document: Bytes, is_ours: impl Fn(&Bytes) -> bool) -> Result<(), EngineError> {
        let staging = format!("{}/{STAGING}", work_name(&self.name));
        match self.folder.create_staged(&staging, &self.name, document).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() => match self.read().await? {
                Some(found) if is_ours(&found) => Ok(()),
                _ => Err(EngineError::TargetExists { at: self.url.at() }),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the folder beside it: whose run it was goes last, so that a process that is stopped here can go on.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn clear(&self) -> Result<(), EngineError> {
        self.work.sweep(usize::MAX).await?;
        remove_all_but_record(&self.work).await?;
        // By way of the folder above, so that the emptied folder goes too.
        let record = format!("{}/{}", work_name(&self.name), crate::journal::RUN_KEY);
        Ok(self.folder.delete(&record).await?)
    }
}

/// The folder beside a file of this name.
pub fn work_name(name: &str) -> String {
    format!("{name}.firn")
}
