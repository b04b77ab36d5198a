//! Several writers of one upload, whose requests meet the store in an order that a seed decides, with pauses longer than
//! a hold, answers that are lost, and requests that arrive a second time, late. Every blob is what its digest says.

use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use lighter_fetch::{Error, Fetch, Request, Response};
use lighter_s3_store::Options;
use lighter_storage::{Error as StorageError, Result, Storage, Stream, Upload};

use super::bench::{Bench, Landed};
use super::chance::{Chance, seeds};
use crate::host::Host;
use crate::settings::Config;
use crate::sign::sha256;
use crate::storage::S3;

const ID: &str = "up/1/data";

/// The size of a part, in bytes: small, so that writers soon have several.
const CHUNK: u64 = 16;

const WRITERS: usize = 3;

/// How often each writer turns to the upload.
const TURNS: usize = 5;

/// Who may send a request.
#[derive(Default)]
struct Baton {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    turn: Option<usize>,
    waiting: Vec<usize>,
    ended: usize,
}

impl Baton {
    /// Waits for a writer's turn, does something, and gives the turn back.
    fn take<T>(&self, writer: usize, act: impl FnOnce() -> T) -> T {
        let mut state = self.state.lock().unwrap();
        state.waiting.push(writer);
        self.changed.notify_all();
        while state.turn != Some(writer) {
            state = self.changed.wait(state).unwrap();
        }
        let done = act();
        state.turn = None;
        done
    }

    fn end(&self) {
        self.state.lock().unwrap().ended += 1;
        self.changed.notify_all();
    }

    /// Gives the turn to one writer after the other, until all have ended.
    fn pass(&self, chance: &mut Chance, bench: &Bench) {
        loop {
            let mut state = self.state.lock().unwrap();
            while state.turn.is_some() || state.waiting.len() + state.ended < WRITERS {
                state = self.changed.wait(state).unwrap();
            }
            if state.waiting.is_empty() {
                return;
            }
            if chance.once_in(12) {
                bench.pass([1, 16, 31, 46, 100][chance.below(5)]);
            }
            let next = chance.below(state.waiting.len());
            // Who was first to wait need not be the first of the list.
            state.waiting.sort_unstable();
            state.turn = Some(state.waiting.remove(next));
            self.changed.notify_all();
        }
    }
}

/// A writer's machine.
#[derive(Clone)]
struct Machine {
    bench: Bench,
    baton: Arc<Baton>,
    writer: usize,
    chance: Arc<Mutex<Chance>>,
    /// Requests that will arrive once more.
    late: Arc<Mutex<Vec<Request>>>,
}

impl Machine {
    fn config(&self) -> Config {
        Config { chunk: CHUNK, copy_threshold: 64, copy_chunk: 32, ..self.bench.config() }
    }

    fn meet(&self, request: &Request) -> std::result::Result<Response, Error> {
        let landed = self.bench.start(request)?;
        lighter_fetch::Flight::wait(landed)
    }
}

impl Host for Machine {
    type Fetch = Self;

    fn fetch(&self) -> &Self {
        self
    }

    fn now(&self) -> u64 {
        self.bench.now()
    }

    fn pause(&self, _: Duration) {}

    fn draw(&self) -> u128 {
        self.bench.draw()
    }
}

impl Fetch for Machine {
    type Flight = Landed;

    fn start(&self, request: &Request) -> std::result::Result<Landed, Error> {
        self.baton.take(self.writer, || {
            let chance = &mut *self.chance.lock().unwrap();
            let lost = || Err(Error::Broken("a test".to_owned()));
            let mut late = self.late.lock().unwrap();
            if chance.once_in(10) && !late.is_empty() {
                let index = chance.below(late.len());
                let request = late.swap_remove(index);
                drop(self.meet(&request));
            }
            if chance.once_in(15) {
                late.push(request.clone());
            }
            match chance.below(25) {
                0 => lost(),
                1 => {
                    drop(self.meet(request));
                    lost()
                }
                _ => self.bench.start(request),
            }
        })
    }

    fn send(&self, _: &Request, _: &mut dyn Stream, _: u64) -> std::result::Result<Response, Error> {
        Err(Error::Denied("not in these tests".to_owned()))
    }
}

