//! Outgoing HTTP by sockets of the machine, for tests: HTTP/1.1 without TLS, and a connection for each request, as
//! wasmtime has it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use lighter_storage::{Content, Sink, Stream, forward_exactly};

use crate::{Error, Fetch, Flight, Request, Response, Scheme};

/// The longest line of an answer's head, in bytes.
const LINE_MAX: u64 = 64 * 1024;

/// How much of a body is read at a time, in bytes.
const READ_SIZE: usize = 64 * 1024;

/// Sends requests by sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Fetch for Native {
    type Flight = Thread;

    fn start(&self, request: &Request) -> Result<Thread, Error> {
        let (request, (sender, answer)) = (request.clone(), channel());
        thread::spawn(move || {
            let mut body = request.body.clone();
            let body = body.as_mut().map(|body| (body.to_vec(), body.len() as u64));
            // Nobody takes the answer of a flight that was given up.
            let _ = sender.send(exchange(&request, body));
        });
        Ok(Thread { answer, landed: None })
    }

    fn send(&self, request: &Request, body: &mut dyn Stream, length: u64) -> Result<Response, Error> {
        exchange(request, Some((body, length))).map(Response::from)
    }
}

/// An answer, which can go from thread to thread.
struct Answer {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

impl From<Answer> for Response {
    fn from(Answer { status, headers, body }: Answer) -> Self {
        Self { status, headers, body: Content::Chunks(Box::new(body)) }
    }
}

/// A request that a thread waits for.
pub struct Thread {
    answer: Receiver<Result<Answer, Error>>,
    landed: Option<Result<Answer, Error>>,
}

impl Flight for Thread {
    fn pump(&mut self) -> bool {
        if self.landed.is_none() {
            self.landed = match self.answer.try_recv() {
                Ok(answer) => Some(answer),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err(ended())),
            };
        }
        self.landed.is_some()
    }

    fn first(flights: &mut [Self]) -> usize {
        loop {
            match flights.iter_mut().position(Self::pump) {
                Some(index) => return index,
                None if flights.is_empty() => return 0,
                None => thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    fn wait(mut self) -> Result<Response, Error> {
        let landed = self.landed.take().map_or_else(|| self.answer.recv(), Ok);
        landed.unwrap_or_else(|_| Err(ended())).map(Response::from)
    }
}

fn ended() -> Error {
    Error::Broken("the thread of the request ended".to_owned())
}

/// Sends a request on a connection of its own, and reads the head of the answer.
fn exchange<B: Stream>(request: &Request, body: Option<(B, u64)>) -> Result<Answer, Error> {
    let connection = connect(request)?;
    let timeouts = request.timeouts;
    let set = connection
        .set_write_timeout(Some(timeouts.between_bytes))
        .and_then(|()| connection.set_read_timeout(Some(timeouts.first_byte)));
    set.map_err(|error| failed(&error))?;
    let mut head =
        format!("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target, request.authority);
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some((_, length)) = &body {
        head += &format!("Content-Length: {length}\r\n");
    }
    head += "Connection: close\r\n\r\n";
    let mut out = Socket { connection: &connection, error: None };
    // What is wrong with a connection that takes no more, the answer says, if there is one.
    let mut sent = out.write(head.as_bytes());
    if let (Ok(()), Some((mut body, length))) = (&sent, body) {
        sent = forward_exactly(&mut body, &mut out, length, "it is shorter than announced");
    }
    let unsent = match (sent, out.error) {
        (Ok(()), _) => None,
        (Err(_), Some(error)) => Some(failed(&error)),
        (Err(why), None) => return Err(Error::Source(why)),
    };
    let mut reader = BufReader::new(connection);
    let answered = read_head(&mut reader, request.method);
    let (status, headers, length) = answered.map_err(|error| unsent.unwrap_or_else(|| failed(&error)))?;
    let set = reader.get_ref().set_read_timeout(Some(timeouts.between_bytes));
    set.map_err(|error| failed(&error))?;
    Ok(Answer { status, headers, body: Body { reader, length } })
}

fn connect(request: &Request) -> Result<TcpStream, Error> {
    if request.scheme == Scheme::Https {
        return Err(Error::Tls("there is no TLS here".to_owned()));
    }
    let named = |error: io::Error| Error::NotConnected(format!("{}: {error}", request.authority));
    let (host, port) = match request.authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(0)),
        _ => (request.authority.as_str(), request.scheme.default_port()),
    };
    let mut last = io::Error::from(ErrorKind::NotFound);
    for address in (host.trim_matches(['[', ']']), port).to_socket_addrs().map_err(named)? {
        match TcpStream::connect_timeout(&address, request.timeouts.connect) {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(named(last))
}

/// The way out of a connection, and why it was closed.
struct Socket<'a> {
    connection: &'a TcpStream,
    error: Option<io::Error>,
}

impl Sink for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut connection = self.connection;
        connection.write_all(bytes).map_err(|error| {
            let text = error.to_string();
            self.error = Some(error);
            text
        })
    }
}

fn failed(error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::TimedOut(error.to_string()),
        _ => Error::Broken(error.to_string()),
    }
}

