//! What a store can do to a request instead of answering it rightly.

use crate::Response;

/// What is to go wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503 `SlowDown`, before the body was read, and nothing is done.
    Unavailable,
    /// 500 `InternalError`, and nothing is done.
    Internal,
    /// The connection is reset before anything is done.
    Reset,
    /// All is done, and then the connection is reset.
    Lost,
    /// The answer breaks off in the middle of its body, or of its head if it has no body.
    Truncated,
    /// Nothing comes for so long that the client gives up, and nothing is done.
    Stalled,
    /// 200, and an error in the body; nothing is done.
    ErrorInside,
    /// 507, and nothing is done.
    Full,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unavailable,
        Self::Internal,
        Self::Reset,
        Self::Lost,
        Self::Truncated,
        Self::Stalled,
        Self::ErrorInside,
        Self::Full,
    ];
}

/// What comes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// An answer.
    Answered(Response),
    /// An answer that breaks off.
    Truncated(Response),
    /// The connection is reset.
    Reset,
    /// Nothing, for a long time.
    Stalled,
}
