//! A client that pushes in every possible way, and resumes interrupted uploads.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use super::history::History;
use crate::client::{Request, Response};
use crate::content::{noise, sha256};
use crate::images::{MANIFEST, manifest};
use crate::objects::follow;

/// The repository whose tag all clients move.
pub(super) const SHARED: &str = "crash/shared";

/// How long to wait before an upload that is busy is tried again: the lease of a killed server expires after some
/// seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most requests that an upload's bytes are sent in.
const CHUNKS_MAX: u64 = 6;

/// How many of the blobs that were checked before are checked again.
const SAMPLE: u64 = 10;

/// Numbers without a pattern, the same ones for the same seed (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % limit
    }
}

/// An upload that has begun.
struct Upload {
    content: Vec<u8>,
    location: String,
    /// How many bytes the registry said it has.
    acknowledged: usize,
    /// Whether a request that ends the upload was sent.
    ending: bool,
    /// When to try again.
    later: Option<Instant>,
}

pub(crate) struct Pusher {
    number: u64,
    repository: String,
    chance: Chance,
    contents: u64,
    current: Option<Upload>,
    interrupted: Vec<Upload>,
    pub(super) history: History,
}

impl Pusher {
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        Self {
            number,
            repository: format!("crash/c{number}"),
            chance: Chance::new(seed.wrapping_add((number + 1) << 32)),
            contents: 0,
            current: None,
            interrupted: Vec::new(),
            history: History::default(),
        }
    }

    pub(super) fn has_interrupted(&self) -> bool {
        self.current.is_some() || !self.interrupted.is_empty()
    }

    /// Pushes until the server is gone, and says so at every answer.
    pub(super) fn push_until_the_end(&mut self, address: SocketAddr, answers: &Sender<()>) {
        let mut session = Session::of(address);
        session.answers = Some(answers);
        let _ = self.push(&mut session).expect_err("the server is killed");
    }

    /// Pushes until it is over, each request to any of the servers, which are killed now and then, and says so at every
    /// answer. A balancer answers for those that are killed.
    pub(crate) fn push_anywhere(
        &mut self,
        servers: &RwLock<Vec<SocketAddr>>,
        is_over: &AtomicBool,
        answers: &Sender<()>,
        is_balanced: bool,
    ) {
        while !is_over.load(Ordering::Relaxed) {
            let servers = servers.read().unwrap().clone();
            let chance = Chance::new(self.chance.below(u64::MAX));
            let mut session =
                Session { servers, chance, answers: Some(answers), is_over: Some(is_over), is_balanced };
            let _ = self.push(&mut session).expect_err("one is killed, or it is over");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Resumes interrupted uploads, except busy ones.
    pub(super) fn take_up_now(&mut self, address: SocketAddr) -> io::Result<()> {
        self.take_up(&mut Session::of(address))
    }

    fn push(&mut self, session: &mut Session) -> io::Result<()> {
        loop {
            self.take_up(session)?;
            let layer = self.content();
            self.push_blob(session, layer.clone())?;
            self.push_image(session, &layer)?;
        }
    }

    fn content(&mut self) -> Vec<u8> {
        self.contents += 1;
        let most = [100, 5_000, 60_000, 400_000][self.chance.below(4) as usize];
        // Never a single byte, and none in the first of several requests either: of an upload with one, the
        // status is that of one without any.
        let length = self.chance.below(most) + 2 * CHUNKS_MAX;
        noise((self.number << 32) + self.contents, length).into_bytes()
    }

    fn push_blob(&mut self, session: &mut Session, content: Vec<u8>) -> io::Result<()> {
        let uploads = format!("/v2/{}/blobs/uploads/", self.repository);
        let digest = sha256(&content);
        let way = self.chance.below(4);
        if way == 0 {
            let post =
                session.send("POST", &format!("{uploads}?digest={digest}"), |post| post.body(content))?;
            self.stored(&post, digest);
            return Ok(());
        }
        let started = session.send("POST", &uploads, |post| post)?;
        self.history.expect(started.status() == "202 Accepted", || format!("no upload: {started}"));
        let location = started.location();
        let upload = Upload { content, location, acknowledged: 0, ending: false, later: None };
        self.current = Some(upload);
        if way == 3 {
            return self.complete(session, 0);
        }
        let chunks = if way == 1 { 1 } else { self.chance.below(CHUNKS_MAX - 1) + 2 };
        self.append(session, 0, chunks)
    }

    /// Sends the rest of the current upload in this many requests. If there are several, the last one completes it.
    fn append(&mut self, session: &mut Session, from: usize, chunks: u64) -> io::Result<()> {
        let Some(upload) = &mut self.current else { return Ok(()) };
        let mut from = from;
        let step = (upload.content.len() - from).div_ceil(chunks as usize).max(1);
        while from < upload.content.len() {
            let to = (from + step).min(upload.content.len());
            if chunks > 1 && to == upload.content.len() {
                break;
            }
            let bytes = upload.content[from..to].to_vec();
            let range = format!("{from}-{}", to - 1);
            let patched = session.send("PATCH", &upload.location, |patch| {
                if chunks > 1 {
                    patch.header("Content-Range", &range).body(bytes)
                } else {
                    patch.chunked(io::Cursor::new(bytes))
                }
            })?;
            if patched.status() != "202 Accepted" {
                return self.refused(&patched);
            }
            upload.location = patched.location();
            upload.acknowledged = to;
            from = to;
        }
        self.complete(session, from)
    }

    /// Completes the current upload, with the rest of its bytes.
    fn complete(&mut self, session: &mut Session, from: usize) -> io::Result<()> {
        let Some(upload) = &mut self.current else { return Ok(()) };
        let digest = sha256(&upload.content);
        let rest = upload.content[from..].to_vec();
        upload.ending = true;
        let put =
            session.send("PUT", &format!("{}&digest={digest}", upload.location), |put| put.body(rest))?;
        if put.status() != "201 Created" {
            return self.refused(&put);
        }
        self.history.resumed += u64::from(upload.later.is_some());
        self.current = None;
        self.stored(&put, digest);
        Ok(())
    }

    /// Postpones the current upload if a killed server still holds it; otherwise records a failure.
    fn refused(&mut self, answer: &Response) -> io::Result<()> {
        let Some(mut upload) = self.current.take() else { return Ok(()) };
        let busy = ["409 Conflict", "416 Range Not Satisfiable"].contains(&answer.status());
        let held = upload.later.is_some() && busy;
        self.history.expect(held, || format!("an upload is refused: {answer}"));
        if held {
            upload.ending = false;
            upload.later = Some(Instant::now() + PATIENCE);
            self.interrupted.push(upload);
        }
        Ok(())
    }

    fn stored(&mut self, answer: &Response, digest: String) {
        let created = answer.status() == "201 Created";
        self.history.expect(created, || format!("a blob is refused: {answer}"));
        if created {
            self.history.pushes += 1;
            self.history.blobs.push(digest);
        }
    }

    fn push_image(&mut self, session: &mut Session, layer: &[u8]) -> io::Result<()> {
        let image = manifest(layer);
        let digest = sha256(image.as_bytes());
        let put = |target: &str, session: &mut Session| {
            session.send("PUT", target, |put| put.header("Content-Type", MANIFEST).body(image.clone()))
        };
        let created = |history: &mut History, answer: &Response| {
            let created = answer.status() == "201 Created";
            history.expect(created, || format!("refused: {answer}"));
            history.manifest_pushes += u64::from(created);
            created
        };
        for blob in [b"{}", layer] {
            let (digest, from) = (sha256(blob), &self.repository);
            let uploads = format!("/v2/{SHARED}/blobs/uploads/");
            let mounted =
                session.send("POST", &format!("{uploads}?mount={digest}&from={from}"), |post| post)?;
            if mounted.status() != "201 Created" {
                // The config is nowhere yet, or the layer's upload was put off.
                for repository in [from, SHARED] {
                    let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
                    let post = session.send("POST", &target, |post| post.body(blob))?;
                    self.history.expect(post.status() == "201 Created", || format!("refused: {post}"));
                }
            }
        }

        self.history.own.send(&digest);
        let target = match self.chance.below(2) {
            0 => format!("/v2/{}/manifests/moving", self.repository),
            _ => format!("/v2/{}/manifests/{digest}?tag=moving", self.repository),
        };
        let answer = put(&target, session)?;
        if created(&mut self.history, &answer) {
            self.history.own.acknowledge();
            self.history.manifests.push(digest.clone());
        }
        self.history.shared.send(&digest);
        let answer = put(&format!("/v2/{SHARED}/manifests/moving"), session)?;
        if created(&mut self.history, &answer) {
            self.history.shared.acknowledge();
        }
        Ok(())
    }

    /// Resumes every interrupted upload: asks for its status, and then completes or cancels it.
    fn take_up(&mut self, session: &mut Session) -> io::Result<()> {
        let broken_off = mem::take(&mut self.current);
        let (now, waiting) = mem::take(&mut self.interrupted)
            .into_iter()
            .chain(broken_off)
            .partition(|upload: &Upload| upload.later.is_none_or(|later| later <= Instant::now()));
        self.interrupted = waiting;
        let mut uploads: Vec<Upload> = now;
        while let Some(upload) = uploads.pop() {
            let done = self.take_up_one(session, upload);
            if done.is_err() {
                // The server is gone again.
                self.interrupted.append(&mut uploads);
            }
            done?;
        }
        Ok(())
    }

    fn take_up_one(&mut self, session: &mut Session, mut upload: Upload) -> io::Result<()> {
        let (ending, acknowledged) = (upload.ending, upload.acknowledged);
        upload.later = Some(Instant::now());
        let location = upload.location.clone();
        let length = upload.content.len();
        let upload = self.current.insert(upload);
        let status = session.send("GET", &location, |get| get)?;
        if status.status() == "404 Not Found" {
            self.history.expect(ending, || format!("an upload that nobody ended is gone: {status}"));
            self.history.ended += 1;
            self.current = None;
            return Ok(());
        }
        upload.location = status.location();
        let last = status.header("range").trim_start_matches("0-").parse().unwrap_or(usize::MAX);
        let offset = if last == 0 { 0 } else { last.saturating_add(1) };
        let right = status.status() == "204 No Content" && (acknowledged..=length).contains(&offset);
        self.history.expect(right, || format!("of {length} bytes {acknowledged} were there: {status}"));
        if !right {
            self.current = None;
            return Ok(());
        }
        upload.ending = false;
        if self.chance.below(4) > 0 {
            let chunks = self.chance.below(3) + 1;
            return self.append(session, offset, chunks);
        }
        upload.ending = true;
        let cancelled = session.send("DELETE", &upload.location, |delete| delete)?;
        if cancelled.status() != "204 No Content" {
            return self.refused(&cancelled);
        }
        self.current = None;
        self.history.cancelled += 1;
        Ok(())
    }

    /// Checks what was pushed since the last time and some of the rest, or all.
    pub(super) fn check(&mut self, server: SocketAddr, ever: bool) {
        let name = self.repository.clone();
        let (blobs, manifests) = if ever { (0, 0) } else { self.history.checked };
        self.history.checked = (self.history.blobs.len(), self.history.manifests.len());
        let mut digests = self.history.blobs[blobs..].to_vec();
        for _ in 0..SAMPLE.min(blobs as u64) {
            digests.push(self.history.blobs[self.chance.below(blobs as u64) as usize].clone());
        }
        for digest in digests {
            self.fetch(server, &format!("/v2/{name}/blobs/{digest}"), &digest);
        }
        let manifests = self.history.manifests[manifests..].to_vec();
        for digest in manifests {
            self.fetch(server, &format!("/v2/{name}/manifests/{digest}"), &digest);
        }

        // What was on its way is there whole or not at all.
        for upload in self.current.iter().chain(&self.interrupted) {
            let digest = sha256(&upload.content);
            let blob = pull(server, &format!("/v2/{name}/blobs/{digest}"));
            let right = blob.status() == "404 Not Found" || sha256(&blob.body) == digest;
            self.history.expect(right, || format!("half of {digest} is there: {}", blob.status()));
        }

        let tag = pull(server, &format!("/v2/{name}/manifests/moving"));
        let may_be = self.history.own.may_be();
        let right = match tag.status() {
            "200 OK" => may_be.contains(&sha256(&tag.body)),
            "404 Not Found" => self.history.own.last.is_none(),
            _ => false,
        };
        self.history.expect(right, || format!("the tag of {name} is none of {may_be:?}: {tag}"));
        if self.history.own.last.is_some() {
            let tags = pull(server, &format!("/v2/{name}/tags/list"));
            let listed = tags.status() == "200 OK" && tags.text().contains("\"moving\"");
            self.history.expect(listed, || format!("the tag of {name} is not listed: {tags}"));
        }
    }

    fn fetch(&mut self, server: SocketAddr, target: &str, digest: &str) {
        let answer = pull(server, target);
        let whole = answer.status() == "200 OK" && sha256(&answer.body) == digest;
        self.history.expect(whole, || format!("{target} is lost: {}", answer.status()));
    }
}

/// Gets something, from the store if that is where the server sends its clients.
pub(super) fn pull(server: SocketAddr, target: &str) -> Response {
    let answer = Request::new(server, "GET", target).send();
    if answer.code() == 307 { follow(&answer, None) } else { answer }
}

/// The life of a server, or of one of several.
struct Session<'a> {
    servers: Vec<SocketAddr>,
    chance: Chance,
    answers: Option<&'a Sender<()>>,
    is_over: Option<&'a AtomicBool>,
    is_balanced: bool,
}

impl Session<'_> {
    fn of(server: SocketAddr) -> Self {
        Self {
            servers: vec![server],
            chance: Chance::new(0),
            answers: None,
            is_over: None,
            is_balanced: false,
        }
    }

    fn send(
        &mut self,
        method: &str,
        target: &str,
        complete: impl FnOnce(Request) -> Request,
    ) -> io::Result<Response> {
        if self.is_over.is_some_and(|is_over| is_over.load(Ordering::Relaxed)) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let address = self.servers[self.chance.below(self.servers.len() as u64) as usize];
        let answer = complete(Request::new(address, method, target)).try_send()?;
        if self.is_balanced && (502..=504).contains(&answer.code()) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if let Some(answers) = self.answers {
            let _ = answers.send(());
        }
        Ok(answer)
    }
}
