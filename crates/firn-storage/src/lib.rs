//! Objects on any location: local, HTTP, S3.

mod bridge;
mod budget;
pub mod cache;
mod credentials;
mod error;
mod http;
mod http_date;
mod listing;
mod local;
mod local_write;
mod location;
mod prefix;
mod profile;
mod remote;
mod s3;
mod s3_write;
mod settings;
mod source;
mod storage;
mod transport;
mod url;

pub use credentials::{CredentialState, Credentials};
pub use error::StorageError;
pub use listing::{Level, is_pattern};
pub use location::{Addressing, Location, LocationConfig, LocationRole};
pub use prefix::{Guarantee, Object, Precondition, Prefix, PutResult};
pub use settings::{CacheSettings, HostPolicy, LimitSettings, RetrySettings, StorageSettings, TimeoutSettings};
pub use storage::Storage;
pub use transport::Traffic;
pub use url::{ObjectUrl, check_key};
