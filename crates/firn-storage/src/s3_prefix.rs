//! A prefix of a bucket of an S3 service, where requests of our own say more than the library does.

use crate::error::StorageError;
use crate::http::unreachable_source;
use crate::listing::Listing;
use crate::s3::{BucketAddress, S3Object, bucket_of};
use crate::s3_signed::{Bucket, Refusal};
use crate::store_prefix::{StorePrefix, UpdateBy};
use crate::transport::Transport;
use firn_model::diagnose::At;
use firn_model::source::SourceError;
use object_store::aws::AmazonS3;
use std::ops::Deref;
use std::sync::Arc;

/// A prefix of a bucket of an S3 service: what all services have in common, and requests of our own.
#[derive(Clone)]
pub(crate) struct S3Prefix {
    objects: StorePrefix,
    client: Arc<AmazonS3>,
    address: Arc<BucketAddress>,
}

impl Deref for S3Prefix {
    type Target = StorePrefix;

    fn deref(&self) -> &StorePrefix {
        &self.objects
    }
}

impl S3Prefix {
    pub(crate) fn new(object: S3Object) -> Self {
        let S3Object { object, client, address } = object;
        let objects = StorePrefix::new(object.store, object.path, object.at, UpdateBy::Tag);
        Self { objects, client, address }
    }

    /// Bucket and endpoint.
    pub(crate) fn identity_of_bucket(&self) -> String {
        self.address.identity()
    }

    /// Bucket, endpoint and prefix.
    pub(crate) fn identity(&self) -> String {
        format!("{} {}", self.address.identity(), self.base())
    }

    /// How the bucket is reached.
    pub(crate) fn address(&self) -> &BucketAddress {
        &self.address
    }

    /// The bucket, for requests of our own.
    pub(crate) fn bucket<'a>(&'a self, transport: &'a Transport) -> Bucket<'a> {
        Bucket { transport, store: &self.client, address: &self.address }
    }

    /// A request of our own that was refused, as an error.
    pub(crate) fn refused(&self, key: &str, refusal: &Refusal) -> StorageError {
        refused_source(&self.at(key), refusal).into()
    }

    /// Everything below the prefix, or one level of it.
    pub(crate) async fn list_all(
        &self,
        transport: &Transport,
        at: &At,
        one_level: bool,
    ) -> Result<Listing, StorageError> {
        let base = self.base();
        let folder = if base.is_empty() { String::new() } else { format!("{base}/") };
        let listed = crate::s3_list::list(self.bucket(transport), &folder, one_level).await;
        let listed = listed.map_err(|refusal| self.refused("", &refusal))?;
        let mut listing = Listing::default();
        let below = |key: &[u8]| {
            let what = "the server lists an object that was not asked for".to_owned();
            let wrong = || StorageError::from(SourceError::Broken { at: at.clone(), what });
            key.strip_prefix(folder.as_bytes()).map(<[u8]>::to_vec).ok_or_else(wrong)
        };
        for object in listed.objects {
            listing.add(at, &below(&object.key)?, object.version);
        }
        for prefix in listed.prefixes {
            listing.add_prefix(at, &below(&prefix)?);
        }
        listing.objects.sort_by(|a, b| a.key.cmp(&b.key));
        // Pages that go round would copy, count and compare an object twice.
        if let Some(twice) = listing.objects.windows(2).find(|pair| pair[0].key == pair[1].key) {
            let what = format!("the server lists {} twice", twice[0].key);
            return Err(SourceError::Broken { at: at.clone(), what }.into());
        }
        Ok(listing)
    }
}

/// The same of an object at this place.
pub(crate) fn refused_source(at: &At, refusal: &Refusal) -> SourceError {
    let (at, what) = (at.clone(), refusal.to_string());
    match refusal {
        Refusal::Transport(error) => unreachable_source(&at, error),
        Refusal::Answer { status: 401 | 403, .. } | Refusal::NoKeys(_) => SourceError::Denied { at, what },
        Refusal::Answer { status: 404, code } if code == "NoSuchBucket" => SourceError::NotFound { at: bucket_of(&at) },
        Refusal::Answer { status: 404, .. } => SourceError::NotFound { at },
        Refusal::Answer { status: 409, .. } => SourceError::Unavailable { at, what },
        Refusal::Answer { .. } | Refusal::Unsigned(_) | Refusal::Unreadable(_) => SourceError::Broken { at, what },
    }
}
