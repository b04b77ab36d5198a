//! What other clients ask for, and the registry's driver does not: to remove many objects at once, an older list, and lists of
//! the uploads in parts and of an upload's parts.

use crate::bucket::Bucket;
use crate::list::{KEYS_MAX, TOKEN};
use crate::request::{Request, Response, Result, refuse};
use crate::time::iso_date;
use crate::xml::{elements, escape};

impl Bucket {
    /// `POST ?delete` of the bucket.
    pub(crate) fn delete_many(&mut self, request: &Request) -> Response {
        let text = String::from_utf8_lossy(&request.body);
        for key in elements(&text, "Key") {
            let key =
                key.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", "\"").replace("&amp;", "&");
            self.objects.remove(&key);
        }
        Response::xml(200, "<DeleteResult></DeleteResult>")
    }

    /// The first version of a list.
    pub(crate) fn list_objects(&self, request: &Request) -> Response {
        let parameter = |name: &str| request.parameter(name).unwrap_or_default();
        let most = parameter("max-keys").parse().map_or(KEYS_MAX, |most: usize| most.min(KEYS_MAX));
        let (entries, is_whole) =
            self.entries(&parameter("prefix"), &parameter("delimiter"), &parameter("marker"), most);
        let xml = self.answer(&entries, is_whole);
        let xml = xml.replace(&format!("<NextContinuationToken>{TOKEN}"), "<NextMarker>");
        Response::xml(200, &xml.replace("</NextContinuationToken>", "</NextMarker>"))
    }

    /// `GET ?uploads` of the bucket.
    pub(crate) fn list_uploads(&self, request: &Request, now: i64) -> Response {
        let prefix = request.parameter("prefix").unwrap_or_default();
        let mut xml = String::from("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>");
        for (id, key) in self.uploads.all().filter(|(_, key)| key.starts_with(&prefix)) {
            xml += &format!(
                "<Upload><Key>{}</Key><UploadId>{}</UploadId><Initiated>{}</Initiated></Upload>",
                escape(key),
                escape(id),
                iso_date(now)
            );
        }
        Response::xml(200, &(xml + "</ListMultipartUploadsResult>"))
    }

    /// `GET ?uploadId` of an object.
    pub(crate) fn list_parts(
        &mut self,
        key: &str,
        id: &str,
        request: &Request,
        now: i64,
    ) -> Result<Response> {
        if request.parameter("part-number-marker").is_some() {
            return refuse(501, "NotImplemented", "another page of parts");
        }
        let mut xml = String::from("<ListPartsResult><IsTruncated>false</IsTruncated>");
        for (number, etag, size) in self.uploads.parts(key, id)? {
            xml += &format!(
                "<Part><PartNumber>{number}</PartNumber><LastModified>{}</LastModified><ETag>{}</ETag>\
                 <Size>{size}</Size></Part>",
                iso_date(now),
                escape(&etag)
            );
        }
        Ok(Response::xml(200, &(xml + "</ListPartsResult>")))
    }
}
