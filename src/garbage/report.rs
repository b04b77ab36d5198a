//! What a collection has done so far.

/// What a collection is busy with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Reads the manifests of all repositories.
    #[default]
    References,
    /// Removes links of repositories.
    Links,
    /// Removes aliases of digests.
    Aliases,
    /// Removes content.
    Content,
    /// Removes uploads.
    Uploads,
    /// Nothing: it is over.
    Over,
}

impl Phase {
    /// The phase in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::References => "references",
            Self::Links => "links",
            Self::Aliases => "aliases",
            Self::Content => "content",
            Self::Uploads => "uploads",
            Self::Over => "over",
        }
    }

    /// All phases, in their order.
    pub const ALL: [Self; 6] =
        [Self::References, Self::Links, Self::Aliases, Self::Content, Self::Uploads, Self::Over];
}

/// What a collection has done so far, in all its steps. Of a dry run: what it would have removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What it is busy with.
    pub phase: Phase,
    /// How far it is in that: a repository, a key, or the first digits of a digest. Empty at the beginning.
    pub place: String,
    /// How many repositories were searched for manifests.
    pub repositories: u64,
    /// How many manifests were read, each once for each repository that has it.
    pub manifests: u64,
    /// How many blobs and manifests were removed: their content.
    pub blobs: u64,
    /// How many bytes these had.
    pub bytes: u64,
    /// How many links of repositories to blobs were removed.
    pub links: u64,
    /// How many aliases of digests were removed.
    pub aliases: u64,
    /// How many uploads were removed.
    pub uploads: u64,
    /// How many bytes these had.
    pub upload_bytes: u64,
}

impl Report {
    /// The counts, in the order of their fields.
    pub(super) fn counts(&mut self) -> [&mut u64; 8] {
        [
            &mut self.repositories,
            &mut self.manifests,
            &mut self.blobs,
            &mut self.bytes,
            &mut self.links,
            &mut self.aliases,
            &mut self.uploads,
            &mut self.upload_bytes,
        ]
    }
}
