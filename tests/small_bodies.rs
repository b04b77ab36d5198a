//! A host that allows bodies of 10 MiB, as platforms at the edge do, over an object store: a large layer is pushed in
//! chunks, as regctl does, and pulled from the store itself.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use lighter_test_host::client::Request;

use crate::content::{noise, sha256};
use crate::habits::{OCTETS, blob, expect, expect_range};
use crate::images::{MANIFEST, manifest};
use crate::objects::follow;
use crate::server::{REDIRECT_DISABLE, Server};

/// The largest body, in bytes.
const LIMIT: u64 = 10 * 1024 * 1024;

/// What `regctl registry set --blob-max 8388608 --blob-chunk 8388608` makes of a layer.
const CHUNK: usize = 8 * 1024 * 1024;

/// What stands before a registry and refuses larger bodies, as nginx does with `client_max_body_size 10m`: with 413, by the
/// length if there is one, and else once so many bytes have come. It serves one request on each connection, and notes the
/// largest answer.
struct SmallBodies {
    address: SocketAddr,
    largest: Arc<AtomicU64>,
}

impl SmallBodies {
    fn before(registry: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let largest = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&largest);
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let noted = Arc::clone(&noted);
                // A client may leave at any time.
                thread::spawn(move || drop(pass(stream, registry, &noted)));
            }
        });
        Self { address, largest }
    }

    fn request<'a>(&self, method: &str, target: &str) -> Request<'a> {
        Request::new(self.address, method, target).header("User-Agent", "regclient/regctl (v0.8.0)")
    }

    /// The bytes of the largest answer so far, with its head.
    fn largest(&self) -> u64 {
        self.largest.load(Ordering::Relaxed)
    }
}

/// Passes on a request and its answer, and notes the length of the answer before its client has it.
fn pass(mut client: TcpStream, registry: SocketAddr, noted: &AtomicU64) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut head, mut length, mut is_chunked) = (String::new(), 0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
        if line.trim_end().is_empty() {
            break;
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(io::Error::other)?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            is_chunked = true;
        } else {
            head += &line;
        }
    }
    let mut body = Vec::new();
    let is_taken = if is_chunked {
        read_chunks(&mut reader, &mut body)?
    } else if length <= LIMIT {
        reader.by_ref().take(length).read_to_end(&mut body)?;
        true
    } else {
        false
    };
    if !is_taken {
        let refusal =
            "HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.write_all(refusal.as_bytes())?;
        // What the client still sends has to be read, or the answer is lost with the connection.
        client.shutdown(Shutdown::Write)?;
        client.set_read_timeout(Some(Duration::from_secs(5)))?;
        return io::copy(&mut reader, &mut io::sink()).map(drop);
    }
    let mut server = TcpStream::connect(registry)?;
    server.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes())?;
    server.write_all(&body)?;
    let (mut buffer, mut length) = ([0; 64 * 1024], 0);
    loop {
        let read = server.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        length += read as u64;
        noted.fetch_max(length, Ordering::Relaxed);
        client.write_all(&buffer[..read])?;
    }
}

/// Reads a chunked body, unless it is too large.
fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        if body.len() as u64 + length > LIMIT {
            return Ok(false);
        }
        reader.take(length).read_to_end(body)?;
        reader.read_line(&mut line)?;
        if length == 0 {
            return Ok(true);
        }
    }
}

#[test]
fn a_layer_of_200_mb_goes_through_a_host_that_allows_10_mib() {
    over_objects!();
    let server = Server::with_secret("s").env(REDIRECT_DISABLE, "false").start();
    let host = SmallBodies::before(server.address());
    let layer = noise(20, 200_000_000).into_bytes();
    let digest = sha256(&layer);

    // In one request, as docker and the others send it, it does not get in.
    let started = expect(host.request("POST", "/v2/a/b/blobs/uploads/").send(), "202 Accepted");
    let put = host.request("PUT", &started.completed_by(&digest)).borrowed(&layer).try_send().unwrap();
    assert_eq!(put.status(), "413 Request Entity Too Large");
    let patch = host.request("PATCH", &started.location()).chunked(layer.as_slice()).try_send().unwrap();
    assert_eq!(patch.status(), "413 Request Entity Too Large");

    let started = expect(host.request("POST", "/v2/a/b/blobs/uploads/").send(), "202 Accepted");
    let mut location = started.location();
    let mut first = 0;
    for chunk in layer.chunks(CHUNK) {
        let last = first + chunk.len() - 1;
        let patch = host.request("PATCH", &location).header("Content-Type", OCTETS);
        let patch = patch.header("Content-Range", &format!("{first}-{last}")).borrowed(chunk);
        let patched = expect(patch.send(), "202 Accepted");
        expect_range(&patched, &format!("0-{last}"));
        (location, first) = (patched.location(), last + 1);
    }
    let put = host.request("PUT", &format!("{location}&digest={digest}")).send();
    assert_eq!(expect(put, "201 Created").header("docker-content-digest"), digest);
    let config = host.request("POST", &format!("/v2/a/b/blobs/uploads/?digest={}", sha256(b"{}")));
    expect(config.header("Content-Type", OCTETS).body(b"{}").send(), "201 Created");
    let put = host.request("PUT", "/v2/a/b/manifests/v1").header("Content-Type", MANIFEST);
    expect(put.body(manifest(&layer)).send(), "201 Created");

    expect(host.request("GET", "/v2/a/b/manifests/v1").send(), "200 OK");
    let sent = expect(host.request("GET", &blob(&digest)).send(), "307 Temporary Redirect");
    let (bucket, _) = server.bucket().unwrap();
    assert!(sent.header("location").starts_with(&format!("{}/", bucket.endpoint)), "{sent}");
    assert!(follow(&sent, None).body == layer, "the layer is another");
    let largest = host.largest();
    assert!(largest <= LIMIT, "an answer of {largest} bytes went through");
    assert!(largest > 0, "nothing went through");
}

#[test]
fn without_redirects_a_layer_does_not_fit_through_such_a_host() {
    over_objects!();
    // So that the test above means something.
    let server = Server::with_secret("s").env(REDIRECT_DISABLE, "true").start();
    let host = SmallBodies::before(server.address());
    let layer = noise(21, LIMIT + 1).into_bytes();
    let digest = crate::content::push_blob(&server, "a/b", &layer);
    assert!(host.request("GET", &blob(&digest)).send().body == layer);
    assert!(host.largest() > LIMIT);
}
