//! From keys to paths.

/// Whether a key, or a prefix of keys, is of the form that `wit/types.wit` states. This is what
/// keeps every path inside the root directory.
pub(crate) fn is_key(key: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed);
    key.split('/').all(is_segment)
}

/// Finds the directory among those that the host gives, and where in it the root directory is: of
/// several that contain it, the one that is nearest.
pub(crate) fn nearest<'a>(given: impl Iterator<Item = &'a str>, root: &str) -> Option<(usize, String)> {
    let root = root.trim_end_matches('/');
    let inside = |(index, path): (usize, &'a str)| {
        let path = path.trim_end_matches('/');
        let rest = root.strip_prefix(path)?;
        (rest.is_empty() || rest.starts_with('/')).then_some((path.len(), index, rest))
    };
    let (_, index, rest) = given.enumerate().filter_map(inside).max_by_key(|(length, ..)| *length)?;
    Some((index, rest.trim_start_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_inside() {
        for key in ["a", "docker/registry/v2/blobs/sha256/ab/data", "_uploads/0-1/data", "a.tmp"] {
            assert!(is_key(key), "{key}");
        }
        for key in
            ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\\b", "a b", "a:b", "ä", "a\0"]
        {
            assert!(!is_key(key), "{key}");
        }
    }

    #[test]
    fn the_nearest_directory_is_taken() {
        let nearest = |given: &[&'static str], root| nearest(given.iter().copied(), root);
        assert_eq!(nearest(&["/var/lib/registry"], "/var/lib/registry/"), Some((0, String::new())));
        assert_eq!(nearest(&["/", "/var/lib"], "/var/lib/registry"), Some((1, "registry".into())));
        assert_eq!(nearest(&["/"], "/var/lib"), Some((0, "var/lib".into())));
        assert_eq!(nearest(&["/var/lib/reg", "/data"], "/var/lib/registry"), None);
        assert_eq!(nearest(&[], "/data"), None);
    }
}
