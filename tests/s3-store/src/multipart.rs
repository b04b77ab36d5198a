//! Uploads in parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Options;
use crate::bucket::{Bucket, Object, copied, etag, kept, read_range};
use crate::request::{Request, Response, Result, refuse};
use crate::signature::sha256;
use crate::store::CONDITION;
use crate::xml::{elements, escape};

/// The most parts that an upload can have.
const PARTS_MAX: usize = 10_000;

/// The uploads that are under way, by their ids.
#[derive(Default)]
pub(crate) struct Uploads {
    uploads: BTreeMap<String, Upload>,
    begun: u64,
}

struct Upload {
    key: String,
    headers: Vec<(String, String)>,
    parts: BTreeMap<usize, Part>,
}

#[derive(Clone)]
struct Part {
    bytes: Arc<Vec<u8>>,
    etag: String,
}

impl Uploads {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.uploads.len()
    }

    /// The ids of all, and their keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.uploads.iter().map(|(id, upload)| (id.as_str(), upload.key.as_str()))
    }

    /// The number, the tag and the size of each part of one.
    pub(crate) fn parts(&mut self, key: &str, id: &str) -> Result<Vec<(usize, String, usize)>> {
        let parts = &self.find(key, id)?.parts;
        Ok(parts.iter().map(|(number, part)| (*number, part.etag.clone(), part.bytes.len())).collect())
    }

    /// Forgets all, as a rule of the bucket does after some days.
    pub(crate) fn clear(&mut self) {
        self.uploads.clear();
    }

    fn find(&mut self, key: &str, id: &str) -> Result<&mut Upload> {
        match self.uploads.get_mut(id).filter(|upload| upload.key == key) {
            Some(upload) => Ok(upload),
            None => refuse(404, "NoSuchUpload", "The specified upload does not exist."),
        }
    }

    /// `POST ?uploads`.
    pub(crate) fn begin(&mut self, bucket: &str, key: &str, request: &Request) -> Response {
        self.begun += 1;
        // Real ones have characters that have to be encoded.
        let id = format!("{}+/={}", self.begun, sha256(key.as_bytes()).get(..8).unwrap_or_default());
        let (key, headers) = (key.to_owned(), kept(request));
        let xml = format!(
            "<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{}</Key><UploadId>{}</UploadId>\
             </InitiateMultipartUploadResult>",
            escape(&key),
            escape(&id)
        );
        self.uploads.insert(id, Upload { key, headers, parts: BTreeMap::new() });
        Response::xml(200, &xml)
    }

    /// `DELETE ?uploadId`.
    pub(crate) fn abort(&mut self, key: &str, id: &str) -> Result<Response> {
        self.find(key, id)?;
        self.uploads.remove(id);
        Ok(Response::new(204))
    }

    /// Stores a part, and returns its tag.
    fn part(&mut self, key: &str, id: &str, number: usize, bytes: Arc<Vec<u8>>) -> Result<String> {
        let upload = self.find(key, id)?;
        if !(1..=PARTS_MAX).contains(&number) {
            return refuse(400, "InvalidArgument", "Part number must be from 1 to 10000");
        }
        let etag = etag(&bytes);
        upload.parts.insert(number, Part { bytes, etag: etag.clone() });
        Ok(etag)
    }
}

impl Bucket {
    /// `PUT ?partNumber&uploadId`, of a body or of a part of an object.
    pub(crate) fn put_part(
        &mut self,
        key: &str,
        id: &str,
        number: &str,
        request: &Request,
        options: &Options,
    ) -> Result<Response> {
        let number = number.parse().unwrap_or(0);
        let Some(source) = request.header("x-amz-copy-source") else {
            let etag = self.uploads.part(key, id, number, Arc::clone(&request.body))?;
            return Ok(Response::new(200).with("etag", etag));
        };
        let condition = (options.conditional_copies && !options.is_ceph).then_some(CONDITION);
        let object = self.copied(source, &options.bucket, request, condition)?;
        let bytes = match request.header("x-amz-copy-source-range") {
            None => object.bytes,
            Some(range) => match read_range(range) {
                Some((first, last)) if last < object.bytes.len() => {
                    Arc::new(object.bytes.get(first..=last).unwrap_or_default().to_vec())
                }
                _ => return refuse(400, "InvalidArgument", "The range is not in the source"),
            },
        };
        let etag = self.uploads.part(key, id, number, bytes)?;
        // Ceph has no quotes there.
        Ok(copied("CopyPartResult", if options.is_ceph { etag.trim_matches('"') } else { &etag }))
    }

