//! The time of day, as distribution writes it.

use std::time::{SystemTime, UNIX_EPOCH};

use lighter_storage::calendar;

/// Returns the time now: RFC 3339 in UTC, to the second.
pub fn now() -> String {
    rfc3339(seconds())
}

/// Returns the time now, in seconds since 1970.
pub fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Writes a number of seconds since 1970: RFC 3339 in UTC.
pub fn rfc3339(seconds: u64) -> String {
    let (year, month, day) = calendar::date(seconds / 86_400);
    let time = seconds % 86_400;
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads a time that [`rfc3339`] has written, as seconds since 1970. Returns `None` for another text, and for a time before
/// 1970.
pub fn parse(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    if !is_rfc3339(text) {
        return None;
    }
    let days = calendar::days(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Whether a text has the form that [`rfc3339`] writes.
pub fn is_rfc3339(text: &str) -> bool {
    text.len() == 20
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            19 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_762_829_850, "2025-11-11T02:57:30Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
            assert!(is_rfc3339(text));
            assert_eq!(parse(text), Some(seconds));
        }
        assert_eq!(parse("1969-12-31T23:59:59Z"), None);
        for text in
            ["", "2025-11-11", "2025-11-11T02:57:30+01:00", "2025-11-11 02:57:30Z", "yesterday, at about 3"]
        {
            assert!(!is_rfc3339(text), "{text}");
        }
    }
}
