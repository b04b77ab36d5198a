//! The content that a client knows to be stored, and the losses that it found.

/// The history of a client: its requests and the results.
#[derive(Default)]
pub(super) struct History {
    /// The digests of the blobs that the registry said it has.
    pub(super) blobs: Vec<String>,
    /// The digests of the manifests that it said it has.
    pub(super) manifests: Vec<String>,
    /// The tag that this client alone moves.
    pub(super) own: Tag,
    /// This client's part in the tag that all clients move.
    pub(super) shared: Tag,
    /// How many of the blobs and manifests were checked before.
    pub(super) checked: (usize, usize),
    /// Blobs that were acknowledged.
    pub(super) pushes: u64,
    /// Manifests that were acknowledged, under each tag.
    pub(super) manifest_pushes: u64,
    /// Uploads that were broken off and then completed.
    pub(super) resumed: u64,
    /// Uploads that were broken off and then cancelled.
    pub(super) cancelled: u64,
    /// Uploads that were broken off when the server had ended them, but not said so.
    pub(super) ended: u64,
    /// The number of checks.
    pub(super) checks: u64,
    /// The checks that failed.
    pub(super) losses: Vec<String>,
}

impl History {
    /// Records a check.
    pub(super) fn expect(&mut self, right: bool, wrong: impl FnOnce() -> String) {
        self.checks += 1;
        if !right {
            self.losses.push(wrong());
        }
    }
}

/// Where a client pointed a tag.
#[derive(Default)]
pub(super) struct Tag {
    /// What was acknowledged last.
    pub(super) last: Option<String>,
    /// What was sent after that, without an answer.
    sent: Vec<String>,
}

impl Tag {
    /// Records what is about to be sent.
    pub(super) fn send(&mut self, digest: &str) {
        self.sent.push(digest.to_owned());
    }

    /// Records that the last request was acknowledged.
    pub(super) fn acknowledge(&mut self) {
        self.last = self.sent.pop();
        self.sent.clear();
    }

    /// Where the tag may point, if no other client moved it.
    pub(super) fn may_be(&self) -> Vec<String> {
        self.last.iter().chain(&self.sent).cloned().collect()
    }
}