/// The key of a note about so many bytes, as the registry has one for a hash. Here it is these bytes themselves.
fn note(offset: u64) -> String {
    format!("up/1/notes/{offset}")
}

/// All bytes of an upload, as its writer believes them to be.
fn believed(upload: &mut impl Upload) -> Result<Vec<u8>> {
    let offset = upload.offset();
    if offset == 0 {
        return Ok(Vec::new());
    }
    if let Some(noted) = upload.note(&note(offset))? {
        assert_eq!(noted.len() as u64, offset);
        return Ok(noted);
    }
    let (mut content, mut bytes) = (upload.read()?, Vec::new());
    while let Some(more) = content.next().map_err(StorageError::Other)? {
        bytes.extend(more);
    }
    match bytes.len() as u64 == offset {
        true => Ok(bytes),
        false => Err(StorageError::Other("the upload is not as long as it says".to_owned())),
    }
}

/// What a client does with the upload in one request.
fn write(machine: &Machine) -> Result<()> {
    let driver = S3::new(machine.config(), machine.clone());
    let mut upload = driver.open_upload(ID)?;
    let mut bytes = believed(&mut upload)?;
    let draw = |limit| machine.chance.lock().unwrap().below(limit);
    for _ in 0..draw(3) {
        let more = vec![b'a' + (machine.writer * 8 + draw(8)) as u8; draw(40)];
        if let Err(error) = upload.append(&more) {
            // As the registry does it: without the rest, if that can be.
            let _ = upload.cut(bytes.len() as u64);
            if upload.offset() == bytes.len() as u64 {
                upload.suspend(&[(note(bytes.len() as u64), bytes)])?;
            }
            return Err(error);
        }
        bytes.extend(more);
    }
    if draw(8) == 0 {
        let kept = draw(bytes.len() + 1);
        upload.cut(kept as u64)?;
        bytes.truncate(kept);
    }
    match draw(10) {
        0 => upload.commit(&format!("blobs/{}", sha256(&bytes))),
        1 => upload.abort(),
        2 => {
            // Its machine is gone.
            core::mem::forget(upload);
            Ok(())
        }
        _ => upload.suspend(&[(note(bytes.len() as u64), bytes)]),
    }
}

fn explore(seed: u64, options: &Options) -> usize {
    let bench = Bench::of_parts(options.clone(), CHUNK as usize);
    let chance = Arc::new(Mutex::new(Chance::new(seed)));
    let mut first =
        S3::new(Config { chunk: CHUNK, ..bench.config() }, bench.clone()).create_upload(ID).unwrap();
    first.append(b"the first bytes of an upload").unwrap();
    let bytes = b"the first bytes of an upload".to_vec();
    first.suspend(&[(note(bytes.len() as u64), bytes)]).unwrap();
    let (baton, late) = (Arc::new(Baton::default()), Arc::new(Mutex::new(Vec::new())));
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let machine = Machine {
                bench: bench.clone(),
                baton: Arc::clone(&baton),
                writer,
                chance: Arc::clone(&chance),
                late: Arc::clone(&late),
            };
            scope.spawn(move || {
                for _ in 0..TURNS {
                    // What fails is told to a client. Here only blobs count.
                    let _ = write(&machine);
                }
                machine.baton.end();
            });
        }
        baton.pass(&mut Chance::new(!seed), &bench);
    });
    let mut blobs = 0;
    for key in bench.store.keys() {
        let Some(digest) = key.strip_prefix("some/root/blobs/") else { continue };
        let content = bench.store.object(&key).unwrap();
        assert_eq!(sha256(&content), digest, "seed {seed}: {}", String::from_utf8_lossy(&content));
        blobs += 1;
    }
    blobs
}

#[test]
fn every_blob_is_what_its_digest_says() {
    for (conditional_writes, conditional_copies, is_ceph) in [
        (true, true, false),
        (false, true, false),
        (false, false, false),
        (true, true, true),
        (false, true, true),
    ] {
        let options = Options { conditional_writes, conditional_copies, is_ceph, ..Options::default() };
        let blobs: usize = seeds(300).map(|seed| explore(seed, &options)).sum();
        assert!(blobs > 0, "no schedule led to a blob");
        println!("writes {conditional_writes}, copies {conditional_copies}, Ceph {is_ceph}: {blobs} blobs");
    }
}
