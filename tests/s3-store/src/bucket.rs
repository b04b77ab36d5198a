//! The objects of the bucket: what is done to one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::multipart::Uploads;
use crate::request::{Body, Request, Response, Result, decode, refuse};
use crate::signature::sha256;
use crate::time::http_date;
use crate::xml::escape;

/// An object.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Arc<Vec<u8>>,
    /// With its quotes.
    pub(crate) etag: String,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    /// The headers that are stored with it.
    pub(crate) headers: Vec<(String, String)>,
}

/// All that is stored.
#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) uploads: Uploads,
}

/// The entity tag of content: equal content has equal tags, as with an MD5.
pub(crate) fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", sha256(bytes).get(..32).unwrap_or_default())
}

/// The headers of a request that are kept with its object.
pub(crate) fn kept(request: &Request) -> Vec<(String, String)> {
    let is_kept = |name: &str| name == "content-type" || name.starts_with("x-amz-meta-");
    request.headers.iter().filter(|(name, _)| is_kept(name)).cloned().collect()
}

impl Bucket {
    /// Finds an object.
    pub(crate) fn object(&self, key: &str) -> Result<&Object> {
        match self.objects.get(key) {
            Some(object) => Ok(object),
            None => refuse(404, "NoSuchKey", "The specified key does not exist."),
        }
    }

    /// Stores an object, and returns its entity tag.
    pub(crate) fn store(&mut self, key: &str, object: Object) -> String {
        let etag = object.etag.clone();
        self.objects.insert(key.to_owned(), object);
        etag
    }

    /// GET and HEAD of an object, or of one range of it.
    pub(crate) fn get(&self, key: &str, request: &Request) -> Result<Response> {
        let object = self.object(key)?;
        if request.header("if-match").is_some_and(|etag| etag != object.etag) {
            return refuse(412, "PreconditionFailed", "If-Match");
        }
        let size = object.bytes.len();
        let mut response = Response::new(200)
            .with("etag", &*object.etag)
            .with("accept-ranges", "bytes")
            .with("last-modified", http_date(object.modified));
        response.headers.extend(object.headers.iter().cloned());
        let Some(range) = request.header("range") else {
            response.body = Body::part(&object.bytes, 0..size);
            return Ok(response);
        };
        let suffix = range.strip_prefix("bytes=-").and_then(|length| length.parse::<usize>().ok());
        let range = match suffix {
            Some(length) => Some((size - length.min(size), usize::MAX)),
            None => read_range(range),
        };
        let Some((first, last)) = range else {
            return refuse(400, "InvalidArgument", "Range");
        };
        let end = last.saturating_add(1).min(size);
        response.body = Body::part(&object.bytes, first..end);
        if response.body.is_empty() {
            return refuse(416, "InvalidRange", "The requested range is not satisfiable");
        }
        response.status = 206;
        Ok(response.with("content-range", format!("bytes {first}-{}/{size}", end - 1)))
    }

    /// PUT of an object.
    pub(crate) fn put(&mut self, key: &str, request: &Request, now: i64) -> Response {
        let object = Object {
            etag: etag(&request.body),
            bytes: Arc::clone(&request.body),
            modified: now,
            headers: kept(request),
        };
        Response::new(200).with("etag", self.store(key, object))
    }

    /// The object that `x-amz-copy-source` names. A header has the condition of the copy, unless it is ignored.
    pub(crate) fn copied(
        &self,
        source: &str,
        bucket: &str,
        request: &Request,
        condition: Option<&str>,
    ) -> Result<Object> {
        let source = decode(source);
        let source = source.trim_start_matches('/');
        let Some(key) = source.strip_prefix(bucket).and_then(|key| key.strip_prefix('/')) else {
            return refuse(404, "NoSuchBucket", "The bucket of the source does not exist");
        };
        let object = self.object(key)?;
        let condition = condition.and_then(|name| request.header(name));
        if condition.is_some_and(|etag| etag != object.etag) {
            return refuse(412, "PreconditionFailed", "the condition of the copy");
        }
        Ok(object.clone())
    }

    /// PUT that copies an object.
    pub(crate) fn copy(&mut self, key: &str, source: Object, request: &Request, now: i64) -> Response {
        // The tag of an object of several parts is not that of its copy.
        let replaces = request.header("x-amz-metadata-directive") == Some("REPLACE");
        let headers = if replaces { kept(request) } else { source.headers };
        let etag = etag(&source.bytes);
        let etag = self.store(key, Object { etag, modified: now, headers, bytes: source.bytes });
        copied("CopyObjectResult", &etag)
    }
}

/// The answer to a copy.
pub(crate) fn copied(element: &str, etag: &str) -> Response {
    // A real one has the date, too.
    Response::xml(200, &format!("<{element}><ETag>{}</ETag></{element}>", escape(etag)))
}

/// Reads `bytes=FIRST-LAST` or `bytes=FIRST-`.
pub(crate) fn read_range(range: &str) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let last = if last.is_empty() { usize::MAX } else { last.parse().ok()? };
    Some((first.parse().ok()?, last)).filter(|(first, last)| first <= last)
}
