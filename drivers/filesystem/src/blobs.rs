//! `lighter:storage/blobs`: a blob is a file, read by a stream of the host's.

use wasi::filesystem::types::{DescriptorFlags, OpenFlags};

use crate::bindings::Driver;
use crate::bindings::exports::lighter::storage::blobs::{Content, Error, Guest, GuestChunks};
use crate::directory::root;
use crate::error::absent_or_failed;
use crate::upload::Writer;

/// What this driver has none of: the host streams every file.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub enum NoChunks {}

impl GuestChunks for NoChunks {
    fn next(&self) -> Result<Option<Vec<u8>>, Error> {
        match *self {}
    }
}

impl Guest for Driver {
    type Chunks = NoChunks;
    type Upload = Writer;

    fn stat(key: String) -> Result<Option<u64>, Error> {
        let root = root()?;
        root.size(&root.path(&key)?)
    }

    fn read(key: String, offset: u64, _length: u64) -> Result<Content, Error> {
        let root = root()?;
        let path = root.path(&key)?;
        let file = root.open(&path, OpenFlags::empty(), DescriptorFlags::READ);
        let stream = file.and_then(|file| file.read_via_stream(offset));
        Ok(Content::Stream(stream.map_err(absent_or_failed("read", &path))?))
    }

    fn put(key: String, content: Vec<u8>) -> Result<(), Error> {
        let root = root()?;
        root.replace(&root.path(&key)?, &content)
    }

    fn delete(key: String) -> Result<(), Error> {
        let root = root()?;
        root.remove(&root.path(&key)?)
    }

    fn received(id: String) -> Result<Option<u64>, Error> {
        let root = root()?;
        root.size(&root.path(&id)?)
    }
}
