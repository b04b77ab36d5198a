//! The driver over a disk that loses power, and one whose calls fail.

mod choices;
mod client;
mod cuts;
mod explored;
mod faults;
mod leases;
mod listing;
mod model;
mod tidying;
