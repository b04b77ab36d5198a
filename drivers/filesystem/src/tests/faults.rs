//! Each call of recorded sessions fails once, the client goes on, and then the power goes.

use super::client::{Client, Step, Then};
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
            for code in [Code::Io, Code::InsufficientSpace] {
                for then in [Then::Repeat, Then::Believe] {
                    for cut in [None, Some(1), Some(2), Some(4), Some(8), Some(16), Some(32)] {
                        fails(name, &steps, call, code, then, cut);
                    }
                }
            }
        }
    }
}
