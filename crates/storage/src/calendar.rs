//! The calendar, for the times that a driver or the registry writes and reads. It is Howard Hinnant's `civil_from_days`, which
//! counts from 1 March of the year 0 in eras of 400 years: so the day that only some years have is the last one.

/// The days from 1 March of the year 0 to 1970.
const DAYS_TO_1970: u64 = 719_468;

/// Days since 1970 as year, month and day.
pub fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// Year, month and day as days since 1970. Returns `None` for a day before that. Whether there is such a day is not checked.
pub fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    days.checked_sub(DAYS_TO_1970 + 1)
}

#[cfg(test)]
mod tests {
    use super::{date, days};

    #[test]
    fn every_day_has_its_date() {
        assert_eq!((date(0), date(59), date(11_016)), ((1970, 1, 1), (1970, 3, 1), (2000, 2, 29)));
        for day in 0..200_000 {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), Some(day));
        }
        assert_eq!((days(1969, 12, 31), days(0, 1, 1)), (None, None));
    }
}
