//! A small HTTP/1.1 client that sends exactly what it is given: any method, target and header, a body with its length
//! or in chunks, of any size. It shows all of an answer, follows no redirect and repairs nothing, so it can send
//! malformed requests too; and it does so little that a benchmark can measure servers with it.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// Only ends what would otherwise hang for ever: no answer takes as long as this.
const HANG: Duration = Duration::from_secs(600);

/// Chunks on the wire are of this size, as docker's are.
const CHUNK: usize = 32 * 1024;

/// How much of an answer is read at once.
const READ: usize = 64 * 1024;

/// A request that has not been sent yet.
pub struct Request<'a> {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body<'a>,
}

enum Body<'a> {
    Absent,
    Sized(Cow<'a, [u8]>),
    Chunked(Box<dyn Read + Send + 'a>),
}

impl<'a> Request<'a> {
    /// A request to the server at an address, without a body.
    pub fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        let headers = vec![("Host".into(), address.to_string())];
        Self { address, method: method.into(), target: target.into(), headers, body: Body::Absent }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends these bytes, with a `Content-Length`.
    #[must_use]
    pub fn body(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { body: Body::Sized(Cow::Owned(bytes.into())), ..self }
    }

    /// Sends bytes that are kept elsewhere, with a `Content-Length`.
    #[must_use]
    pub fn borrowed(self, bytes: &'a [u8]) -> Self {
        Self { body: Body::Sized(Cow::Borrowed(bytes)), ..self }
    }

    /// Sends what the reader gives, in chunks and without a length, as docker does.
    #[must_use]
    pub fn chunked(self, reader: impl Read + Send + 'a) -> Self {
        Self { body: Body::Chunked(Box::new(reader)), ..self }
    }

    /// Sends the request and holds the answer's body in memory. Panics if there is no answer, or it does not say
    /// that it is a registry's.
    pub fn send(self) -> Response {
        let mut body = Vec::new();
        let mut response = self.send_into(&mut body);
        response.body = body;
        response
    }

    /// Sends the request to a server that may stop meanwhile.
    pub fn try_send(self) -> io::Result<Response> {
        let mut body = Vec::new();
        let response = self.send_alone(&mut body)?;
        Ok(Response { body, ..response })
    }

    /// As [`Request::send`], and passes the answer's body on to a sink, for one that is too large to hold.
    pub fn send_into(self, sink: &mut dyn Write) -> Response {
        let line = format!("{} {}", self.method, self.target);
        let response = self.send_alone(sink).unwrap_or_else(|error| panic!("{line}: no answer: {error}"));
        assert_eq!(
            response.find("docker-distribution-api-version"),
            Some("registry/2.0"),
            "{line} is answered without the API version:\n{response}"
        );
        response
    }

    /// Sends the request over a connection of its own.
    fn send_alone(self, sink: &mut dyn Write) -> io::Result<Response> {
        let mut stream = connect(self.address)?;
        self.header("Connection", "close").exchange(&mut stream, sink, true)
    }

    /// Sends the request and reads the answer. The connection is of no use afterwards if this is the last request,
    /// or if the answer [breaks off](Response::breaks_off) the request's body.
    fn exchange(
        self,
        stream: &mut BufReader<TcpStream>,
        sink: &mut dyn Write,
        is_last: bool,
    ) -> io::Result<Response> {
        let head = self.head();
        let has_body = self.method != "HEAD";
        let mut writer = stream.get_ref();
        if let Body::Absent = self.body {
            writer.write_all(head.as_bytes())?;
            return Response::read(stream, has_body, sink);
        }
        // A refusal comes before the end of the body. Then the rest cannot be written, which is no
        // failure, and must not keep the answer from being read: so both ways run at once.
        let mut writer = writer.try_clone()?;
        thread::scope(|scope| {
            scope
                .spawn(move || writer.write_all(head.as_bytes()).and_then(|()| self.body.write(&mut writer)));
            let response = Response::read(stream, has_body, sink);
            if is_last || response.as_ref().map_or(true, Response::breaks_off) {
                let _ = stream.get_ref().shutdown(Shutdown::Both);
            }
            response
        })
    }

    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        match &self.body {
            Body::Absent if matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") => {
                head += "Content-Length: 0\r\n";
            }
            Body::Absent => {}
            Body::Sized(bytes) => head += &format!("Content-Length: {}\r\n", bytes.len()),
            Body::Chunked(_) => head += "Transfer-Encoding: chunked\r\n",
        }
        head + "\r\n"
    }
}

