//! Parts of times by which they are grouped.

/// A part of a time by which times are grouped. Integers, but for [`Component::Season`] (text),
/// [`Component::IsLeapYear`] (boolean) and [`Component::Date`] (time).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of pandas and of the words of requests")]
pub enum Component {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Microsecond,
    DayOfYear,
    /// 0 is Monday.
    DayOfWeek,
    Quarter,
    Season,
    DaysInMonth,
    IsLeapYear,
    /// Week of ISO 8601.
    Week,
    /// 1 to 366 with 29 February always 60; of 360-day calendars (month − 1)·30 + day.
    MonthDay,
    /// The first year of the decade.
    Decade,
    /// Midnight of the day.
    Date,
}

impl Component {
    /// Every word with what it means.
    pub const WORDS: [(&'static str, Self); 22] = [
        ("year", Self::Year),
        ("month", Self::Month),
        ("day", Self::Day),
        ("hour", Self::Hour),
        ("minute", Self::Minute),
        ("second", Self::Second),
        ("microsecond", Self::Microsecond),
        ("dayofyear", Self::DayOfYear),
        ("day_of_year", Self::DayOfYear),
        ("dayofweek", Self::DayOfWeek),
        ("day_of_week", Self::DayOfWeek),
        ("weekday", Self::DayOfWeek),
        ("quarter", Self::Quarter),
        ("season", Self::Season),
        ("days_in_month", Self::DaysInMonth),
        ("daysinmonth", Self::DaysInMonth),
        ("is_leap_year", Self::IsLeapYear),
        ("week", Self::Week),
        ("weekofyear", Self::Week),
        ("month_day", Self::MonthDay),
        ("decade", Self::Decade),
        ("date", Self::Date),
    ];

    /// The component of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, component)| *component)
    }
}
