//! The place where a walk goes on, as a text. Its parts are separated by commas, which are not part of any name, key or
//! digest, and need no encoding in a query.

/// The sums so far, whatever a command counts.
pub(super) type Sums = [u64; 4];

/// The largest sum that is read: 8 PiB, as far as JSON's numbers are whole in every language. It leaves room to count on.
const SUM_MAX: u64 = 1 << 53;

/// Writes a place.
pub(super) fn write(sums: &Sums, parts: &[&str]) -> String {
    let [one, two, three, four] = sums;
    let mut place = format!("{one}.{two}.{three}.{four}");
    for part in parts {
        place.extend([",", part]);
    }
    place
}

/// Reads the sums and the parts of a place. An empty text is the beginning: no sums, and no parts.
pub(super) fn read(place: &str) -> Option<(Sums, Vec<&str>)> {
    if place.is_empty() {
        return Some((Sums::default(), Vec::new()));
    }
    let mut parts = place.split(',');
    let mut written = parts.next()?.split('.');
    let mut sums = Sums::default();
    for sum in &mut sums {
        *sum = written.next()?.parse().ok().filter(|sum| *sum <= SUM_MAX)?;
    }
    written.next().is_none().then(|| (sums, parts.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let place = write(&[1, 2, 0, 4], &["r", "a/b", ""]);
        assert_eq!(place, "1.2.0.4,r,a/b,");
        assert_eq!(read(&place), Some(([1, 2, 0, 4], vec!["r", "a/b", ""])));
        assert_eq!(read(""), Some(([0; 4], vec![])));
        for wrong in ["x", ",", "1.2.3", "1.2.3.4.5,r", "1.2.3.-4,r", "a/b", "9007199254740993.0.0.0,r"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
