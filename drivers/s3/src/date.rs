//! Dates: those of signatures, and those that stores answer with.

use lighter_storage::calendar;

/// Seconds since 1970 as `20150830T123600Z`.
pub(crate) fn amz_date(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = calendar::date(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT` as seconds since 1970 (RFC 9110, section 5.6.7).
pub(crate) fn read_http_date(text: &str) -> Option<u64> {
    let mut words = text.split_ascii_whitespace().skip(1);
    let day = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(name).filter(|_| name.len() == 3)?;
    let year = words.next()?.parse().ok()?;
    seconds(year, month as u64 / 3 + 1, day, words.next()?)
}

/// Reads `2015-08-30T12:36:00.000Z` as seconds since 1970.
pub(crate) fn read_iso_date(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut numbers = date.split('-').map(|number| number.parse::<u64>().ok());
    let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
    seconds(year, month, day, time.get(..8)?)
}

/// The seconds to a date and a time such as `08:49:37`.
fn seconds(year: u64, month: u64, day: u64, time: &str) -> Option<u64> {
    let mut numbers = time.split(':').map(|number| number.parse::<u64>().ok());
    let (hour, minute, second) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let is_date = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((calendar::days(year, month, day)? * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read() {
        assert_eq!(amz_date(1_440_938_160), "20150830T123600Z");
        assert_eq!(amz_date(1_709_251_198), "20240229T235958Z");
        assert_eq!(amz_date(0), "19700101T000000Z");
        assert_eq!(read_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(read_http_date("Thu, 29 Feb 2024 23:59:58 GMT"), Some(1_709_251_198));
        assert_eq!(read_iso_date("2015-08-30T12:36:00.000Z"), Some(1_440_938_160));
        assert_eq!(read_iso_date("1970-01-01T00:00:00Z"), Some(0));
        for wrong in ["", "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT", "a b c d e f"] {
            assert_eq!(read_http_date(wrong), None, "{wrong}");
        }
        for wrong in ["", "2015-08-30", "2015-08T12:36:00", "2015-13-30T12:36:00.000Z", "T"] {
            assert_eq!(read_iso_date(wrong), None, "{wrong}");
        }
    }
}
