//! What the store can do: whether a condition on a write or on a copy counts, and whether a payload must have the hash that
//! is signed.
//!
//! Some stores ignore either, and answer as if they did not. So it is tried once, and the result is stored in the bucket,
//! with the name of what was tried: a bucket may be copied to another store.

use crate::client::{Call, Client, Payload, Result};
use crate::copy::{CONDITION, CONDITION_IN_CEPH};
use crate::error::Failure;
use crate::host::Host;
use crate::sign::sha256;

/// Where the result is stored.
const STORE: &str = "lighter/store";

/// What a store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Whether a PUT with `If-None-Match: *` or `If-Match` is refused where the condition does not hold. In Ceph it never holds of
    /// a tag with its quotes.
    pub(crate) writes: Condition,
    /// A payload is refused that does not have the SHA-256 which is signed.
    pub(crate) checks_payload: bool,
    /// Whether a copy is refused if its source is another object than was meant. In Ceph the condition has another name, and a
    /// copy of a part knows none.
    pub(crate) copies: Condition,
}

/// Whether a condition counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Counts,
    /// It does in the way that Ceph has.
    AsInCeph,
    Ignored,
}

impl Condition {
    /// The name that it has in the result.
    const fn name(self) -> &'static str {
        match self {
            Self::Counts => "true",
            Self::AsInCeph => "ceph",
            Self::Ignored => "false",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Counts, Self::AsInCeph, Self::Ignored].into_iter().find(|condition| condition.name() == name)
    }
}

impl<H: Host> Client<H> {
    /// Returns what the store can do. It takes a request the first time, and a few more the first time for a bucket.
    pub(crate) fn abilities(&self) -> Result<Abilities> {
        if let Some(abilities) = self.abilities.get() {
            return Ok(*abilities);
        }
        let known = match self.call(&Call::new("GET", STORE)) {
            Ok(answer) => self.known(&answer.text()),
            Err(failure) if failure.is_absence() => None,
            Err(failure) => return Err(failure),
        };
        let found = match known {
            Some(known) => known,
            None => self.find_out()?,
        };
        Ok(*self.abilities.get_or_init(|| found))
    }

    /// Whether conditions count, without a request if the operator says so.
    pub(crate) fn is_conditional(&self) -> Result<bool> {
        match self.config.conditional {
            Some(conditional) => Ok(conditional),
            None => Ok(self.abilities()?.writes != Condition::Ignored),
        }
    }

    /// What was tried.
    fn place(&self) -> String {
        format!("{} {}", self.config.endpoint.authority, self.config.bucket)
    }

    fn known(&self, text: &str) -> Option<Abilities> {
        let mut lines = text.lines();
        if lines.next()? != self.place() {
            return None;
        }
        let mut flag = |name: &str| Condition::named(lines.next()?.strip_prefix(name)?);
        let writes = flag("conditional-writes=")?;
        let checks_payload = flag("checks-payload=")? == Condition::Counts;
        let copies = flag("conditional-copies=")?;
        Some(Abilities { writes, checks_payload, copies })
    }

    fn find_out(&self) -> Result<Abilities> {
        let key = format!("lighter/probe-{}", self.nonce());
        let found = self.probe(&key);
        let removed = self.call(&Call::new("DELETE", &key));
        let found = found?;
        removed?;
        let Abilities { writes, checks_payload, copies } = found;
        let (writes, copies) = (writes.name(), copies.name());
        let text = format!(
            "{}\nconditional-writes={writes}\nchecks-payload={checks_payload}\nconditional-copies={copies}\n",
            self.place()
        );
        self.call(&Call::put(STORE, text.into_bytes()))?;
        Ok(found)
    }

    fn probe(&self, key: &str) -> Result<Abilities> {
        let put = |content: &str| Call::put(key, content.as_bytes().to_vec());
        let wrong = "\"00000000000000000000000000000000\"";
        let lies = put("one thing").payload(Payload::Given(sha256(b"another")));
        let checks_payload = self.is_refused(&lies)?;
        let absent = self.is_refused(&put("").header("if-match", wrong))?;
        let etag = self.call(&put("probe"))?.etag();
        let counts = absent
            && self.is_refused(&put("second").header("if-none-match", "*"))?
            && self.is_refused(&put("third").header("if-match", wrong))?;
        let is_refused = |etag: &str| self.is_refused(&put("fourth").header("if-match", etag));
        let writes = match counts {
            true if !is_refused(&etag)? => Condition::Counts,
            true if !is_refused(etag.trim_matches('"'))? => Condition::AsInCeph,
            _ => Condition::Ignored,
        };
        // A copy that is made after all is replaced by the result.
        let is_refused = |condition| {
            self.is_refused(&Call::new("PUT", STORE).copying(&self.copy_source(key)).header(condition, wrong))
        };
        let copies = match is_refused(CONDITION)? {
            true => Condition::Counts,
            false if is_refused(CONDITION_IN_CEPH)? => Condition::AsInCeph,
            false => Condition::Ignored,
        };
        Ok(Abilities { writes, checks_payload, copies })
    }

    /// Whether the store refuses a request.
    fn is_refused(&self, call: &Call) -> Result<bool> {
        let is_refusal =
            |failure: &Failure| failure.is_refusal() && !failure.is("NoSuchBucket") && !is_forbidden(failure);
        match self.call(call) {
            Ok(_) => Ok(false),
            Err(failure) if is_refusal(&failure) => Ok(true),
            Err(failure) => Err(failure),
        }
    }
}

/// Whether a key has no right to something, which says nothing of the store.
fn is_forbidden(failure: &Failure) -> bool {
    matches!(failure.cause, crate::error::Cause::Refused { status: 401 | 403, .. })
}
