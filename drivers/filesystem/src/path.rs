//! Where in what the host gives the root directory is.

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
    fn the_nearest_directory_is_taken() {
        let nearest = |given: &[&'static str], root| nearest(given.iter().copied(), root);
        assert_eq!(nearest(&["/var/lib/registry"], "/var/lib/registry/"), Some((0, String::new())));
        assert_eq!(nearest(&["/", "/var/lib"], "/var/lib/registry"), Some((1, "registry".into())));
        assert_eq!(nearest(&["/"], "/var/lib"), Some((0, "var/lib".into())));
        assert_eq!(nearest(&["/var/lib/reg", "/data"], "/var/lib/registry"), None);
        assert_eq!(nearest(&[], "/data"), None);
    }
}