impl Body<'_> {
    fn write(self, stream: &mut TcpStream) -> io::Result<()> {
        match self {
            Self::Absent => Ok(()),
            Self::Sized(bytes) => stream.write_all(&bytes),
            Self::Chunked(mut reader) => {
                let mut buffer = vec![0; CHUNK];
                loop {
                    let read = reader.read(&mut buffer)?;
                    write_chunk(stream, &buffer[..read])?;
                    if read == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Writes one chunk of a chunked body; an empty one ends the body.
pub fn write_chunk(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    stream.write_all(&chunk)
}

/// A connection that is used for one request after the other.
pub struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a server.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { address, stream: connect(address)? })
    }

    /// A request to that server.
    pub fn request<'a>(&self, method: &str, target: &str) -> Request<'a> {
        Request::new(self.address, method, target)
    }

    /// Sends a request and holds the answer's body in memory.
    pub fn send(&mut self, request: Request<'_>) -> io::Result<Response> {
        let mut body = Vec::new();
        let response = self.send_into(request, &mut body)?;
        Ok(Response { body, ..response })
    }

    /// Sends a request and passes the answer's body on to a sink.
    pub fn send_into(&mut self, request: Request<'_>, sink: &mut dyn Write) -> io::Result<Response> {
        let had_body = !matches!(request.body, Body::Absent);
        let response = request.exchange(&mut self.stream, sink, false)?;
        if response.closes() || had_body && response.breaks_off() {
            self.stream = connect(self.address)?;
        }
        Ok(response)
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(HANG))?;
    stream.set_write_timeout(Some(HANG))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::with_capacity(READ, stream))
}

/// What the registry answered.
#[derive(Debug)]
pub struct Response {
    status: String,
    headers: Vec<(String, String)>,
    /// The body, where it was not given to a sink.
    pub body: Vec<u8>,
}

impl Response {
    /// The status with its reason, such as `200 OK`.
    pub fn status(&self) -> &str {
        &self.status
    }

    /// The number of the status, or 0 if it has none.
    pub fn code(&self) -> u16 {
        self.status.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// The value of a header, whose name is in lower case.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value of a header that has to be there.
    pub fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no header {name} in the answer:\n{self}"))
    }

    /// The body, of an answer that is text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where to send the next request of an upload.
    pub fn location(&self) -> String {
        self.header("location").to_owned()
    }

    /// The location, with the digest that completes the upload.
    pub fn completed_by(&self, digest: &str) -> String {
        format!("{}&digest={digest}", self.location())
    }

    /// How many bytes of an upload are stored, by its status. That of one byte is that of none.
    pub fn stored(&self) -> usize {
        let range = self.header("range").strip_prefix("0-").expect("a range from 0");
        let last: usize = range.parse().expect("the last byte of a range");
        if last == 0 { 0 } else { last + 1 }
    }

    /// Whether the server closes the connection after this answer.
    fn closes(&self) -> bool {
        self.find("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// Whether the server may have read only a part of the request's body.
    fn breaks_off(&self) -> bool {
        self.closes() || self.code() >= 400
    }

    /// Reads an answer; its body goes to the sink.
    pub fn read(stream: &mut dyn BufRead, has_body: bool, sink: &mut dyn Write) -> io::Result<Self> {
        let line = read_line(stream)?;
        let status = line.strip_prefix("HTTP/1.1 ").ok_or_else(|| malformed(&line))?.to_owned();
        let mut headers = Vec::new();
        loop {
            let line = read_line(stream)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").ok_or_else(|| malformed(&line))?;
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        headers.sort();
        let response = Self { status, headers, body: Vec::new() };

        if !has_body || response.status.starts_with("204") || response.status.starts_with("304") {
        } else if response.find("transfer-encoding") == Some("chunked") {
            while read_chunk(stream, sink)? > 0 {}
        } else if let Some(length) = response.find("content-length") {
            copy_exactly(stream, length.parse().map_err(|_| malformed(length))?, sink)?;
        } else {
            io::copy(stream, sink)?;
        }
        Ok(response)
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}\n", self.status);
        for (name, value) in &self.headers {
            let everywhere =
                matches!(name.as_str(), "connection" | "date" | "docker-distribution-api-version");
            // Hosts differ in whether they let a 204 have one. It says nothing.
            let of_nothing = name == "content-length" && self.status.starts_with("204");
            if !everywhere && !of_nothing {
                text += &format!("{name}: {value}\n");
            }
        }
        if !self.body.is_empty() {
            text += "\n";
            text += &String::from_utf8_lossy(&self.body);
        }
        f.write_str(&name_what_varies(&text))
    }
}

/// Puts `<uuid>` and `<state>` for the ids and tokens of uploads.
pub fn name_what_varies(text: &str) -> String {
    let mut named = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(token) = rest.strip_prefix("_state=") {
            named += "_state=<state>";
            rest = token.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_%".contains(c));
        } else if rest.get(..36).is_some_and(is_uuid) {
            named += "<uuid>";
            rest = &rest[36..];
        } else {
            named.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    named
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn read_chunk(stream: &mut dyn BufRead, sink: &mut dyn Write) -> io::Result<u64> {
    let line = read_line(stream)?;
    let size = u64::from_str_radix(&line, 16).map_err(|_| malformed(&line))?;
    copy_exactly(stream, size, sink)?;
    let end = read_line(stream)?;
    if end.is_empty() { Ok(size) } else { Err(malformed(&end)) }
}

/// Gives this many bytes to the sink, without gathering them.
fn copy_exactly(stream: &mut dyn BufRead, length: u64, sink: &mut dyn Write) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let bytes = stream.fill_buf()?;
        if bytes.is_empty() {
            let what = format!("the body ended after {} of {length} bytes", length - left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        sink.write_all(&bytes[..count])?;
        stream.consume(count);
        left -= count as u64;
    }
    Ok(())
}

fn read_line(stream: &mut dyn BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(malformed(&line)),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what:?}"))
}
