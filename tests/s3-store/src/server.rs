//! The store on a socket.

use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::{Fault, Outcome, Request, Response, Store};

/// How long an answer that stalls takes: longer than any client of a test waits.
const STALL: Duration = Duration::from_secs(20);

/// A store that listens, for as long as anyone has it.
#[derive(Clone)]
pub struct Server {
    /// The store.
    pub store: Store,
    address: SocketAddr,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client is told as `REGISTRY_STORAGE_S3_REGIONENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Store {
    /// Listens on a free port of this machine.
    pub fn serve(self) -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = Server { address: listener.local_addr()?, store: self };
        let store = server.store.downgrade();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let Some(store) = store.upgrade().map(Store::of) else { return };
                // A client that is gone needs no answer.
                thread::spawn(move || drop(store.converse(&connection)));
            }
        });
        Ok(server)
    }

    /// Answers the requests of a connection.
    fn converse(&self, connection: &TcpStream) -> io::Result<()> {
        connection.set_nodelay(true)?;
        let mut reader = BufReader::new(connection);
        while let Some(mut request) = read_head(&mut reader)? {
            let fault = self.next_fault();
            if fault == Some(Fault::Unavailable) {
                // As real ones do it: without the body, and so it is the last one on the connection.
                if let Outcome::Answered(response) = self.meet_fault(&request, fault) {
                    write(connection, &request, &response, None)?;
                }
                return hang_up(connection);
            }
            if request.header("expect").is_some_and(|expects| expects.eq_ignore_ascii_case("100-continue")) {
                (&*connection).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            request.body = Arc::new(body);
            match self.meet_in_time(&request, fault) {
                Outcome::Answered(response) => write(connection, &request, &response, None)?,
                Outcome::Truncated(response) => {
                    write(connection, &request, &response, Some(response.body.len() / 2))?;
                    return Ok(());
                }
                Outcome::Reset => return Ok(()),
                Outcome::Stalled => {
                    thread::sleep(STALL);
                    return Ok(());
                }
            }
            if request.header("connection").is_some_and(|wish| wish.eq_ignore_ascii_case("close")) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Closes a connection whose client may still be sending, in a way that lets it read the answer.
fn hang_up(mut connection: &TcpStream) -> io::Result<()> {
    connection.shutdown(Shutdown::Write)?;
    connection.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut rest = [0; 64 * 1024];
    while let Ok(1..) = connection.read(&mut rest) {}
    Ok(())
}

/// Reads a request but for its body, or none at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(ErrorKind::InvalidData.into());
    };
    let mut request = Request { method: method.to_owned(), target: target.to_owned(), ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        let Some((name, value)) = line.split_once(':') else { return Ok(Some(request)) };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Writes an answer, or so many bytes of its body, or half of its head if it has no body.
fn write(
    connection: &TcpStream,
    request: &Request,
    response: &Response,
    cut: Option<usize>,
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\n", response.status);
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if response.status != 204 {
        head += &format!("content-length: {}\r\n", response.body.len());
    }
    head += "\r\n";
    let has_body = request.method != "HEAD" && !response.body.is_empty();
    if !has_body && cut.is_some() {
        head.truncate(head.len() / 2);
    }
    let body = if has_body { &*response.body } else { &[] };
    let body = body.get(..cut.unwrap_or(usize::MAX)).unwrap_or(body);
    // A small body goes out together with the head.
    let mut out = BufWriter::new(connection);
    out.write_all(head.as_bytes())?;
    out.write_all(body)?;
    out.flush()
}
