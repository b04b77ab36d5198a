//! A bucket of an object store, as the registry is told of it: of the tests' own store, or of another.

use std::env;

pub use lighter_s3_store::{Options, Server as ObjectStore, Store};

/// A bucket, and the key with which it is read and written.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The URL of the store.
    pub endpoint: String,
    /// The name of the bucket.
    pub name: String,
    /// The region that is signed.
    pub region: String,
    /// The id of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
}

/// The variables of a bucket, in the order of its members.
const VARIABLES: [&str; 5] = [
    "REGISTRY_STORAGE_S3_REGIONENDPOINT",
    "REGISTRY_STORAGE_S3_BUCKET",
    "REGISTRY_STORAGE_S3_REGION",
    "REGISTRY_STORAGE_S3_ACCESSKEY",
    "REGISTRY_STORAGE_S3_SECRETKEY",
];

impl Bucket {
    /// Returns the bucket that this process is told of by the registry's variables, if it is told of one.
    pub fn from_environment() -> Option<Self> {
        let [endpoint, name, region, access_key, secret_key] = VARIABLES.map(|name| env::var(name).ok());
        Some(Self {
            endpoint: endpoint?,
            name: name?,
            region: region?,
            access_key: access_key?,
            secret_key: secret_key?,
        })
    }

    /// Returns the variables that lead a registry to the bucket.
    pub fn variables(&self) -> [(&'static str, &str); 5] {
        let [endpoint, name, region, access_key, secret_key] = VARIABLES;
        [
            (endpoint, &self.endpoint),
            (name, &self.name),
            (region, &self.region),
            (access_key, &self.access_key),
            (secret_key, &self.secret_key),
        ]
    }
}

impl From<&ObjectStore> for Bucket {
    fn from(objects: &ObjectStore) -> Self {
        let options = objects.store.options().clone();
        Self {
            endpoint: objects.endpoint(),
            name: options.bucket,
            region: options.region,
            access_key: options.access_key,
            secret_key: options.secret_key,
        }
    }
}
