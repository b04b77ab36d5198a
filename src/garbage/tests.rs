//! Collections over storage in memory: in every order with other requests, and over all kinds of stores.

mod calls;
mod explored;
mod found;
mod steps;
mod stores;
mod world;
