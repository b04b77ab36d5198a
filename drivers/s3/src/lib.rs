//! The S3 storage driver: values, blobs and uploads are objects of a bucket, in the layout of distribution's s3-aws driver.
//!
//! ```text
//! ROOT<key>                 a value or a blob
//! ROOT<upload>              the parts of an upload; for a moment, the object that they become
//! ROOT<upload>.state        what is known of an upload: see `record`
//! ROOT<upload>.tail.<n>     the last bytes of an upload, fewer than a part has
//! ROOTlighter/store         what the store can do: see `abilities`
//! ```
//!
//! Nothing is kept between requests but what the store can do, so any number of instances are one registry.
//!
//! Stores differ in what they do about several writers. What becomes a blob is right on each of them: it is made of parts
//! by the tags that are in one object with the hash of their bytes. A store that has conditional writes also excludes that
//! two hold an upload at once; on others it is only improbable (`lease`).

mod abilities;
mod batch;
mod client;
mod copy;
mod date;
mod error;
mod host;
mod lease;
mod list;
mod multipart;
mod parts;
mod record;
mod settings;
mod sign;
mod storage;
#[cfg(test)]
mod tests;
mod upload;
mod value;
mod writer;
mod xml;

pub use self::host::{Host, System};
pub use self::storage::S3;
pub use self::writer::Writer;
