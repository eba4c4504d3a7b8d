//! Finds out whether a server copies from one location to another, by trying it with a small object.

use crate::capabilities::{Answer, Capability};
use crate::copy::{CopyExpected, How};
use crate::error::StorageError;
use crate::holder::Holder;
use crate::prefix::{Backend, Precondition, Prefix};
use crate::s3_copy::{self, Outcome};
use bytes::Bytes;
use firn_model::diagnose::{Category, Diagnose};
use firn_model::source::{ListedObject, SourceError};
use serde_json::{Value, json};
use std::hash::{BuildHasher, Hasher};

/// Where the probe's objects lie, below both prefixes.
const FOLDER: &str = ".firn-probe";
/// Levels of folders that are looked through for an object to try with, where none can be written.
const LEVELS: usize = 12;
/// Largest object of others that is tried with.
const LARGEST: u64 = 16 << 20;

/// What was seen of copies from one prefix to another.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyProbe {
    /// The server copies.
    pub server_side: Capability,
    /// It copies only the version that is asked for. Where not, firn looks at the original once more after each copy that
    /// cannot be compared by its tag.
    pub condition: Capability,
    /// It copies in parts, as large objects are.
    pub parts: Capability,
    /// The way that the bytes go now; `None` where the destination cannot be written, or nothing could be read.
    pub how: Option<How>,
    /// Where the server could copy and may not: the bucket whose policy refuses, and what its policy would have to say.
    pub policy: Option<(String, Value)>,
}

