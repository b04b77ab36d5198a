//! Storage as a component of its own: a driver, which is composed with a registry.

use core::cell::RefCell;
use std::sync::OnceLock;

use crate::bindings::exported::exports::lighter::storage::blobs::{self, GuestChunks, GuestUpload};
use crate::bindings::exported::exports::lighter::storage::key_value;
use crate::bindings::exported::exports::lighter::storage::setup::{self, Opened};
use crate::bindings::exported::exports::lighter::storage::types::Error;
use crate::component::Source;
use crate::storage::{self, Content, Environment, Open, Settings, Storage, Upload};
use crate::stream::Stream;

type Result<T> = core::result::Result<T, Error>;

/// Variables, by their names.
type Variables = Vec<(String, String)>;

/// Exports some storage, whose environment a function returns.
#[macro_export]
macro_rules! export_storage {
    ($storage:ty, $environment:expr) => {
        #[allow(unsafe_code, reason = "what exports the storage is generated")]
        const _: () = {
            use $crate::bindings::exported;
            use $crate::exported::{Driver, Instance};

            static INSTANCE: Instance<$storage> = Instance::new($environment);

            struct Exported;

            impl Driver for Exported {
                type Storage = $storage;

                fn instance() -> &'static Instance<$storage> {
                    &INSTANCE
                }
            }

            exported::export! { Exported with_types_in exported }
        };
    };
}

/// A driver: a type for each component, which leads to what the component keeps.
pub trait Driver: 'static {
    /// The storage that it is.
    type Storage: Open;

    /// What the component keeps.
    fn instance() -> &'static Instance<Self::Storage>;
}

/// Some storage, as a registry calls it: in a `static`, since an instance answers many calls.
pub struct Instance<S> {
    environment: Source,
    storage: OnceLock<S>,
}

impl<S: Open> Instance<S> {
    /// Puts a driver together. It is opened by the first call.
    pub const fn new(environment: Source) -> Self {
        Self { environment, storage: OnceLock::new() }
    }

    fn open(&self) -> core::result::Result<(&S, Variables), String> {
        let Environment { variables, read_file, .. } = (self.environment)()?;
        let storage = S::open(&Settings::new(variables.clone(), S::VARIABLES.to_vec(), read_file))?;
        Ok((self.storage.get_or_init(|| storage), variables))
    }
}

fn storage<D: Driver>() -> Result<&'static D::Storage> {
    let instance = D::instance();
    match instance.storage.get() {
        Some(storage) => Ok(storage),
        None => instance.open().map(|(storage, _)| storage).map_err(Error::AccessDenied),
    }
}

impl<D: Driver> setup::Guest for D {
    fn open() -> core::result::Result<Opened, String> {
        let (_, settings) = D::instance().open()?;
        let known = D::Storage::VARIABLES.iter().map(|name| (*name).to_owned()).collect();
        Ok(Opened { settings, known })
    }
}

impl<D: Driver> key_value::Guest for D {
    fn get(key: String) -> Result<Option<Vec<u8>>> {
        Ok(storage::<D>()?.get(&key)?)
    }

    fn set(key: String, value: Vec<u8>) -> Result<()> {
        Ok(storage::<D>()?.set(&key, &value)?)
    }

    fn note(key: String, value: Vec<u8>) -> Result<()> {
        Ok(storage::<D>()?.note(&key, &value)?)
    }

    fn create(key: String, value: Vec<u8>) -> Result<bool> {
        Ok(storage::<D>()?.create(&key, &value)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(storage::<D>()?.delete(&key)?)
    }

    fn delete_prefix(prefix: String) -> Result<()> {
        Ok(storage::<D>()?.delete_prefix(&prefix)?)
    }

    fn list(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
        Ok(storage::<D>()?.list(&prefix, after.as_deref(), limit)?)
    }

    fn values(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
        Ok(storage::<D>()?.values(&prefix, after.as_deref(), limit)?)
    }
}

impl<D: Driver> blobs::Guest for D {
    type Chunks = Chunks;
    type Upload = Writer<D>;

    fn stat(key: String) -> Result<Option<u64>> {
        Ok(storage::<D>()?.stat(&key)?)
    }

    fn read(key: String, offset: u64, length: u64) -> Result<blobs::Content> {
        Ok(export(storage::<D>()?.read(&key, offset, length)?))
    }

    fn put(key: String, content: Vec<u8>) -> Result<()> {
        Ok(storage::<D>()?.put(&key, &content)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(storage::<D>()?.delete_blob(&key)?)
    }

    fn received(id: String) -> Result<Option<u64>> {
        Ok(storage::<D>()?.received(&id)?)
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
pub struct Writer<D: Driver>(RefCell<<D::Storage as Storage>::Upload>);

impl<D: Driver> Writer<D> {
    fn export(writer: <D::Storage as Storage>::Upload) -> blobs::Upload {
        blobs::Upload::new(Self(RefCell::new(writer)))
    }

    fn take(exported: blobs::Upload) -> <D::Storage as Storage>::Upload {
        exported.into_inner::<Self>().0.into_inner()
    }
}

impl<D: Driver> GuestUpload for Writer<D> {
    fn create(id: String) -> Result<blobs::Upload> {
        Ok(Self::export(storage::<D>()?.create_upload(&id)?))
    }

    fn open(id: String) -> Result<blobs::Upload> {
        Ok(Self::export(storage::<D>()?.open_upload(&id)?))
    }

    fn offset(&self) -> u64 {
        self.0.borrow().offset()
    }

    fn append(&self, bytes: Vec<u8>) -> Result<()> {
        Ok(self.0.borrow_mut().append(&bytes)?)
    }

    fn cut(&self, offset: u64) -> Result<()> {
        Ok(self.0.borrow_mut().cut(offset)?)
    }

    fn read(&self) -> Result<blobs::Content> {
        Ok(export(self.0.borrow().read()?))
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
