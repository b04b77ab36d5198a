//! The response that a component hands to its host.

use wasi::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasi::io::streams::{InputStream, OutputStream, StreamError};

use crate::body::describe;
use lighter::http::{Body, Response};
use lighter_storage::{Sink, forward_exactly};

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
        let mut out = Out(&stream);
        match response.body {
            Body::Empty => {}
            Body::Bytes(bytes) => out.write(&bytes)?,
            Body::Content(mut content, length) => {
                forward_exactly(&mut content, &mut out, length, "the content ends early")?;
            }
        }
    }
    OutgoingBody::finish(body, None).map_err(|_| "the host does not take the end of the body".to_owned())
}

/// A stream of the host's, such as the body of a response.
pub(crate) struct Out<'a>(pub(crate) &'a OutputStream);

impl Sink for Out<'_> {
    /// Writes bytes as the host has room for them. They are not flushed: once the host has all that the
    /// length promised, it may close the stream.
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let room = usize::try_from(self.0.check_write().map_err(describe)?).unwrap_or(usize::MAX);
            if room == 0 {
                self.0.subscribe().block();
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.0.write(now).map_err(describe)?;
            bytes = later;
        }
        Ok(())
    }

    fn splice(&mut self, from: &InputStream, most: u64) -> Result<Option<u64>, String> {
        match self.0.blocking_splice(from, most) {
            Ok(moved) => Ok(Some(moved)),
            Err(StreamError::Closed) => Ok(None),
            Err(error) => Err(describe(error)),
        }
    }
}
