//! Each request of what a driver does fails in each way.

use std::sync::Arc;

use lighter_s3_store::Fault;
use lighter_storage::{Error, Result, Storage, Upload};

use super::bench::{Bench, CHUNK};

const ID: &str = "up/1/data";
const BLOB: &str = "blobs/1/data";

/// A push of a layer in two requests, and a manifest.
fn push(bench: &Bench, content: &[u8]) -> Result<()> {
    let driver = bench.driver();
    let (first, rest) = content.split_at(content.len() / 2);
    let mut upload = driver.create_upload(ID)?;
    upload.append(first)?;
    upload.suspend(&[("up/1/note".to_owned(), b"note".to_vec())])?;
    let mut upload = driver.open_upload(ID)?;
    upload.append(rest)?;
    upload.commit(BLOB)?;
    driver.create("secret", b"secret")?;
    driver.set("link", b"link")?;
    driver.delete_prefix("up/1")
}

fn content() -> Vec<u8> {
    (0..3 * CHUNK + 11).map(|at| (at ^ (at >> 9)) as u8).collect()
}

fn stored(bench: &Bench, key: &str) -> Option<Vec<u8>> {
    bench.store.object(&format!("some/root/{key}"))
}

/// The requests of a push.
fn requests(conditional: bool) -> Vec<String> {
    let bench = Bench::with_conditions(conditional);
    push(&bench, &content()).unwrap();
    bench.store.take_log()
}

/// What passes is not seen.
#[test]
fn one_fault_changes_nothing() {
    let passing = Fault::ALL.into_iter().filter(|fault| *fault != Fault::Full);
    for conditional in [true, false] {
        for fault in passing.clone() {
            for (after, request) in requests(conditional).iter().enumerate() {
                // What a store begins to answer before it knows changes something.
                let is_change = request.starts_with("PUT") || request.starts_with("POST");
                if fault == Fault::ErrorInside && !is_change {
                    continue;
                }
                let bench = Bench::with_conditions(conditional);
                let content = content();
                bench.store.fail(after, fault);
                let pushed = push(&bench, &content);
                assert_eq!(pushed, Ok(()), "{fault:?} of request {after}: {:?}", bench.store.take_log());
                assert!(stored(&bench, BLOB).unwrap() == content, "{fault:?} of request {after}");
                assert_eq!(stored(&bench, "secret").unwrap(), b"secret", "{fault:?} of request {after}");
                assert_eq!(stored(&bench, "up/1/data.state"), None, "{fault:?} of request {after}");
            }
        }
    }
}

/// What does not pass is told, nothing is half done, and the client can go on.
#[test]
fn a_store_that_goes_on_failing_is_told() {
    for (fault, code) in [
        (Fault::Unavailable, "503 SlowDown"),
        (Fault::Internal, "500 InternalError"),
        (Fault::Reset, "reset"),
        (Fault::Stalled, "no answer in time"),
        (Fault::Full, "507"),
    ] {
        for after in 0..requests(true).len() {
            let bench = Bench::with_conditions(true);
            let content = content();
            for further in 0..100 {
                bench.store.fail(after + further, fault);
            }
            match push(&bench, &content) {
                Err(Error::NoSpace(text)) => assert!(fault == Fault::Full && text.contains(code), "{text}"),
                Err(Error::AccessDenied(text)) => assert!(text.contains(code), "{text}"),
                other => panic!("{fault:?} from request {after} on: {other:?}"),
            }
            bench.store.stop_failing();
            assert!(stored(&bench, BLOB).is_none_or(|blob| blob == content), "{fault:?} from {after} on");
            // By now a writer that could not let go has lost its hold.
            bench.pass(46);
            bench.driver().delete_prefix("up/1").unwrap();
            push(&bench, &content).unwrap();
            assert!(stored(&bench, BLOB).unwrap() == content);
        }
    }
}

#[test]
fn a_clock_that_is_wrong_is_corrected() {
    for ahead in [-100_000, 100_000] {
        let bench = Bench::with_conditions(true);
        bench.store.set_ahead(ahead);
        let driver = bench.driver();
        driver.set("a/value", b"value").unwrap();
        bench.store.take_log();
        assert_eq!(driver.get("a/value"), Ok(Some(b"value".to_vec())));
        // It is known now.
        assert_eq!(bench.store.take_log().len(), 1);
        // A URL for a client is good, too.
        let url = driver.location("a/value").unwrap().unwrap();
        let target = url.strip_prefix("http://store").unwrap().to_owned();
        let headers = vec![("host".to_owned(), "store".to_owned())];
        let method = "GET".to_owned();
        let request = lighter_s3_store::Request { method, target, headers, body: Arc::default() };
        assert_eq!(bench.store.answer(&request).status, 200);
    }
}

