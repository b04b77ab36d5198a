//! A component that is the whole registry, with its storage linked in.

use lighter::component::Content;

use crate::content::Reader;
use crate::environment::variables;
use crate::host::Host;
use crate::storage::KeyValue;

impl From<Reader<'static, Host>> for Content {
    fn from(reader: Reader<'static, Host>) -> Self {
        Self::Chunks(Box::new(reader))
    }
}

lighter::export!(KeyValue, variables);
