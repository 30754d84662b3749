//! Counting days: from a date to a number of days and back, by the length of years.
//!
//! Years are astronomical here, with a year 0 before year 1; days are counted from 1 January of year 0.

/// Days before each month of a year of 365 days; of 366 days, one more after February.
const DAYS_BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Which years have a leap day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Years {
    /// Every fourth.
    Julian,
    /// Every fourth, but of full centuries only every fourth.
    Gregorian,
    /// None.
    Days365,
    /// All.
    Days366,
    /// None; twelve months of 30 days.
    Days360,
}

impl Years {
    pub(super) fn is_leap(self, year: i64) -> bool {
        match self {
            Self::Julian => year % 4 == 0,
            Self::Gregorian => year % 4 == 0 && (year % 100 != 0 || year % 400 == 0),
            Self::Days366 => true,
            Self::Days365 | Self::Days360 => false,
        }
    }

    /// Days from 1 January of year 0 to 1 January of `year`.
    fn days_before(self, year: i64) -> i64 {
        // Leap years among the years 0 to `year` - 1 are counted by rounding up: year 0 is one of them.
        let every = |n: i64| -(-year).div_euclid(n);
        match self {
            Self::Julian => 365 * year + every(4),
            Self::Gregorian => 365 * year + every(4) - every(100) + every(400),
            Self::Days365 => 365 * year,
            Self::Days366 => 366 * year,
            Self::Days360 => 360 * year,
        }
    }

    /// Days of a year before 1 `month`, which is 1 to 12.
    pub(super) fn days_before_month(self, year: i64, month: u8) -> i64 {
        let before = usize::from(month.clamp(1, 12)) - 1;
        if self == Self::Days360 {
            return 30 * before as i64;
        }
        DAYS_BEFORE_MONTH[before] + i64::from(month > 2 && self.is_leap(year))
    }

    pub(super) fn days_in_month(self, year: i64, month: u8) -> u8 {
        match month {
            _ if self == Self::Days360 => 30,
            2 => 28 + u8::from(self.is_leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// Days from 1 January of year 0.
    pub(super) fn day_number(self, year: i64, month: u8, day: u8) -> i64 {
        self.days_before(year) + self.days_before_month(year, month) + i64::from(day) - 1
    }

    /// Year, month and day of a number of days from 1 January of year 0.
    pub(super) fn date(self, day_number: i64) -> (i64, u8, u8) {
        let year = self.year(day_number);
        let day_of_year = day_number - self.days_before(year);
        let month = (1..=12).rev().find(|month| self.days_before_month(year, *month) <= day_of_year);
        let month = month.unwrap_or(1);
        let day = day_of_year - self.days_before_month(year, month) + 1;
        (year, month, day as u8)
    }

    fn year(self, day_number: i64) -> i64 {
        let mut year = match self {
            Self::Julian => (4 * day_number).div_euclid(1_461),
            Self::Gregorian => (400 * day_number).div_euclid(146_097),
            Self::Days365 => day_number.div_euclid(365),
            Self::Days366 => day_number.div_euclid(366),
            Self::Days360 => day_number.div_euclid(360),
        };
        // The mean length of years misses by at most one.
        if self.days_before(year) > day_number {
            year -= 1;
        }
        if self.days_before(year + 1) <= day_number {
            year += 1;
        }
        year
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Years; 5] = [Years::Julian, Years::Gregorian, Years::Days365, Years::Days366, Years::Days360];

    #[test]
    fn every_day_of_a_thousand_years_follows_the_day_before() {
        for years in ALL {
            let mut number = years.day_number(-500, 1, 1);
            for year in -500..500 {
                for month in 1..=12 {
                    for day in 1..=years.days_in_month(year, month) {
                        assert_eq!(years.day_number(year, month, day), number, "{years:?}");
                        assert_eq!(years.date(number), (year, month, day), "{years:?}");
                        number += 1;
                    }
                }
            }
        }
    }

    #[test]
    fn five_october_1582_julian_is_fifteen_october_gregorian() {
        let julian = Years::Julian.day_number(1582, 10, 5);

        assert_eq!(julian - super::super::calendar::JULIAN_LAG, Years::Gregorian.day_number(1582, 10, 15));
    }
}