#[test]
fn an_error_says_what_to_do() {
    let bench = Bench::with_conditions(true);
    let error = |change: &dyn Fn(&mut crate::settings::Config)| {
        let mut config = bench.config();
        change(&mut config);
        crate::storage::S3::new(config, bench.clone()).get("a/value").unwrap_err()
    };
    let denied = |error: Error, told: &str| match error {
        Error::AccessDenied(text) => {
            assert!(text.contains(told), "{text}");
            assert!(!text.contains("secret+") && !text.contains("Signature="), "{text}");
        }
        other => panic!("{other:?}"),
    };
    denied(error(&|config| config.signer.secret_key = "x".to_owned()), "check the secret key");
    denied(error(&|config| config.signer.access_key = "x".to_owned()), "InvalidAccessKeyId");
    denied(error(&|config| config.endpoint.path = "/elsewhere/".to_owned()), "create the bucket");
    let other_region = error(&|config| config.signer.region = "there".to_owned());
    assert!(
        matches!(&other_region, Error::Other(text) if text.contains("expecting the scope")),
        "{other_region}"
    );
}

/// Each of several that are asked for at once is what it is alone, in their order, whichever request fails first.
#[test]
fn several_at_once_are_what_each_is() {
    let keys: Vec<String> = (0..40).map(|number| format!("values/{number}")).collect();
    // A read has no error inside: what is read may have anything inside.
    let passing = |fault: &Fault| !matches!(fault, Fault::Full | Fault::ErrorInside);
    for fault in Fault::ALL.into_iter().filter(passing) {
        let bench = Bench::with_conditions(true);
        let driver = bench.driver();
        for (number, key) in keys.iter().enumerate().filter(|(number, _)| number % 3 > 0) {
            driver.set(key, &vec![b'v'; number]).unwrap();
        }
        let alone: Vec<_> = keys.iter().map(|key| driver.get(key).unwrap()).collect();
        bench.store.fail(7, fault);
        assert!(driver.get_all(&keys).unwrap() == alone, "{fault:?}");
        bench.store.fail(7, fault);
        let infos = driver.stat_all(&keys).unwrap().into_iter();
        let sizes: Vec<_> = infos.map(|info| info.map(|info| info.size)).collect();
        let expected: Vec<_> =
            alone.iter().map(|value| value.as_ref().map(|value| value.len() as u64)).collect();
        assert_eq!(sizes, expected, "{fault:?}");
    }
    let invalid = [keys[0].clone(), "../x".to_owned()];
    let driver = Bench::with_conditions(true).driver();
    assert!(driver.get_all(&invalid).is_err(), "a key is checked");
}

/// A value and a blob are asked for at once. Where there is no such value, nothing that the store says of the blob counts.
#[test]
fn a_value_that_is_absent_is_absent_whatever_comes_of_the_blob() {
    let both = |bench: &Bench, key: &str| {
        let driver = bench.driver();
        let (stat, load) = (driver.get_and_stat(key, BLOB), driver.get_and_load(key, BLOB));
        (stat.map(|found| found.map(|(value, info)| (value, info.map(|info| info.size)))), load)
    };
    let bench = Bench::with_conditions(true);
    let driver = bench.driver();
    driver.set("link", b"link").unwrap();
    assert_eq!(
        both(&bench, "link"),
        (Ok(Some((b"link".to_vec(), None))), Ok(Some((b"link".to_vec(), None))))
    );
    driver.put(BLOB, b"blob").unwrap();
    let found = (Ok(Some((b"link".to_vec(), Some(4)))), Ok(Some((b"link".to_vec(), Some(b"blob".to_vec())))));
    assert_eq!(both(&bench, "link"), found);
    bench.store.take_log();
    assert_eq!(both(&bench, "none"), (Ok(None), Ok(None)));
    assert_eq!(bench.store.take_log().len(), 4, "both were asked for, twice");

    for fault in Fault::ALL.into_iter().filter(|fault| *fault != Fault::ErrorInside) {
        // Either request fails once, of which the one for the blob is not repeated where there is no value.
        for after in 0..2 {
            bench.store.fail(after, fault);
            let is_told = fault == Fault::Full && after == 0;
            let absent = driver.get_and_stat("none", BLOB);
            assert!(if is_told { absent.is_err() } else { absent == Ok(None) }, "{fault:?}: {absent:?}");
            if fault != Fault::Full {
                bench.store.fail(after, fault);
                assert_eq!(both(&bench, "link"), found, "{fault:?}");
            }
        }
        // Of a blob that is needed, it is told.
        for after in 1..100 {
            bench.store.fail(after, fault);
        }
        assert!(driver.get_and_stat("link", BLOB).is_err(), "{fault:?}");
        assert!(driver.get_and_load("link", BLOB).is_err(), "{fault:?}");
        bench.store.stop_failing();
    }
    assert!(driver.get_and_stat("link", "../x").is_err() && driver.get_and_load("../x", BLOB).is_err());
}
