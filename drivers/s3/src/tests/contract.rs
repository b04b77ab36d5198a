//! What `wit/` promises, over a store with conditional writes, one without, one like Ceph, and one without any conditions.

use core::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lighter_contract::checks::{Check, OF_EXCLUSION, Party, checks};
use lighter_s3_store::Options;

use super::bench::Bench;
use crate::storage::S3;

/// What takes as long as a hold lasts, and so has time run faster.
const TAKES_A_HOLD: &str = "a-writer-that-stands-still-loses-its-hold";

fn run(bench: &Bench, check: &Check<S3<Bench>>) {
    // Every party is an instance of its own.
    thread::scope(|scope| {
        for number in 0..check.parties {
            let driver = bench.driver();
            scope.spawn(move || (check.run)(&Party::new(&driver, check, number)));
        }
    });
}

fn keeps_the_contract(options: &Options) {
    let left_out = if options.conditional_writes { &[][..] } else { &OF_EXCLUSION };
    let all = checks::<S3<Bench>>();
    thread::scope(|scope| {
        for check in all.iter().filter(|check| !left_out.contains(&check.name)) {
            scope.spawn(move || {
                let bench = Bench::new(options.clone());
                if check.name != TAKES_A_HOLD {
                    return run(&bench, check);
                }
                let is_over = AtomicBool::new(false);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        while !is_over.load(Ordering::SeqCst) {
                            thread::sleep(Duration::from_millis(20));
                            bench.pass(1);
                        }
                    });
                    run(&bench, check);
                    is_over.store(true, Ordering::SeqCst);
                });
            });
        }
    });
}

#[test]
fn a_store_with_conditional_writes_keeps_the_contract() {
    keeps_the_contract(&Options::default());
    keeps_the_contract(&Options { is_ceph: true, ..Options::default() });
}

#[test]
fn a_store_without_conditional_writes_keeps_all_but_some() {
    let options = Options { conditional_writes: false, ..Options::default() };
    keeps_the_contract(&options);
    keeps_the_contract(&Options { conditional_copies: false, ..options });
}
