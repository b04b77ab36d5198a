//! Each call of recorded sessions fails once, the client goes on, and then the power goes.

use lighter_storage::{Storage, Upload};

use super::choices::each;
use super::client::{Client, Step, Then, blob, storage};
use super::cuts::{calls, check_outcomes, disk, sessions};
use super::model::{Event, Names};
use crate::disk::Code;

/// Fails a call of a session, and has the power cut some calls later, or at the end.
fn fails(name: &str, steps: &[Step], call: usize, code: Code, then: Then, cut: Option<usize>) {
    let disk = disk(Names::Independent);
    disk.at(call, Event::Fail(code));
    if let Some(later) = cut {
        disk.at(call + later, Event::Cut);
    }
    let mut client = Client::new(&disk);
    client.run(steps, then);
    let what = disk.calls().get(call).cloned().unwrap_or_default();
    let why = format!("{name}: {what} (call {call}) fails with {code:?}, then {then:?}, cut after {cut:?}");
    check_outcomes(&client, &disk, 12, call, &why);
}

#[test]
fn whichever_call_fails_nothing_acknowledged_is_lost() {
    for (name, steps) in sessions() {
        for call in calls(&steps, Names::Independent) {
            for then in [Then::Repeat, Then::Believe] {
                for cut in [None, Some(1), Some(2), Some(4), Some(8), Some(16), Some(32)] {
                    fails(name, &steps, call, Code::Io, then, cut);
                }
                for code in
                    [Code::InsufficientSpace, Code::ReadOnly, Code::Access, Code::Other("interrupted")]
                {
                    fails(name, &steps, call, code, then, None);
                }
            }
        }
    }
}

/// The same where the disk is slow: each call takes longer than a lease lasts, and no other writer is there.
#[test]
fn whichever_call_takes_long_everything_is_done() {
    for (name, steps) in sessions() {
        for call in calls(&steps, Names::Independent) {
            let disk = disk(Names::Independent);
            disk.at(call, Event::Stall(60));
            let mut client = Client::new(&disk);
            client.run(&steps, Then::Repeat);
            check_outcomes(&client, &disk, 4, call, &format!("{name}: call {call} takes long"));
            let left = disk.files().into_iter().filter(|file| file.contains(".tmp"));
            assert_eq!(left.collect::<Vec<_>>(), [""; 0], "{name}");
        }
    }
}

/// What is stored wrongly, with the right length, is replaced by a push of the same bytes.
#[test]
fn a_push_replaces_a_blob_that_is_damaged() {
    let disk = disk(Names::Independent);
    let storage = storage(&disk);
    storage.put("blobs/ab/data", &[0; 12]).unwrap();
    let mut writer = storage.create_upload("up/1/data").unwrap();
    writer.append(b"twelve bytes").unwrap();
    writer.commit("blobs/ab/data").unwrap();
    each(100, 0, |choices| {
        let there = blob(&super::client::storage(&disk.after_cut(choices)), "blobs/ab/data").unwrap();
        assert_eq!(there.as_deref(), Some(&b"twelve bytes"[..]));
    });
}

/// However long ago the bytes came that it is made of, and whether it was there before.
#[test]
fn a_blob_is_as_old_as_its_publication() {
    let disk = disk(Names::InOrder);
    let storage = storage(&disk);
    let age = || storage.stat("blobs/ab/data").unwrap().unwrap().age;
    for _ in 0..2 {
        let mut upload = storage.create_upload("up/1/data").unwrap();
        upload.append(b"content").unwrap();
        upload.suspend(&[]).unwrap();
        disk.pass(1_000);
        storage.open_upload("up/1/data").unwrap().commit("blobs/ab/data").unwrap();
        assert_eq!(age(), Some(0));
        disk.pass(9);
        assert_eq!(age(), Some(9));
    }
    storage.put("blobs/ab/data", b"content").unwrap();
    assert_eq!(age(), Some(0));
    disk.set_back(100);
    assert_eq!(age(), Some(0));
}
