//! The registry as a client meets it: the shipped component under the real `wasmtime serve`.
//!
//! A test is a request and the answer to it, in full: status, headers, body. Values that vary from run
//! to run are replaced by a name, `<uuid>` or `<state>`. Three things are not printed because they are
//! the same everywhere: `date`, `connection`, and `docker-distribution-api-version`, which the
//! client demands of every answer.
//!
//! `cargo xtask test` builds what they need and runs them. `LIGHTER_WASMTIME` and
//! `LIGHTER_COMPONENT` name another host or component, `LIGHTER_LONG` asks for a layer of 5 GiB.
//! Where an answer is meant to change, `cargo insta review` changes it here.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do the functions that help it"
)]

#[macro_use]
mod skip;

mod chromium;
mod client;
mod content;
mod gallery;
mod images;
mod process;
mod server;

mod access;
mod access_log;
mod answers;
mod base;
mod blobs;
mod browser;
mod catalog;
mod chunks;
mod clients;
mod cluster;
mod cold_pulls;
mod collecting;
mod commands;
mod configuration;
mod conformance;
mod contract;
mod crash;
mod deletes;
mod digests;
mod disk;
mod distribution;
mod faults;
mod fleet;
mod garbage;
mod habits;
mod habits_of_tools;
mod healing;
mod host;
mod immutable_tags;
mod instructions;
mod kinds;
mod left_by_distribution;
mod locations;
mod manifest_checks;
mod manifests;
mod memory;
mod mirror;
mod mirror_clients;
mod mirror_space;
mod mounts;
mod names;
mod objects;
mod one_bucket;
mod pages;
mod paging;
mod purging;
mod referrers;
mod secret;
mod skopeo;
mod small_bodies;
mod state;
mod storage;
mod tables;
mod tags;
mod together;
mod token_server;
mod unproven;
mod uploads;
mod variables;
mod writers;
