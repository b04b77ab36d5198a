//! The checks over a driver: `GET /` lists them, `GET /<check>/<party>` runs one party's part of one.
#![allow(unsafe_code, reason = "what exports the handler is generated")]

use lighter_imported::{Imported, environment_of_driver};
use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

use crate::checks::{Check, Party, checks};

struct Component;

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let checks = checks::<Imported>();
        let answer = match target.trim_matches('/').split_once('/') {
            None => {
                environment_of_driver().expect("a driver that is configured rightly");
                checks.iter().map(line).collect()
            }
            Some((name, party)) => {
                let check = checks.iter().find(|check| check.name == name).expect("a check of that name");
                let number = party.parse().expect("the number of a party");
                // A check that fails traps, which the host answers with 500 and logs.
                (check.run)(&Party::new(&Imported, check, number));
                "kept\n".to_owned()
            }
        };
        send(&answer, out);
    }
}

fn line(check: &Check<Imported>) -> String {
    format!("{} {}\n", check.name, check.parties)
}

fn send(text: &str, out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("a stream");
    for part in text.as_bytes().chunks(4096) {
        stream.blocking_write_and_flush(part).expect("a client that listens");
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("the end of the body");
}

wasi::http::proxy::export!(Component with_types_in wasi);
