//! The export of a storage as a component: a driver, to be composed with a registry.

use core::cell::RefCell;
use std::sync::OnceLock;

use crate::bindings::exported::exports::lighter::storage::blobs::{self, GuestChunks, GuestUpload};
use crate::bindings::exported::exports::lighter::storage::key_value;
use crate::bindings::exported::exports::lighter::storage::maintenance;
use crate::bindings::exported::exports::lighter::storage::setup::{self, Opened};
use crate::bindings::exported::exports::lighter::storage::types::Error;
use crate::environment::Source;
use lighter_storage::{
    self as storage, BlobEntry, BlobInfo, Content, Environment, Open, Settings, Storage, Stream, Tidied,
    Upload,
};

type Result<T> = core::result::Result<T, Error>;

/// Variables, by their names.
type Variables = Vec<(String, String)>;

/// A driver made of a storage. A component has it in a `static`, because an instance answers many calls.
pub struct Driver<S> {
    environment: Source,
    storage: OnceLock<S>,
}

impl<S: Open> Driver<S> {
    /// Makes a driver. The first call opens its storage.
    pub const fn new(environment: Source) -> Self {
        Self { environment, storage: OnceLock::new() }
    }

    fn open(&self) -> core::result::Result<(&S, Variables), String> {
        let Environment { variables, read_file, .. } = (self.environment)()?;
        let storage = S::open(&Settings::new(variables.clone(), S::VARIABLES.to_vec(), read_file))?;
        Ok((self.storage.get_or_init(|| storage), variables))
    }
}

/// The link from a component's exports to its driver.
pub trait Exported: 'static {
    /// The storage.
    type Storage: Open;

    /// Returns the driver.
    fn driver() -> &'static Driver<Self::Storage>;
}

/// Exports a [`Driver`], by the name of its `static` and the type of its storage.
#[macro_export]
macro_rules! export_driver {
    ($driver:ident: $storage:ty) => {
        #[allow(unsafe_code, reason = "what exports the storage is generated")]
        const _: () = {
            struct Component;

            impl $crate::exported::Exported for Component {
                type Storage = $storage;

                fn driver() -> &'static $crate::Driver<$storage> {
                    &$driver
                }
            }

            $crate::bindings::exported::export! { Component with_types_in $crate::bindings::exported }
        };
    };
}

fn storage<E: Exported>() -> Result<&'static E::Storage> {
    let driver = E::driver();
    match driver.storage.get() {
        Some(storage) => Ok(storage),
        None => driver.open().map(|(storage, _)| storage).map_err(Error::AccessDenied),
    }
}

impl<E: Exported> setup::Guest for E {
    fn open() -> core::result::Result<Opened, String> {
        let (_, settings) = E::driver().open()?;
        let known = E::Storage::VARIABLES.iter().map(|name| (*name).to_owned()).collect();
        Ok(Opened { settings, known })
    }
}

impl<E: Exported> key_value::Guest for E {
    fn get(key: String) -> Result<Option<Vec<u8>>> {
        Ok(storage::<E>()?.get(&key)?)
    }

    fn set(key: String, value: Vec<u8>) -> Result<()> {
        Ok(storage::<E>()?.set(&key, &value)?)
    }

