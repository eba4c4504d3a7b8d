//! Objects on any location: local files, web servers, S3, clouds, servers of files (SFTP, FTP).
//!
//! ```no_run
//! use firn_model::source::Source;
//! use firn_storage::{ObjectUrl, Precondition, Storage, StorageSettings};
//!
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//! let settings = StorageSettings::from_env(std::env::vars())?;
//! let storage = Storage::new(settings, runtime.handle().clone())?;
//!
//! // Reading is sync: on any thread, by ranges, many at a time.
//! let source = storage.source(&ObjectUrl::parse("https://host/sst.nc")?)?;
//! if let Some(reader) = source.object("")? {
//!     let signature = reader.read(0..8)?;
//! }
//!
//! // Writing is async: whole objects, under preconditions.
//! let prefix = storage.prefix(&ObjectUrl::parse("s3://bucket/sst/v1")?)?;
//! runtime.block_on(prefix.put("zarr.json", "{}".into(), Precondition::Create))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Why not a file system?
//!
//! Because the places where data lie are not file systems, and pretending so hides what decides whether data are right:
//!
//! | a file system has | an object store has | so here |
//! |---|---|---|
//! | rename | no rename; a copy costs as much as the data | nothing is moved into place: the root document is written last, and its existence is the commit |
//! | locks | conditional writes, where the service honours them | [`Precondition`], and a probe that finds out ([`probe()`]) |
//! | files that grow | objects that are there whole or not at all | [`Prefix::put`] takes whole objects; local files are made as whole |
//! | cheap small reads | 20 to 100 ms a request | batches of ranges, joined and kept ([`cache`]) |
//! | directories | keys that look like paths | prefixes exist as long as they have objects; a listing may lack nothing and promises nothing |
//! | one error, `EIO` | "does not exist", "may not", "not now" | three different answers, never taken for one another |
//! | paths that lead anywhere | keys | keys are checked ([`check_key`]); links are never written through |
//!
//! A local directory is the special case that behaves like a bucket, not the other way round, so the same run gives the
//! same result on both.
//!
//! # What holds everywhere
//!
//! - One place sends requests: retries with `Retry-After`, limits of time and size, and one budget per host that all jobs
//!   share. Readers, engine and servers have none of their own.
//! - Every answer of a read is compared with the version that was opened: parts of two states are never mixed.
//! - A conditional write whose answer is lost is recognised by a mark of its own, never by equal bytes.
//! - Credentials come from the environment, the AWS profiles or the remotes of rclone.conf, read once by [`StorageSettings::from_env`]; they are in no
//!   `Debug`, error, plan or address.
//! - [`conformance::run`] is what "a location works" means; it runs on local directories, on S3, and on services that break
//!   their promises.
//!
//! # What services do
//!
//! | | conditional create | `If-Match` | seen |
//! |---|---|---|---|
//! | local directory | hard link | lock on the directory | without hard links (some mounts): the lock alone, for firn's own processes |
//! | Ceph RADOS Gateway 16.2.15 | yes | yes, tag without quotes only | a writer that loses a race is answered 500; parts are joined without telling a tag |
//! | moto 5 | yes | yes | |
//! | SFTP | hard link, where the server has `hardlink@openssh.com` | no: firn's writers agree by claims | without it claims for both |
//!
//! What was seen of copies on the server ([`Prefix::copy_object`], [`probe_copy()`]):
//!
//! | | copies | only the version asked for | only where there is nothing |
//! |---|---|---|---|
//! | Ceph RADOS Gateway 16.2.15 | yes, also between buckets and in parts | no | no |
//! | moto 5 | yes, also between buckets and in parts | yes | not asked |

mod absolute;
mod bridge;
mod budget;
pub mod cache;
mod capabilities;
mod certificates;
mod claims;
mod cloud;
mod cloud_keys;
pub mod conformance;
mod copy;
mod credentials;
mod download;
mod error;
mod fetched;
mod file_failure;
mod file_part;
mod file_prefix;
mod file_server;
mod ftp;
mod ftp_list;
mod holder;
mod http;
mod http_date;
mod http_index;
mod known_hosts;
pub mod lease;
mod listing;
mod local;
mod local_copy;
mod local_write;
mod location;
mod md5_lanes;
mod measures;
mod original;
mod part_log;
mod part_memory;
mod prefix;
mod probe;
mod probe_copy;
mod profile;
mod rclone;
mod rclone_files;
mod reach;
mod remote;
mod s3;
mod s3_copy;
mod s3_facts;
mod s3_list;
mod s3_parts;
mod s3_prefix;
mod s3_read;
mod s3_signed;
mod settings;
mod sftp;
mod sftp_file;
mod sftp_write;
mod source;
mod sources;
mod ssh;
mod ssh_config;
mod ssh_keys;
mod storage;
mod store_prefix;
mod transport;
mod tree_hash;
mod upload_parts;
mod url;
mod web_folder;
mod web_keys;

pub use capabilities::{Answer, CAPABILITIES_VERSION, Capabilities, Capability, CapabilityStore, Conditions, EtagForm};
pub use certificates::Certificates;
pub use copy::{Arriving, Copied, CopyExpected, CopyOptions, How};
pub use credentials::{Account, CredentialState, Credentials, Fetched, SingleSignOn, TokenService};
pub use error::StorageError;
pub use holder::Holder;
pub use http::WebAnswer;
pub use lease::Lease;
pub use listing::{Level, Listing, Matched, Unusable, is_pattern};
pub use location::{Addressing, Location, LocationConfig, LocationRole};
pub use md5_lanes::md5_of_many;
pub use measures::{Price, Quota};
pub use part_log::forget_older;
pub use prefix::{Guarantee, Object, Precondition, Prefix, PutResult};
pub use probe::probe;
pub use probe_copy::{CopyProbe, probe_copy};
pub use s3_facts::S3Facts;
pub use settings::{CacheSettings, HostPolicy, LimitSettings, RetrySettings, StorageSettings, TimeoutSettings};
pub use sources::Sources;
pub use ssh_keys::SshKeys;
pub use storage::Storage;
pub use transport::Traffic;
pub use url::{ObjectUrl, check_key};
pub use web_keys::WebKeys;