/// How far a body goes.
enum Length {
    /// So many bytes are left.
    Known(u64),
    /// So many bytes are left of a chunk, or there is none yet.
    Chunked(Option<u64>),
    /// To the end of the connection.
    ToTheEnd,
}

type Head = (u16, Vec<(String, Vec<u8>)>, Length);

/// Reads the head of an answer, after any that only say that one is to come.
fn read_head(reader: &mut impl BufRead, method: &str) -> io::Result<Head> {
    loop {
        let line = line(reader)?;
        let mut words = line.split(' ');
        let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
        let status = words.next().and_then(|status| status.parse().ok()).filter(|_| is_http);
        let status: u16 = status.ok_or_else(|| no_http(&line))?;
        let headers = headers(reader)?;
        if (100..200).contains(&status) {
            continue;
        }
        let value = |name: &str| {
            let (_, value) = headers.iter().find(|(other, _)| other == name)?;
            core::str::from_utf8(value).ok()
        };
        let length = if method == "HEAD" || status == 204 || status == 304 {
            Length::Known(0)
        } else if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            Length::Chunked(None)
        } else {
            value("content-length").map_or(Ok(Length::ToTheEnd), |length| {
                length.parse().map(Length::Known).map_err(|_| no_http(length))
            })?
        };
        return Ok((status, headers, length));
    }
}

fn headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut headers = Vec::new();
    loop {
        let line = line(reader)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| no_http(&line))?;
        headers.push((name.to_ascii_lowercase(), value.trim().as_bytes().to_owned()));
    }
}

/// Reads a line, without its end.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.take(LINE_MAX).read_line(&mut line)?;
    let end = line.strip_suffix('\n').ok_or(ErrorKind::UnexpectedEof)?;
    Ok(end.trim_end_matches('\r').to_owned())
}

fn no_http(line: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("{line:?} is no HTTP"))
}

/// The body of an answer.
struct Body {
    reader: BufReader<TcpStream>,
    length: Length,
}

impl Body {
    /// Reads some bytes, at most `most`. None at the end of the connection.
    fn read(&mut self, most: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; READ_SIZE.min(usize::try_from(most).unwrap_or(READ_SIZE))];
        let read = self.reader.read(&mut bytes)?;
        bytes.truncate(read);
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.length {
                Length::Known(0) => return Ok(None),
                Length::Known(left) => {
                    let bytes = self.read(left)?.ok_or(ErrorKind::UnexpectedEof)?;
                    self.length = Length::Known(left - bytes.len() as u64);
                    return Ok(Some(bytes));
                }
                Length::ToTheEnd => return self.read(u64::MAX),
                Length::Chunked(None) => {
                    let size = line(&mut self.reader)?;
                    let digits = size.split(';').next().unwrap_or_default().trim();
                    let size = u64::from_str_radix(digits, 16).map_err(|_| no_http(&size))?;
                    if size == 0 {
                        headers(&mut self.reader)?;
                        self.length = Length::Known(0);
                    } else {
                        self.length = Length::Chunked(Some(size));
                    }
                }
                Length::Chunked(Some(0)) => {
                    line(&mut self.reader)?;
                    self.length = Length::Chunked(None);
                }
                Length::Chunked(Some(left)) => {
                    let bytes = self.read(left)?.ok_or(ErrorKind::UnexpectedEof)?;
                    self.length = Length::Chunked(Some(left - bytes.len() as u64));
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

impl Stream for Body {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        self.take().map_err(|error| format!("the answer's body broke off: {error}"))
    }
}

#[cfg(test)]
mod tests;
