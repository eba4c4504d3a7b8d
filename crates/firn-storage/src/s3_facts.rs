//! How a bucket is reached, without credentials: what readers of a published store have to say.

use crate::error::StorageError;
use crate::reach::InBucket;
use crate::storage::Storage;
use crate::url::ObjectUrl;

/// How a bucket is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Facts {
    /// The bucket.
    pub bucket: String,
    /// The key of the address that was asked for.
    pub key: String,
    /// Endpoint, for anything that is not Amazon's own.
    pub endpoint: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Whether requests are not signed.
    pub anonymous: bool,
    /// Whether the bucket is part of the path instead of the host name.
    pub path_style: bool,
}

impl Storage {
    /// How the bucket of an S3 address (also by way of a location) is reached; `None` for other addresses.
    ///
    /// # Errors
    /// As [`Storage::physical`]; where credentials cannot be used.
    pub fn s3_facts(&self, url: &ObjectUrl) -> Result<Option<S3Facts>, StorageError> {
        let Some(InBucket { bucket, key, service }) = self.in_bucket(url)? else { return Ok(None) };
        let (_, address) = self.bucket(&bucket, service.as_ref(), &url.at())?;
        Ok(Some(S3Facts {
            bucket,
            key,
            endpoint: address.endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned()),
            region: Some(address.region),
            anonymous: address.anonymous,
            path_style: !address.virtual_hosted,
        }))
    }
}
