//! A small HTTP client over a connection that is kept. It measures servers, so that it does little.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail, ensure};

/// How much of a body is handed on at a time.
const CHUNK: usize = 64 * 1024;

/// A connection to a server.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

/// An answer whose body has been read.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// How many bytes the body had.
    pub(crate) length: u64,
}

impl Answer {
    /// Returns the target of the `Location`, which may be absolute.
    pub(crate) fn location(&self) -> Result<String> {
        let location = self.header("location").context("the answer has no Location")?;
        match location.split_once("://") {
            Some((_, rest)) => Ok(format!("/{}", rest.split_once('/').map_or("", |(_, path)| path))),
            None => Ok(location.to_owned()),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Fails unless the answer has a status.
    pub(crate) fn expect(self, status: u16, what: &str) -> Result<Self> {
        ensure!(self.status == status, "{what} is answered {}, not {status}", self.status);
        Ok(self)
    }
}

/// What goes with a request.
pub(crate) enum Content<'a> {
    /// Nothing.
    None,
    /// So many bytes, whose number is said before.
    Known(&'a [u8]),
    /// Bytes whose number is not said before, as docker sends a layer.
    Streamed(&'a [u8]),
    /// The same, but so many times over.
    Repeated(&'a [u8], usize),
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream: BufReader::with_capacity(CHUNK, stream) })
    }

    /// Sends a request and reads the whole answer, giving its body to `sink`.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
        content: &Content,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<Answer> {
        let length = match content {
            Content::None if matches!(method, "GET" | "HEAD") => String::new(),
            Content::None => "Content-Length: 0\r\n".to_owned(),
            Content::Known(bytes) => format!("Content-Length: {}\r\n", bytes.len()),
            Content::Streamed(_) | Content::Repeated(..) => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{length}{headers}\r\n", self.address);
        let out = self.stream.get_mut();
        out.write_all(head.as_bytes())?;
        match content {
            Content::None => {}
            Content::Known(bytes) => out.write_all(bytes)?,
            Content::Streamed(bytes) => stream(out, bytes, 1)?,
            Content::Repeated(bytes, times) => stream(out, bytes, *times)?,
        }
        let (status, headers) = self.head()?;
        let mut answer = Answer { status, headers, length: 0 };
        let has_body = method != "HEAD" && !matches!(answer.status, 204 | 304);
        if has_body {
            answer.length = self.body(&answer, &mut sink)?;
        }
        if answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            *self = Self::open(self.address)?;
        }
        Ok(answer)
    }

    /// Sends a request without a body, and passes over the answer's.
    pub(crate) fn ask(&mut self, method: &str, target: &str, headers: &str) -> Result<Answer> {
        self.send(method, target, headers, &Content::None, |_| {})
    }

    fn head(&mut self) -> Result<(u16, Vec<(String, String)>)> {
        let status = self.line()?;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code = code.with_context(|| format!("{status:?} is no status line"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None if line.is_empty() => return Ok((code, headers)),
                None => bail!("{line:?} is no header"),
            }
        }
    }

    fn body(&mut self, answer: &Answer, sink: &mut impl FnMut(&[u8])) -> Result<u64> {
        if let Some(length) = answer.header("content-length") {
            let length = length.parse()?;
            self.pass(length, sink)?;
            return Ok(length);
        }
        ensure!(answer.header("transfer-encoding").is_some(), "the answer does not say how long it is");
        let mut length = 0;
        loop {
            let size = u64::from_str_radix(self.line()?.trim(), 16).context("a chunk has no length")?;
            self.pass(size, sink)?;
            self.line()?;
            length += size;
            if size == 0 {
                return Ok(length);
            }
        }
    }

    /// Gives so many bytes to the sink, without gathering them.
    fn pass(&mut self, mut length: u64, sink: &mut impl FnMut(&[u8])) -> Result<()> {
        while length > 0 {
            let bytes = self.stream.fill_buf()?;
            ensure!(!bytes.is_empty(), "the answer breaks off");
            let bytes = bytes.get(..usize::try_from(length)?.min(bytes.len())).unwrap_or(bytes);
            sink(bytes);
            let passed = bytes.len();
            self.stream.consume(passed);
            length -= passed as u64;
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        Read::by_ref(&mut self.stream).take(64 * 1024).read_until(b'\n', &mut line)?;
        ensure!(line.ends_with(b"\n"), "the answer breaks off");
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

fn stream(out: &mut TcpStream, bytes: &[u8], times: usize) -> io::Result<()> {
    for chunk in (0..times).flat_map(|_| bytes.chunks(CHUNK)) {
        write!(out, "{:x}\r\n", chunk.len())?;
        out.write_all(chunk)?;
        out.write_all(b"\r\n")?;
    }
    out.write_all(b"0\r\n\r\n")
}