/// Tries to copy an object on the server. It is written by the probe, or where that may not be, one that is there; what the
/// probe wrote is removed.
pub async fn probe_copy(from: &Prefix, to: &Prefix) -> CopyProbe {
    let untried = || Capability::unknown("it was not tried");
    let mut probe =
        CopyProbe { server_side: untried(), condition: untried(), parts: untried(), how: None, policy: None };
    let random = std::hash::RandomState::new().build_hasher().finish();
    let folder = format!("{FOLDER}/{random:016x}");
    // The first line says whose it is, for whoever sweeps what a stopped process left.
    let holder = serde_json::to_string(&Holder::this_process()).unwrap_or_default();
    let text = format!("{holder}\n{folder}");
    let writable = match written(to, &format!("{folder}/there"), &text).await {
        Ok(_) => true,
        Err(error) => {
            probe.server_side = failed(&error);
            if error.category() == Category::Denied {
                probe.policy =
                    policy(to, &["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]);
            }
            false
        }
    };
    if writable {
        try_from(from, to, (&folder, &text), &mut probe).await;
    }
    for name in ["there", "copy", "stale", "parts"] {
        remove(to, &format!("{folder}/{name}")).await;
    }
    remove(from, &format!("{folder}/original")).await;
    probe
}

async fn try_from(from: &Prefix, to: &Prefix, (folder, text): (&str, &str), probe: &mut CopyProbe) {
    let (key, expected) = match original(from, folder, text).await {
        Ok(found) => found,
        Err(error) => {
            probe.server_side = failed(&error);
            if error.category() == Category::Denied {
                probe.policy = reading(from, to);
            }
            return;
        }
    };
    probe.how = Some(match (from.backend(), to.backend()) {
        (Backend::Local(_), Backend::Local(_)) => How::Local,
        _ => How::Through,
    });
    let (Backend::S3(source), Backend::S3(target)) = (from.backend(), to.backend()) else {
        probe.server_side = Capability::no(match probe.how {
            Some(How::Local) => "both are folders of this machine",
            _ => "one of them is a folder of this machine",
        });
        return;
    };
    if source.address().endpoint != target.address().endpoint {
        probe.server_side = Capability::no("they are at different services, and none copies from the other");
        return;
    }
    let transport = to.storage().transport();
    let target_key = |name: &str| format!("{folder}/{name}");
    let copied = s3_copy::copy(transport, (source, &key), (target, &target_key("copy")), &expected).await;
    probe.server_side = match copied {
        Ok(Outcome::Done(_)) => compare((from, &key), (to, &target_key("copy"))).await,
        Ok(Outcome::Refused(how)) => Capability::no(how),
        Err(error) => failed(&error),
    };
    match probe.server_side.answer {
        Answer::Yes => probe.how = Some(How::ServerSide),
        Answer::No => probe.policy = reading(from, to),
        Answer::Unknown => {}
    }
    if !probe.server_side.is_yes() {
        return;
    }
    let stale = CopyExpected { etag: Some("\"00000000000000000000000000000000\"".to_owned()), ..expected.clone() };
    probe.condition = match s3_copy::ask(transport, (source, &key), (target, &target_key("stale")), &stale).await {
        Ok(None) => Capability::no("copied although another version was asked for; firn looks at the original again"),
        Ok(Some(how)) => Capability::unknown(how),
        Err(StorageError::Source(SourceError::Changed { .. })) => Capability::yes("refuses another version"),
        Err(error) => failed(&error),
    };
    let parts = s3_copy::ask_in_parts(transport, (source, &key), (target, &target_key("parts")), &expected).await;
    probe.parts = match parts {
        Ok(None) => compare((from, &key), (to, &target_key("parts"))).await,
        Ok(Some(how)) => Capability::no(how),
        Err(error) => failed(&error),
    };
}

fn failed(error: &StorageError) -> Capability {
    match error.category() {
        Category::Unavailable => Capability::unknown(error.to_string()),
        _ => Capability::no(error.to_string()),
    }
}

async fn written(prefix: &Prefix, key: &str, text: &str) -> Result<CopyExpected, StorageError> {
    let bytes = Bytes::from(text.to_owned());
    let size = bytes.len() as u64;
    let put = prefix.put(key, bytes, Precondition::None).await?;
    Ok(CopyExpected { size, etag: put.etag, ..CopyExpected::default() })
}

/// An object to copy: one of the probe's own, else the first that is found and not too large.
async fn original(from: &Prefix, folder: &str, text: &str) -> Result<(String, CopyExpected), StorageError> {
    let key = format!("{folder}/original");
    let denied = match written(from, &key, text).await {
        Ok(expected) => return Ok((key, expected)),
        Err(error) if error.category() == Category::Denied => error,
        Err(error) => return Err(error),
    };
    let mut folder = String::new();
    for _ in 0..LEVELS {
        let Ok(level) = from.list_shallow(&folder).await else { break };
        let usable = |object: &&ListedObject| (1..=LARGEST).contains(&object.version.size);
        if let Some(object) = level.objects.iter().find(usable) {
            let key = crate::url::join(&folder, &object.key);
            let seen = from.head(&key).await?.ok_or_else(|| denied.clone())?;
            return Ok((key, CopyExpected { size: seen.size, etag: seen.etag, ..CopyExpected::default() }));
        }
        let Some(next) = level.prefixes.first() else { break };
        folder = crate::url::join(&folder, next);
    }
    Err(denied)
}

async fn compare((from, key): (&Prefix, &str), (to, to_key): (&Prefix, &str)) -> Capability {
    match (from.get(key).await, to.get(to_key).await) {
        (Ok(Some(original)), Ok(Some(copy))) if original.bytes == copy.bytes => {
            Capability::yes("copied without passing here, and read back")
        }
        (Err(error), _) | (_, Err(error)) => failed(&error),
        _ => Capability::no("the copy is not the original"),
    }
}

async fn remove(prefix: &Prefix, key: &str) {
    // Where it may not be removed it could not be written either, or stays as what it is: a probe's.
    if let Err(error) = prefix.delete(key).await {
        tracing::debug!(key, %error, "a probe's object stays");
    }
}

/// What the policy of the source's bucket has to say: reading, and nothing else. `None` where no policy would help.
fn reading(from: &Prefix, to: &Prefix) -> Option<(String, Value)> {
    let (Backend::S3(source), Backend::S3(target)) = (from.backend(), to.backend()) else { return None };
    (source.address().endpoint == target.address().endpoint).then(|| policy(from, &["s3:GetObject"]))?
}

/// A policy that allows these actions on the objects below the prefix, and listing it.
fn policy(prefix: &Prefix, actions: &[&str]) -> Option<(String, Value)> {
    let Backend::S3(place) = prefix.backend() else { return None };
    let bucket = &place.address().bucket;
    // Accounts of other services than Amazon's have no number, or one that only their administrators know.
    let account = if place.address().endpoint.is_none() { "ACCOUNT" } else { "" };
    let principal = json!({"AWS": [format!("arn:aws:iam::{account}:user/USER")]});
    let bucket_arn = format!("arn:aws:s3:::{bucket}");
    let base = place.base();
    let below = if base.is_empty() { "*".to_owned() } else { format!("{base}/*") };
    let mut listing = json!({
        "Sid": "FirnLists",
        "Effect": "Allow",
        "Principal": principal,
        "Action": ["s3:ListBucket"],
        "Resource": [bucket_arn],
    });
    if !base.is_empty() {
        listing["Condition"] = json!({"StringLike": {"s3:prefix": [format!("{base}/*")]}});
    }
    let objects = json!({
        "Sid": "FirnCopies",
        "Effect": "Allow",
        "Principal": principal,
        "Action": actions,
        "Resource": [format!("{bucket_arn}/{below}")],
    });
    Some((bucket.clone(), json!({"Version": "2012-10-17", "Statement": [objects, listing]})))
}
