//! Several requests at once.

use lighter_fetch::Flight;

use crate::client::{Answer, Call, Client, Failed, FlightOf, Result};
use crate::host::Host;

/// Requests that are under way, each with a tag by which the caller knows it.
pub(crate) struct Batch<H: Host> {
    flights: Vec<FlightOf<H>>,
    calls: Vec<(usize, Call)>,
}

impl<H: Host> Batch<H> {
    pub(crate) fn new() -> Self {
        Self { flights: Vec::new(), calls: Vec::new() }
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Begins a request. If it cannot even begin, it is sent again at once, which may take a while.
    pub(crate) fn start(
        &mut self,
        client: &Client<H>,
        tag: usize,
        call: Call,
    ) -> Option<core::result::Result<Answer, Failed>> {
        match client.begin(&call) {
            Ok(flight) => {
                self.flights.push(flight);
                self.calls.push((tag, call));
                None
            }
            failed @ Err(_) => Some(client.finish(&call, failed)),
        }
    }

    /// Sends what goes without waiting.
    pub(crate) fn pump(&mut self) {
        for flight in &mut self.flights {
            flight.pump();
        }
    }

    /// Waits for whichever is answered first. None if none is under way.
    pub(crate) fn next(
        &mut self,
        client: &Client<H>,
    ) -> Option<(usize, core::result::Result<Answer, Failed>)> {
        if self.flights.is_empty() {
            return None;
        }
        let index = FlightOf::<H>::first(&mut self.flights);
        let (tag, call) = self.calls.swap_remove(index);
        let flight = self.flights.swap_remove(index);
        Some((tag, client.finish(&call, Ok(flight))))
    }
}

/// Sends requests, so many at once, and returns their answers in the order of the requests. Each is sent, whatever comes of
/// the others.
pub(crate) fn all<H: Host>(
    client: &Client<H>,
    calls: impl IntoIterator<Item = Call>,
    at_once: usize,
) -> Vec<Result<Answer>> {
    let mut batch = Batch::new();
    let mut answers: Vec<Option<Result<Answer>>> = Vec::new();
    let mut calls = calls.into_iter();
    loop {
        while batch.len() < at_once {
            let Some(call) = calls.next() else { break };
            let tag = answers.len();
            answers
                .push(batch.start(client, tag, call).map(|failed| failed.map_err(|failed| failed.failure)));
        }
        let Some((tag, answer)) = batch.next(client) else {
            return answers.into_iter().flatten().collect();
        };
        if let Some(place) = answers.get_mut(tag) {
            *place = Some(answer.map_err(|failed| failed.failure));
        }
    }
}

/// Sends requests as [`all`] does, and fails with the first failure of any.
pub(crate) fn all_or_none<H: Host>(
    client: &Client<H>,
    calls: impl IntoIterator<Item = Call>,
    at_once: usize,
) -> Result<Vec<Answer>> {
    all(client, calls, at_once).into_iter().collect()
}
