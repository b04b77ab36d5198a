//! Dates, in the two forms that the protocol has.

/// Days since 1970 as year, month and day (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Seconds since 1970 as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let at = usize::try_from(month - 1).unwrap_or_default() * 3;
    let month = names.get(at..at + 3).unwrap_or_default();
    let at = usize::try_from((days + 4).rem_euclid(7)).unwrap_or_default() * 3;
    let weekday = "SunMonTueWedThuFriSat".get(at..at + 3).unwrap_or_default();
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{:02} GMT", second % 60)
}

/// Seconds since 1970 as `2015-08-30T12:36:00.000Z`, which lists have.
pub(crate) fn iso_date(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.000Z", second % 60)
}

/// Reads `20150830T123600Z` as seconds since 1970.
pub(crate) fn read_amz_date(text: &str) -> Option<i64> {
    let number = |range: core::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let fits = text.len() == 16 && text.get(8..9) == Some("T") && text.ends_with('Z');
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    fits.then_some(seconds)
}

/// The inverse of `civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}