    fn create(key: String, value: Vec<u8>) -> Result<bool> {
        Ok(storage::<E>()?.create(&key, &value)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(storage::<E>()?.delete(&key)?)
    }

    fn delete_prefix(prefix: String) -> Result<()> {
        Ok(storage::<E>()?.delete_prefix(&prefix)?)
    }

    fn list(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
        Ok(storage::<E>()?.list(&prefix, after.as_deref(), limit)?)
    }

    fn values(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
        Ok(storage::<E>()?.values(&prefix, after.as_deref(), limit)?)
    }

    fn list_having(
        prefix: String,
        leaf: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<(String, u64)>> {
        Ok(storage::<E>()?.list_having(&prefix, &leaf, after.as_deref(), limit)?)
    }
}

impl<E: Exported> blobs::Guest for E {
    type Chunks = Chunks;
    type Upload = Writer<E>;

    fn stat(key: String) -> Result<Option<blobs::BlobInfo>> {
        Ok(storage::<E>()?.stat(&key)?.map(blobs::BlobInfo::from))
    }

    fn enumerate(prefix: String, after: Option<String>, limit: u32) -> Result<blobs::BlobPage> {
        let page = storage::<E>()?.enumerate(&prefix, after.as_deref(), limit)?;
        let entry = |BlobEntry { key, info }| blobs::BlobEntry { key, info: info.into() };
        Ok(blobs::BlobPage { entries: page.entries.into_iter().map(entry).collect(), next: page.next })
    }

    fn location(key: String) -> Result<Option<String>> {
        Ok(storage::<E>()?.location(&key)?)
    }

    fn read(key: String, offset: u64, length: u64) -> Result<blobs::Content> {
        Ok(export(storage::<E>()?.read(&key, offset, length)?))
    }

    fn put(key: String, content: Vec<u8>) -> Result<()> {
        Ok(storage::<E>()?.put(&key, &content)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(storage::<E>()?.delete_blob(&key)?)
    }

    fn received(id: String) -> Result<Option<u64>> {
        Ok(storage::<E>()?.received(&id)?)
    }

    fn proves_uploads() -> bool {
        storage::<E>().is_ok_and(Storage::proves_uploads)
    }
}

impl<E: Exported> maintenance::Guest for E {
    fn tidy(after: Option<String>, limit: u32, age: u64, dry_run: bool) -> Result<maintenance::Tidied> {
        let Tidied { removed, bytes, next } = storage::<E>()?.tidy(after.as_deref(), limit, age, dry_run)?;
        Ok(maintenance::Tidied { removed, bytes, next })
    }
}

fn export(content: Content) -> blobs::Content {
    let chunks: Box<dyn Stream> = match content {
        Content::Host(stream) => return blobs::Content::Stream(stream),
        Content::Chunks(chunks) => chunks,
        Content::Bytes(bytes) => Box::new(bytes),
    };
    blobs::Content::Chunks(blobs::Chunks::new(Chunks(RefCell::new(chunks))))
}

/// Stored bytes that pass through the driver.
pub struct Chunks(RefCell<Box<dyn Stream>>);

impl GuestChunks for Chunks {
    fn next(&self) -> Result<Option<Vec<u8>>> {
        self.0.borrow_mut().next().map_err(Error::Other)
    }
}

/// An open upload.
pub struct Writer<E: Exported>(RefCell<<E::Storage as Storage>::Upload>);

impl<E: Exported> Writer<E> {
    fn export(writer: <E::Storage as Storage>::Upload) -> blobs::Upload {
        blobs::Upload::new(Self(RefCell::new(writer)))
    }

    fn take(exported: blobs::Upload) -> <E::Storage as Storage>::Upload {
        exported.into_inner::<Self>().0.into_inner()
    }
}

impl<E: Exported> GuestUpload for Writer<E> {
    fn create(id: String) -> Result<blobs::Upload> {
        Ok(Self::export(storage::<E>()?.create_upload(&id)?))
    }

    fn open(id: String) -> Result<blobs::Upload> {
        Ok(Self::export(storage::<E>()?.open_upload(&id)?))
    }

    fn offset(&self) -> u64 {
        self.0.borrow().offset()
    }

    fn note(&self, key: String) -> Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().note(&key)?)
    }

    fn aim(&self, key: String) -> Result<()> {
        Ok(self.0.borrow_mut().aim(&key)?)
    }

    fn append(&self, bytes: Vec<u8>) -> Result<()> {
        Ok(self.0.borrow_mut().append(&bytes)?)
    }

    fn cut(&self, offset: u64) -> Result<()> {
        Ok(self.0.borrow_mut().cut(offset)?)
    }

    fn read(&self) -> Result<blobs::Content> {
        Ok(export(self.0.borrow_mut().read()?))
    }

    fn suspend(writer: blobs::Upload, notes: Vec<(String, Vec<u8>)>) -> Result<()> {
        Ok(Self::take(writer).suspend(&notes)?)
    }

    fn commit(writer: blobs::Upload, key: String) -> Result<()> {
        Ok(Self::take(writer).commit(&key)?)
    }

    fn abort(writer: blobs::Upload) -> Result<()> {
        Ok(Self::take(writer).abort()?)
    }
}

impl From<BlobInfo> for blobs::BlobInfo {
    fn from(BlobInfo { size, age }: BlobInfo) -> Self {
        Self { size, age }
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::NotFound => Self::NotFound,
            storage::Error::Busy => Self::Busy,
            storage::Error::NoSpace(what) => Self::NoSpace(what),
            storage::Error::AccessDenied(what) => Self::AccessDenied(what),
            storage::Error::Other(what) => Self::Other(what),
        }
    }
}
