//! The client, against a server of a few lines.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::Timeouts;

/// Answers connections one after the other, each with the next of these texts, and returns the requests that came. It
/// reads until the client stops for a moment. An empty text closes the connection, and `-` leaves it open.
fn server(answers: &[&'static str]) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let answers = answers.to_vec();
    let served = thread::spawn(move || {
        let mut open = Vec::new();
        let serve = |answer: &str| {
            let (mut connection, _) = listener.accept().unwrap();
            connection.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = connection.read(&mut buffer) {
                request.extend_from_slice(&buffer[..read]);
            }
            if answer != "-" {
                connection.write_all(answer.as_bytes()).unwrap();
            } else {
                open.push(connection);
            }
            String::from_utf8(request).unwrap()
        };
        answers.into_iter().map(serve).collect()
    });
    (authority, served)
}

fn request(authority: &str, method: &'static str, body: Option<&str>) -> Request {
    Request {
        method,
        scheme: Scheme::Http,
        authority: authority.to_owned(),
        target: "/a?b=c".to_owned(),
        headers: vec![("x-a", "b".to_owned())],
        body: body.map(|body| Arc::new(body.as_bytes().to_vec())),
        timeouts: Timeouts { first_byte: Duration::from_millis(400), ..Timeouts::default() },
    }
}

fn fetch(request: &Request) -> Result<Response, Error> {
    Native.start(request)?.wait()
}

fn text(mut response: Response) -> Result<String, Error> {
    response.read(1000).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_request_is_sent_and_its_answer_read() {
    let (authority, served) =
        server(&["HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-Y: z\r\n\r\nhello, and more"]);
    let response = fetch(&request(&authority, "PUT", Some("body"))).unwrap();
    assert_eq!((response.status, response.header("x-y")), (201, Some("z")));
    assert_eq!(response.content_length(), Some(5));
    assert_eq!(text(response).unwrap(), "hello");
    assert_eq!(
        served.join().unwrap(),
        [format!(
            "PUT /a?b=c HTTP/1.1\r\nHost: {authority}\r\nx-a: b\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
        )]
    );
}

#[test]
fn a_body_may_come_in_chunks_or_end_with_the_connection() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
    let (authority, served) = server(&[
        chunked,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nto the end",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    ]);
    assert_eq!(text(fetch(&request(&authority, "GET", None)).unwrap()).unwrap(), "abc0123456789");
    assert_eq!(text(fetch(&request(&authority, "GET", None)).unwrap()).unwrap(), "to the end");
    let head = fetch(&request(&authority, "HEAD", None)).unwrap();
    assert_eq!((head.content_length(), text(head).unwrap()), (Some(9), String::new()));
    served.join().unwrap();
}

#[test]
fn what_fails_is_told_apart() {
    let (authority, served) = server(&[
        "",
        "garbage\r\n\r\n",
        "-",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789",
    ]);
    let get = request(&authority, "GET", None);
    assert!(matches!(fetch(&get), Err(Error::Broken(_))));
    assert!(matches!(fetch(&get), Err(Error::Broken(_))));
    assert!(matches!(fetch(&get), Err(Error::TimedOut(_))));
    assert!(matches!(text(fetch(&get).unwrap()), Err(Error::Broken(_))));
    assert!(matches!(text(fetch(&get).unwrap()), Err(Error::Broken(_))));
    let too_long = fetch(&get).unwrap().read(8);
    assert_eq!(too_long, Err(Error::Broken("the answer has more than 8 bytes".to_owned())));
    served.join().unwrap();
    // Its socket is closed now.
    assert!(matches!(fetch(&get), Err(Error::NotConnected(_))));
    let encrypted = Request { scheme: Scheme::Https, ..get };
    assert!(matches!(fetch(&encrypted), Err(Error::Tls(_))));
}

#[test]
fn a_stream_is_sent_as_a_body() {
    let (authority, served) = server(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", ""]);
    let put = request(&authority, "PUT", None);
    let sent = Native.send(&put, &mut b"0123456789".to_vec(), 7).unwrap();
    assert_eq!(sent.status, 200);
    let short = Native.send(&put, &mut b"01234".to_vec(), 7).err();
    assert_eq!(short, Some(Error::Source("it is shorter than announced".to_owned())));
    struct Broken;
    impl Stream for Broken {
        fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
            Err("gone".to_owned())
        }
    }
    assert_eq!(Native.send(&put, &mut Broken, 7).err(), Some(Error::Source("gone".to_owned())));
    assert!(served.join().unwrap()[0].ends_with("Content-Length: 7\r\nConnection: close\r\n\r\n0123456"));
}

#[test]
fn an_answer_may_come_before_the_body_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let served = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection.write_all(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\n\r\nbusy").unwrap();
        // Until the client gives up, which has more to send than the system takes.
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        thread::sleep(Duration::from_millis(300));
    });
    let mut body = vec![0; 64 << 20];
    let timeouts = Timeouts { between_bytes: Duration::from_millis(200), ..Timeouts::default() };
    let put = Request { timeouts, ..request(&authority, "PUT", None) };
    let response = Native.send(&put, &mut body, 64 << 20).unwrap();
    assert_eq!(response.status, 503);
    assert_eq!(text(response).unwrap(), "busy");
    served.join().unwrap();
}

#[test]
fn several_are_under_way_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let served = thread::spawn(move || {
        // Nobody is answered before all have come, and the last comes first.
        let connections: Vec<_> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        for mut connection in connections.into_iter().rev() {
            thread::sleep(Duration::from_millis(30));
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    let started = Instant::now();
    let get = request(&authority, "GET", None);
    let mut flights: Vec<_> = (0..3).map(|_| Native.start(&get).unwrap()).collect();
    while !flights.is_empty() {
        let landed = Thread::first(&mut flights);
        assert_eq!(flights.remove(landed).wait().unwrap().status, 200);
    }
    assert_eq!(Thread::first(&mut flights), 0);
    assert!(started.elapsed() < Duration::from_millis(400));
    served.join().unwrap();
}
