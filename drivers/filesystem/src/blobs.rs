//! `lighter:storage/blobs`: a blob is a file, read by a stream of the host's.

use wasi::filesystem::types::{DescriptorFlags, OpenFlags};
use wasi::io::streams::InputStream;

use crate::bindings::Driver;
use crate::bindings::exports::lighter::storage::blobs::{Error, Guest};
use crate::directory::root;
use crate::error::failed;
use crate::upload::Writer;

impl Guest for Driver {
    type Upload = Writer;

    fn stat(key: String) -> Result<Option<u64>, Error> {
        let root = root()?;
        root.size(&root.path(&key)?)
    }

    fn read(key: String, offset: u64, _length: u64) -> Result<InputStream, Error> {
        let root = root()?;
        let path = root.path(&key)?;
        let file = root.open(&path, OpenFlags::empty(), DescriptorFlags::READ);
        file.and_then(|file| file.read_via_stream(offset)).map_err(failed("read", &path))
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
