//! The response that a component hands to its host.

use wasi::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasi::io::streams::{InputStream, OutputStream, StreamError};

use crate::body::describe;
use lighter::http::{Body, Response};
use lighter_storage::{Content, read_exactly};

/// Sends a response. Errs, for the log, if the client does not get all of it.
pub(crate) fn send(response: Response, out: ResponseOutparam) -> Result<(), String> {
    let headers: Vec<(String, Vec<u8>)> =
        response.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect();
    let fields = match Fields::from_list(&headers) {
        Ok(fields) => fields,
        Err(_) => {
            ResponseOutparam::set(out, Err(ErrorCode::InternalError(None)));
            return Err("the host refuses a header".to_owned());
        }
    };
    let outgoing = OutgoingResponse::new(fields);
    let accepted = outgoing.set_status_code(response.status);
    accepted.map_err(|()| format!("the host refuses status {}", response.status))?;
    if matches!(response.body, Body::Empty) {
        // If the body were taken, even to send nothing, the host would expect as many bytes as a HEAD states.
        ResponseOutparam::set(out, Ok(outgoing));
        return Ok(());
    }
    let body = outgoing.body().map_err(|()| "the host gives no body")?;
    ResponseOutparam::set(out, Ok(outgoing));
    {
        let stream = body.write().map_err(|()| "the host gives no stream")?;
        match response.body {
            Body::Empty => {}
            Body::Bytes(bytes) => write(&stream, &bytes).map_err(describe)?,
            Body::Content(Content::Host(content), length) => {
                splice(&stream, &content, length).map_err(describe)?;
            }
            Body::Content(mut content, length) => {
                read_exactly(&mut content, length, "the content ends early", |bytes| {
                    write(&stream, bytes).map_err(describe)
                })?;
            }
        }
    }
    OutgoingBody::finish(body, None).map_err(|_| "the host does not take the end of the body".to_owned())
}

/// Writes bytes as the host has room for them. They are not flushed: once the host has all that the
/// length promised, it may close the stream.
pub(crate) fn write(out: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = usize::try_from(out.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            out.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        out.write(now)?;
        bytes = later;
    }
    Ok(())
}

/// Makes the host move bytes from one stream to the other, without passing them through the component.
fn splice(out: &OutputStream, content: &InputStream, mut length: u64) -> Result<(), StreamError> {
    while length > 0 {
        length -= out.blocking_splice(content, length)?;
    }
    Ok(())
}
