//! A moment as people write it.

use core::fmt;

/// Seconds since 1970, shown as date and time of day in universal time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub u64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC"
        )
    }
}

/// Year, month and day of a day counted from 1970. Years are reckoned from March, so that the day that
/// some have is their last.
fn civil(days: u64) -> (u64, u64, u64) {
    // From the first of March of the year 0: 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 153 days in every five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::{Date, civil};

    #[test]
    fn days_have_names() {
        assert_eq!(format!("{}", Date(0)), "1970-01-01 00:00:00 UTC");
        assert_eq!(format!("{}", Date(951_782_399)), "2000-02-28 23:59:59 UTC");
        assert_eq!(format!("{}", Date(951_782_400)), "2000-02-29 00:00:00 UTC");
        assert_eq!(
            format!("{}", Date(2_085_978_496)),
            "2036-02-07 06:28:16 UTC"
        );
    }

    #[test]
    fn every_day_comes_behind_the_one_before() {
        let every = |year: u64, years| year.is_multiple_of(years);
        let is_leap = |year| every(year, 4) && (!every(year, 100) || every(year, 400));
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..200_000 {
            assert_eq!(civil(days), (year, month, day));
            let length = match month {
                2 if is_leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
