//! Storage that records its calls, for the tests that limit the cost of a request.

use std::cell::RefCell;
use std::rc::Rc;

use lighter_storage::{
    BlobInfo, BlobPage, Content, Error, Having, Note, Put, Result, Storage, Stream, Tidied, Upload,
};

/// Another storage, and the calls that were made to it since [`take_calls`](Self::take_calls) was last called.
#[derive(Clone, Default)]
pub(crate) struct Recorded<S> {
    storage: S,
    calls: Rc<RefCell<Vec<&'static str>>>,
    failing: Rc<RefCell<Vec<&'static str>>>,
    refused: Rc<RefCell<Vec<&'static str>>>,
}

impl<S: Storage> Recorded<S> {
    /// Makes every call of these names fail from now on, as a full store does.
    pub(crate) fn refuse(&self, names: &[&'static str]) {
        *self.refused.borrow_mut() = names.to_vec();
    }

    /// Makes the next call of each of these names to an upload's writer fail. A failing append stores half of its bytes.
    pub(crate) fn fail(&self, names: &[&'static str]) {
        *self.failing.borrow_mut() = names.to_vec();
    }

    /// The underlying storage.
    pub(crate) fn inner(&self) -> &S {
        &self.storage
    }

    /// Returns the calls since the last time, in their order.
    pub(crate) fn take_calls(&self) -> Vec<&'static str> {
        self.calls.take()
    }

    fn recorded(&self, upload: S::Upload) -> RecordedUpload<S::Upload> {
        let [calls, failing, refused] = [&self.calls, &self.failing, &self.refused].map(Rc::clone);
        RecordedUpload { upload, calls, failing, refused }
    }

    fn called(&self, name: &'static str) -> Result<&S> {
        self.calls.borrow_mut().push(name);
        if self.refused.borrow().contains(&name) {
            return Err(Error::NoSpace(format!("for a test of {name}")));
        }
        Ok(&self.storage)
    }
}

impl<S: Storage> Storage for Recorded<S> {
    type Upload = RecordedUpload<S::Upload>;

    const HAS_LOCATIONS: bool = S::HAS_LOCATIONS;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.called("get")?.get(key)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.called("set")?.set(key, value)
    }

    fn set_volatile(&self, prefix: &str, key: &str, value: &[u8]) -> Result<()> {
        self.called("set-volatile")?.set_volatile(prefix, key, value)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        self.called("create")?.create(key, value)
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.called("delete")?.delete(key)
    }

    fn discard(&self, key: &str) -> Result<()> {
        self.called("discard")?.discard(key)
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        self.called("delete-prefix")?.delete_prefix(prefix)
    }

    fn discard_prefix(&self, prefix: &str) -> Result<()> {
        self.called("discard-prefix")?.discard_prefix(prefix)
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        self.called("list")?.list(prefix, after, limit)
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        self.called("values")?.values(prefix, after, limit)
    }

    fn list_having(&self, prefix: &str, leaf: &str, after: Option<&str>, limit: u32) -> Result<Vec<Having>> {
        self.called("list-having")?.list_having(prefix, leaf, after, limit)
    }

    fn stat(&self, key: &str) -> Result<Option<BlobInfo>> {
        self.called("stat")?.stat(key)
    }

    fn enumerate(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
        self.called("enumerate")?.enumerate(prefix, after, limit)
    }

    /// Not recorded: a driver makes a URL, or says that it has none, without its store.
    fn location(&self, key: &str) -> Result<Option<String>> {
        self.storage.location(key)
    }

    fn read(&self, key: &str, offset: u64, length: u64) -> Result<Content> {
        self.called("read")?.read(key, offset, length)
    }

    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.called("load")?.load(key)
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        self.called("put")?.put(key, content)
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        self.called("delete-blob")?.delete_blob(key)
    }

    fn discard_blob(&self, key: &str) -> Result<()> {
        self.called("discard-blob")?.discard_blob(key)
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        self.called("received")?.received(id)
    }

    /// Not recorded: a driver declines it without its store.
    fn put_stream(&self, key: &str, sha256: &str, body: &mut dyn Stream, length: u64) -> Result<Put> {
        self.storage.put_stream(key, sha256, body, length)
    }

    fn proves_uploads(&self) -> bool {
        self.storage.proves_uploads()
    }

    fn create_upload(&self, id: &str) -> Result<Self::Upload> {
        let upload = self.called("create-upload")?.create_upload(id)?;
        Ok(self.recorded(upload))
    }

    fn open_upload(&self, id: &str) -> Result<Self::Upload> {
        let upload = self.called("open-upload")?.open_upload(id)?;
        Ok(self.recorded(upload))
    }

    fn tidy(&self, after: Option<&str>, limit: u32, age: u64, dry_run: bool) -> Result<Tidied> {
        self.called("tidy")?.tidy(after, limit, age, dry_run)
    }
}

/// The writer of an upload, whose calls are recorded too.
pub(crate) struct RecordedUpload<U> {
    upload: U,
    calls: Rc<RefCell<Vec<&'static str>>>,
    failing: Rc<RefCell<Vec<&'static str>>>,
    refused: Rc<RefCell<Vec<&'static str>>>,
}

impl<U> RecordedUpload<U> {
    fn called(&self, name: &'static str) -> Result<()> {
        self.calls.borrow_mut().push(name);
        if self.refused.borrow().contains(&name) {
            return Err(Error::NoSpace(format!("for a test of {name}")));
        }
        let mut failing = self.failing.borrow_mut();
        match failing.iter().position(|failing| *failing == name) {
            Some(at) => Err(Error::NoSpace(format!("for a test of {}", failing.swap_remove(at)))),
            None => Ok(()),
        }
    }
}

impl<U: Upload> Upload for RecordedUpload<U> {
    fn offset(&self) -> u64 {
        self.upload.offset()
    }

    fn note(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.called("note")?;
        self.upload.note(key)
    }

    fn aim(&mut self, key: &str) -> Result<()> {
        self.called("aim")?;
        self.upload.aim(key)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(error) = self.called("append") {
            self.upload.append(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.upload.append(bytes)
    }

    fn cut(&mut self, offset: u64) -> Result<()> {
        self.called("cut")?;
        self.upload.cut(offset)
    }

    fn read(&mut self) -> Result<Content> {
        self.called("read-upload")?;
        self.upload.read()
    }

    fn suspend(self, notes: &[Note]) -> Result<()> {
        self.called("suspend")?;
        self.upload.suspend(notes)
    }

    fn commit(self, key: &str) -> Result<()> {
        self.called("commit")?;
        self.upload.commit(key)
    }

    fn abort(self) -> Result<()> {
        self.called("abort")?;
        self.upload.abort()
    }
}
