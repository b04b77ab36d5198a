//! The storage: values, blobs and uploads in a bucket.

use std::sync::Arc;

use lighter_fetch::Fetch;
use lighter_storage::{
    BlobInfo, BlobPage, Content, Having, Open, Put, Result, Settings, Storage, Stream, ValueWith, check_key,
    read_exactly,
};

use crate::client::{Call, Client, Payload};
use crate::host::{Host, System};
use crate::lease;
use crate::list::{self, Kind};
use crate::settings::{Config, VARIABLES};
use crate::value;
use crate::writer::Writer;

/// The most bytes that a store takes in one request.
const PUT_MAX: u64 = 5 << 30;

/// Storage in the bucket of an object store.
pub struct S3<H: Host>(Arc<Client<H>>);

impl<H: Host> S3<H> {
    /// Storage as configured.
    pub(crate) fn new(config: Config, host: H) -> Self {
        Self(Arc::new(Client::new(config, host)))
    }

    /// Returns the client, to do something under a key or a prefix.
    fn at(&self, key: &str) -> Result<&Arc<Client<H>>> {
        check_key(key).map(|()| &self.0)
    }

    /// The same for several keys.
    fn at_all(&self, keys: &[String]) -> Result<&Arc<Client<H>>> {
        keys.iter().try_for_each(|key| check_key(key)).map(|()| &self.0)
    }
}

impl<F: Fetch + Default> Open for S3<System<F>> {
    const VARIABLES: &'static [&'static str] = VARIABLES;

    fn open(settings: &Settings) -> core::result::Result<Self, String> {
        Ok(Self::new(Config::read(settings)?, System::default()))
    }
}

impl<H: Host> Storage for S3<H> {
    type Upload = Writer<H>;

    const HAS_LOCATIONS: bool = true;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(value::get(self.at(key)?, key)?)
    }

    fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        Ok(value::get_all(self.at_all(keys)?, keys)?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        Ok(value::set(self.at(key)?, key, value)?)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        Ok(value::create(self.at(key)?, key, value)?)
    }

    fn delete(&self, key: &str) -> Result<()> {
        Ok(value::delete(self.at(key)?, key)?)
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        Ok(value::delete_prefix(self.at(prefix)?, prefix)?)
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let names = list::names(self.at(prefix)?, Kind::Prefixes, prefix, after, limit)?;
        Ok(names.into_iter().map(|(name, _)| name).collect())
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let names = list::names(self.at(prefix)?, Kind::Keys, prefix, after, limit)?;
        Ok(names.into_iter().map(|(name, _)| name).collect())
    }

    fn list_having(&self, prefix: &str, leaf: &str, after: Option<&str>, limit: u32) -> Result<Vec<Having>> {
        check_key(leaf)?;
        Ok(list::names(self.at(prefix)?, Kind::Having(leaf), prefix, after, limit)?)
    }

    fn stat(&self, key: &str) -> Result<Option<BlobInfo>> {
        value::stat(self.at(key)?, key)
    }

    fn stat_all(&self, keys: &[String]) -> Result<Vec<Option<BlobInfo>>> {
        value::stat_all(self.at_all(keys)?, keys)
    }

    fn get_and_stat(&self, key: &str, blob: &str) -> Result<Option<ValueWith<BlobInfo>>> {
        check_key(blob)?;
        value::get_and_stat(self.at(key)?, key, blob)
    }

    fn get_and_load(&self, key: &str, blob: &str) -> Result<Option<ValueWith<Vec<u8>>>> {
        check_key(blob)?;
        Ok(value::get_and_get(self.at(key)?, key, blob)?)
    }

    fn enumerate(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
        Ok(list::enumerate(self.at(prefix)?, prefix, after, limit)?)
    }

    fn location(&self, key: &str) -> Result<Option<String>> {
        Ok(self.at(key)?.url(key))
    }

    fn read(&self, key: &str, offset: u64, length: u64) -> Result<Content> {
        let client = self.at(key)?;
        let mut call = Call::new("GET", key);
        if offset > 0 || length < u64::MAX {
            let last = offset.saturating_add(length.max(1) - 1);
            call = call.header("range", format!("bytes={offset}-{last}"));
        }
        match client.open(&call) {
            Ok(response) => Ok(response.body),
            // Nothing comes after the last byte.
            Err(failure) if failure.is_out_of_range() => Ok(Content::Bytes(Vec::new())),
            Err(failure) => Err(failure.into()),
        }
    }

    /// In one request.
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.get(key)
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        Ok(value::set(self.at(key)?, key, content)?)
    }

    fn put_stream(&self, key: &str, sha256: &str, body: &mut dyn Stream, length: u64) -> Result<Put> {
        let client = self.at(key)?;
        if length > PUT_MAX || !client.abilities()?.checks_payload {
            return Ok(Put::Declined);
        }
        let payload = Payload::Given(sha256.to_owned());
        let stored = if length <= client.config.chunk {
            // Few bytes are kept, so that they can be sent again.
            let mut bytes = Vec::new();
            let read = read_exactly(body, length, "it is shorter than announced", |more| {
                bytes.extend_from_slice(more);
                Ok(())
            });
            if let Err(why) = read {
                return Ok(Put::Broken(why));
            }
            client.call(&Call::put(key, bytes).payload(payload)).map(drop)
        } else {
            client.send(&Call::put(key, Vec::new()).payload(payload), body, length).map(drop)
        };
        match stored {
            Ok(()) => Ok(Put::Stored),
            Err(failure) if failure.is_other_content() => Ok(Put::OtherContent),
            Err(failure) => match failure.broken_source() {
                Some(why) => Ok(Put::Broken(why)),
                None => Err(failure.into()),
            },
        }
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        Ok(value::delete(self.at(key)?, key)?)
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        lease::received(self.at(id)?, id)
    }

    fn proves_uploads(&self) -> bool {
        true
    }

    fn create_upload(&self, id: &str) -> Result<Writer<H>> {
        Ok(Writer::create(self.at(id)?, id))
    }

    fn open_upload(&self, id: &str) -> Result<Writer<H>> {
        Writer::open(self.at(id)?, id)
    }
}
