//! The text of a directory: a line for each name that is directly under a prefix.
//!
//! A name that further pages are under ends in `/`. One that a value is directly under goes on with
//! the value's own, as `name/leaf`. A line that begins with `~` is of what is being deleted. A page whose
//! first line begins with `!` is itself about to be deleted: the line says since when, and by whom. A line
//! `?doubt entry` is shown, and is none for a writer: one who tidies is finding out whether it leads to anything.

const DELETED: &str = "~";
const CLOSED: &str = "!";
const DOUBTED: &str = "?";

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// A page that is about to be deleted, after all that was in it.
    pub(crate) fn closed(by: &str, time: u64, entries: &[String]) -> Self {
        let mut page = Self(format!("{CLOSED}{time} {by}\n"));
        entries.iter().for_each(|entry| page.push(DELETED, entry));
        page
    }

    /// Reads a page. What is no text is no page of ours.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// When the one who has closed it has last shown a sign of life. None if it is open.
    pub(crate) fn closed_at(&self) -> Option<u64> {
        let closed = self.0.lines().next()?.strip_prefix(CLOSED)?;
        closed.split(' ').next()?.parse().ok()
    }

    /// The same closed page, with another sign of life. None if it is open.
    pub(crate) fn renewed(&self, time: u64) -> Option<Self> {
        let (_, by) = self.0.strip_prefix(CLOSED)?.split_once(' ')?;
        Some(Self(format!("{CLOSED}{time} {by}")))
    }

    pub(crate) fn has(&self, entry: &str) -> bool {
        self.0.lines().any(|line| line == entry)
    }

    /// Adds an entry, to a page that is open then. It is no longer doubted.
    pub(crate) fn with(&self, entry: &str) -> Self {
        let is_doubt = |line: &str| doubted(line).is_some_and(|(_, doubted)| doubted == entry);
        let mut page = Self::default();
        let lines = self.0.lines().filter(|line| !line.starts_with(CLOSED) && !is_doubt(line));
        lines.for_each(|line| page.push("", line));
        page.push("", entry);
        page
    }

    /// The names that are prefixes, in byte order.
    pub(crate) fn prefixes(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.live().filter_map(|line| Some(line.split_once('/')?.0)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of the values directly under a name, in byte order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let below = self.live().filter_map(|line| line.strip_prefix(name)?.strip_prefix('/'));
        let mut names: Vec<&str> = below.filter(|value| !value.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &str> {
        let shown = self.0.lines().filter(|line| !line.starts_with(DELETED) && !line.starts_with(CLOSED));
        shown.map(|line| doubted(line).map_or(line, |(_, entry)| entry))
    }

    /// The entries that are doubted by one mark.
    pub(crate) fn doubted(&self, mark: &str) -> impl Iterator<Item = &str> {
        self.0.lines().filter_map(doubted).filter_map(move |(by, entry)| (by == mark).then_some(entry))
    }

    /// Doubts entries that are shown, by a mark that nothing else has.
    pub(crate) fn doubt(&self, mark: &str, which: impl Fn(&str) -> bool) -> Self {
        let mut page = Self::default();
        let shown = |line: &str| doubted(line).map_or(line, |(_, entry)| entry).to_owned();
        self.0.lines().filter(|line| !which(&shown(line))).for_each(|line| page.push("", line));
        let mut doubted: Vec<&str> = self.live().filter(|entry| which(entry)).collect();
        doubted.sort_unstable();
        doubted.dedup();
        doubted.into_iter().for_each(|entry| page.push(&format!("{DOUBTED}{mark} "), entry));
        page
    }

    /// Ends the doubts of a mark: some entries go, and the others are as they were.
    pub(crate) fn settle(&self, mark: &str, goes: impl Fn(&str) -> bool) -> Self {
        let mut page = Self::default();
        for line in self.0.lines() {
            match doubted(line).filter(|(by, _)| *by == mark) {
                None => page.push("", line),
                Some((_, entry)) if goes(entry) || self.has(entry) => {}
                Some((_, entry)) => page.push("", entry),
            }
        }
        page
    }

    /// The entries that are being deleted.
    pub(crate) fn deleted(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter_map(|line| line.strip_prefix(DELETED))
    }

    /// All entries, in any order. One that came again while it was being deleted is there twice.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &str> {
        self.live().chain(self.deleted())
    }

    /// Marks entries as being deleted.
    pub(crate) fn delete(&self, which: impl Fn(&str) -> bool) -> Self {
        let mut page = Self::default();
        self.live().filter(|entry| !which(entry)).for_each(|entry| page.push("", entry));
        let mut gone: Vec<&str> = self.live().filter(|entry| which(entry)).chain(self.deleted()).collect();
        gone.sort_unstable();
        gone.dedup();
        gone.into_iter().for_each(|entry| page.push(DELETED, entry));
        page
    }

    /// Forgets entries that were deleted.
    pub(crate) fn forget(&self, which: impl Fn(&str) -> bool) -> Self {
        let keeps = |line: &&str| !line.strip_prefix(DELETED).is_some_and(&which);
        let mut page = Self::default();
        self.0.lines().filter(keeps).for_each(|line| page.push("", line));
        page
    }

    fn push(&mut self, mark: &str, entry: &str) {
        for part in [mark, entry, "\n"] {
            self.0.push_str(part);
        }
    }
}

/// The mark and the entry of a line that is doubted.
fn doubted(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix(DOUBTED)?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_doubted_is_shown_and_no_writer_counts_on_it() {
        let page =
            Page::default().with("a/link").with("b/link").with("c/").doubt("me", |entry| entry != "c/");
        assert!(!page.has("a/link") && page.has("c/"));
        assert_eq!(page.prefixes(), ["a", "b", "c"]);
        assert_eq!(page.values("a"), ["link"]);
        assert_eq!(page.doubted("me").collect::<Vec<_>>(), ["a/link", "b/link"]);
        // Others doubt it too, or store it again, or delete it.
        let other = page.doubt("you", |entry| entry == "a/link").with("b/link");
        assert_eq!(other.doubted("me").count(), 0);
        assert!(other.settle("me", |_| true).has("b/link"));
        assert_eq!(page.settle("me", |entry| entry == "a/link").values("a"), [""; 0]);
        assert!(page.settle("me", |entry| entry == "a/link").has("b/link"));
        let deleted = page.delete(|entry| entry == "a/link");
        assert_eq!(deleted.deleted().collect::<Vec<_>>(), ["a/link"]);
        assert_eq!(deleted.doubted("me").count(), 0);
    }

    #[test]
    fn entries_come_and_go() {
        let page = Page::default().with("b/").with("b-c/").with("link");
        assert!(page.has("b/") && !page.has("b") && !page.has("c"));
        assert_eq!(page.prefixes().into_iter().collect::<Vec<_>>(), ["b", "b-c"]);
        assert_eq!(page.clone().with("b/y").with("b/x").with("b-c/z").values("b"), ["x", "y"]);
        let page = page.delete(|entry| entry == "b/");
        assert!(!page.has("b/") && page.has("link"));
        assert_eq!(page.deleted().collect::<Vec<_>>(), ["b/"]);
        // It came again while it was being deleted.
        let page = page.with("b/").forget(|entry| entry == "b/");
        assert!(page.has("b/"));
        assert_eq!(page.deleted().count(), 0);
        assert_eq!(page.delete(|_| true).forget(|_| true), Page::default());
    }

    #[test]
    fn a_closed_page_shows_nothing_and_tells_what_is_to_be_deleted() {
        let closed = Page::closed("me", 7, &["a/".to_owned(), "b/link".to_owned()]);
        assert_eq!(closed.prefixes().len(), 0);
        assert_eq!(closed.live().count(), 0);
        assert!(!closed.has("a/"));
        assert_eq!(closed.deleted().collect::<Vec<_>>(), ["a/", "b/link"]);
        let open = closed.clone().with("a/");
        assert!(open.has("a/") && open.closed_at().is_none());
        assert_eq!(open.deleted().collect::<Vec<_>>(), ["a/", "b/link"]);
        let renewed = closed.renewed(9).unwrap();
        assert!(renewed.closed_at() == Some(9) && renewed.deleted().eq(closed.deleted()));
        assert_eq!(renewed.renewed(7).as_ref(), Some(&closed));
        assert_eq!(Page::read(&closed.into_bytes()).closed_at(), Some(7));
        assert_eq!(Page::read(b"!\n").closed_at(), None);
    }
}
