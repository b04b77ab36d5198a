//! Collections over storage in memory: in every order with other requests, and over all kinds of stores.

mod calls;
mod explored;
mod found;
mod retained;
mod steps;
pub(crate) mod stores;
mod world;

use crate::name::Name;

fn name(name: &str) -> Name {
    Name::parse(name).unwrap()
}