    /// `POST ?uploadId`.
    pub(crate) fn complete(
        &mut self,
        key: &str,
        id: &str,
        request: &Request,
        options: &Options,
        now: i64,
    ) -> Result<Response> {
        let xml = String::from_utf8_lossy(&request.body);
        let upload = match self.uploads.find(key, id) {
            Err(_) if options.is_ceph => return self.complete_again(key, &xml),
            found => found?,
        };
        let mut parts: Vec<Part> = Vec::new();
        let mut last = 0;
        for part in elements(&xml, "Part") {
            let text = |name| {
                elements(part, name).first().map(|text| text.replace("&quot;", "\"").replace("&#34;", "\""))
            };
            let (Some(number), Some(etag)) = (text("PartNumber"), text("ETag")) else {
                return refuse(400, "MalformedXML", "a part without a number or a tag");
            };
            let number = number.parse().unwrap_or(0);
            if number <= last {
                return refuse(400, "InvalidPartOrder", "The list of parts was not in ascending order.");
            }
            last = number;
            match upload.parts.get(&number).filter(|stored| stored.etag == etag) {
                Some(stored) => parts.push(stored.clone()),
                None => return refuse(400, "InvalidPart", format!("part {number} could not be found")),
            }
        }
        let Some((end, others)) = parts.split_last() else {
            return refuse(400, "MalformedXML", "there is no part");
        };
        if upload.parts.len() > parts.len() && !options.other_clients {
            return refuse(400, "InvalidPart", "Not all parts are named.");
        }
        let size = others.first().map_or(end.bytes.len(), |first| first.bytes.len());
        if others.iter().any(|part| part.bytes.len() < options.part_min) {
            return refuse(400, "EntityTooSmall", "a part is smaller than the minimum allowed size");
        }
        let differ = others.iter().any(|part| part.bytes.len() != size) || end.bytes.len() > size;
        if differ && !options.other_clients {
            return refuse(400, "InvalidPart", "All non-trailing parts must have the same length.");
        }
        let bytes: Vec<u8> = parts.iter().map(|part| part.bytes.as_slice()).collect::<Vec<_>>().concat();
        let etag = etag_of_parts(parts.iter().map(|part| part.etag.as_str()));
        let headers = upload.headers.clone();
        self.uploads.uploads.remove(id);
        let etag = self.store(key, Object { bytes: Arc::new(bytes), etag, modified: now, headers });
        Ok(completed(key, if options.is_ceph { "" } else { &etag }))
    }

    /// The same of an upload that has ended, which may be this one.
    fn complete_again(&self, key: &str, xml: &str) -> Result<Response> {
        let tags: Vec<String> = elements(xml, "ETag").iter().map(|tag| tag.replace("&quot;", "\"")).collect();
        let etag = etag_of_parts(tags.iter().map(String::as_str));
        match self.objects.get(key).filter(|object| object.etag == etag) {
            Some(_) => Ok(completed(key, etag.trim_matches('"'))),
            None => refuse(500, "InternalError", ""),
        }
    }
}

/// The entity tag of an object of several parts.
fn etag_of_parts<'a>(tags: impl Iterator<Item = &'a str>) -> String {
    let tags: Vec<&str> = tags.collect();
    format!("\"{}-{}\"", sha256(tags.concat().as_bytes()).get(..32).unwrap_or_default(), tags.len())
}

/// The answer to the end of an upload.
fn completed(key: &str, etag: &str) -> Response {
    let (key, etag) = (escape(key), escape(etag));
    let xml = format!(
        "<CompleteMultipartUploadResult><Key>{key}</Key><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
    );
    Response::xml(200, &xml)
}
