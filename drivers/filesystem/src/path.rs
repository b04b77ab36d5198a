//! Where in what the host gives the root directory is.

/// Finds the directory among those that the host gives, and where in it the root directory is: of
/// several that contain it, the one that is nearest.
#[cfg(any(target_family = "wasm", test))] // `host` alone asks
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

/// Whether a file's name is a temporary one, `<name>.<uuid>.tmp`, which distribution's driver uses too.
pub(crate) fn is_temporary(name: &str) -> bool {
    /// The length of a UUID with its hyphens, and of the dot before it.
    const UUID: usize = 1 + 36;
    let stem = name.strip_suffix(".tmp").unwrap_or_default();
    let uuid =
        stem.len().checked_sub(UUID).and_then(|at| stem.get(at..)).and_then(|end| end.strip_prefix('.'));
    uuid.is_some_and(|uuid| {
        uuid.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_known() {
        for name in
            ["link.5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11.tmp", "1.5FD6E8DD-7CF1-4B8D-9F34-1F2B1E9F6C11.tmp"]
        {
            assert!(is_temporary(name), "{name}");
        }
        for name in [
            "",
            "tmp",
            ".tmp",
            "link",
            "link.tmp",
            "5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11.tmp",
            "link.5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11",
            "link.5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c1x.tmp",
            "ä.5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c1ä.tmp",
        ] {
            assert!(!is_temporary(name), "{name}");
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
