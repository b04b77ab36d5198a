//! Durations as Go's `time.ParseDuration` reads them, which is how distribution's configuration writes them.

use core::time::Duration;

/// Reads a duration: decimal numbers, each with a unit, such as `168h`, `1h30m` or `1.5s`. The units are `ns`, `us`
/// or `µs`, `ms`, `s`, `m` and `h`. Returns `None` for anything else, for a negative duration and for one beyond 500
/// years.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    match rest {
        "" => return None,
        // Only zero needs no unit.
        "0" => return Some(Duration::ZERO),
        _ => {}
    }
    let mut nanoseconds: u64 = 0;
    while !rest.is_empty() {
        let is_of_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, after) = rest.split_at(rest.find(|c| !is_of_number(c))?);
        let (unit, after) = after.split_at(after.find(is_of_number).unwrap_or(after.len()));
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return None;
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut value = whole.checked_mul(unit)?;
        let mut place = unit;
        for digit in fraction.bytes() {
            place /= 10;
            value = value.checked_add(place * u64::from(digit - b'0'))?;
        }
        nanoseconds = nanoseconds.checked_add(value)?;
        rest = after;
    }
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, milliseconds) in [
            ("168h", 604_800_000),
            ("24h", 86_400_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            (".5m", 30_000),
            ("1m0s", 60_000),
            ("250ms", 250),
            ("1000us", 1),
            ("1000\u{b5}s", 1),
            ("+2s", 2_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "168",
            "h",
            "7d",
            "1w",
            "-1h",
            "1 h",
            "1h ",
            "1h30",
            "one hour",
            ".",
            ".s",
            "1..5s",
            "+",
            "1e3s",
            "nan",
            "99999999h",
            "1\u{b5}",
            "1hh",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
