//! Reading a text from its beginning: what reference dates and dates of requests have in common.

/// The part of a text that has not been read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a>(&'a str);

/// A number as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits<'a>(&'a str);

/// A time of day as it was written. Its numbers are not checked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) microsecond: u32,
    /// Numbers given: 1 for the hour alone to 3 with seconds.
    pub(super) n_parts: u8,
    /// Digits of the fraction of a second.
    pub(super) n_fraction_digits: usize,
    /// True if digits beyond the microsecond are not zero.
    pub(super) is_finer: bool,
    /// True without colons: `0630`.
    pub(super) is_packed: bool,
}

/// A zone as it was written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Zone {
    /// Minutes ahead of UTC.
    pub(super) minutes: i64,
    /// True for two digits of hours, as ISO 8601 has them.
    pub(super) is_iso: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.0
    }

    /// Reads one character, if it is one of `choices`.
    pub(super) fn eat(&mut self, choices: &[char]) -> Option<char> {
        let found = self.0.chars().next().filter(|found| choices.contains(found))?;
        self.0 = self.0.strip_prefix(found)?;
        Some(found)
    }

    /// Reads white space and counts its characters.
    pub(super) fn spaces(&mut self) -> usize {
        let rest = self.0.trim_start();
        let n_spaces = self.0.chars().count() - rest.chars().count();
        self.0 = rest;
        n_spaces
    }

    /// Reads the digits that come next, at least one.
    pub(super) fn digits(&mut self) -> Option<Digits<'a>> {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
        self.0 = rest;
        Some(Digits(digits))
    }

    /// Reads a number of one or two digits.
    pub(super) fn two_digits(&mut self) -> Option<u8> {
        let mut after = *self;
        let number = after.digits().filter(|digits| digits.len() <= 2)?.number()?;
        *self = after;
        Some(number)
    }

    /// Reads the letters that come next.
    pub(super) fn letters(&mut self) -> &'a str {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(self.0.len());
        let (letters, rest) = self.0.split_at_checked(end).unwrap_or(("", self.0));
        self.0 = rest;
        letters
    }

    /// Reads `12`, `12:30`, `12:30:15`, `12:30:15.25`, `1230` or `123015.25`. Nothing is read if it is none of these.
    pub(super) fn clock(&mut self) -> Option<Clock> {
        let mut scan = *self;
        let first = scan.digits()?;
        let mut clock = match first.len() {
            1 | 2 => scan.clock_with_colons(first.number()?)?,
            4 => Clock { hour: first.part(0, 2)?, minute: first.part(2, 4)?, n_parts: 2, ..Clock::packed() },
            6 => Clock {
                hour: first.part(0, 2)?,
                minute: first.part(2, 4)?,
                second: first.part(4, 6)?,
                n_parts: 3,
                ..Clock::packed()
            },
            _ => return None,
        };
        if clock.n_parts == 3 && scan.eat(&['.']).is_some() {
            clock.set_fraction(scan.digits()?)?;
        }
        *self = scan;
        Some(clock)
    }

    fn clock_with_colons(&mut self, hour: u8) -> Option<Clock> {
        let mut clock = Clock { hour, n_parts: 1, ..Clock::default() };
        if self.eat(&[':']).is_some() {
            clock.minute = self.two_digits()?;
            clock.n_parts = 2;
            if self.eat(&[':']).is_some() {
                clock.second = self.two_digits()?;
                clock.n_parts = 3;
            }
        }
        Some(clock)
    }

    /// Reads `Z`, `UTC`, `+01:00`, `-0130`, `-6` or `+6:30`. Nothing is read if it is none of these.
    pub(super) fn zone(&mut self) -> Option<Zone> {
        let mut scan = *self;
        let name = scan.letters();
        if ["z", "utc", "gmt", "ut"].contains(&name.to_ascii_lowercase().as_str()) {
            *self = scan;
            return Some(Zone { minutes: 0, is_iso: true });
        }
        scan = *self;
        let is_behind = scan.eat(&['+', '-'])? == '-';
        let first = scan.digits()?;
        let (hours, minutes): (u8, u8) = match first.len() {
            1 | 2 if scan.eat(&[':']).is_some() => (first.number()?, scan.two_digits()?),
            1 | 2 => (first.number()?, 0),
            4 => (first.part(0, 2)?, first.part(2, 4)?),
            _ => return None,
        };
        if hours > 24 || minutes > 59 {
            return None;
        }
        *self = scan;
        let minutes = i64::from(hours) * 60 + i64::from(minutes);
        Some(Zone { minutes: if is_behind { -minutes } else { minutes }, is_iso: first.len() != 1 })
    }
}

impl Digits<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The number, unless it is too large for `T`.
    pub(super) fn number<T: std::str::FromStr>(&self) -> Option<T> {
        self.0.parse().ok()
    }

    /// The number that the digits from `start` to before `end` make.
    pub(super) fn part<T: std::str::FromStr>(&self, start: usize, end: usize) -> Option<T> {
        self.0.get(start..end)?.parse().ok()
    }
}

impl Clock {
    fn packed() -> Self {
        Self { is_packed: true, ..Self::default() }
    }

    /// Sets microseconds from the digits after the point; what is finer is cut off.
    fn set_fraction(&mut self, fraction: Digits<'_>) -> Option<()> {
        let kept = fraction.len().min(6);
        let microseconds: u32 = fraction.part(0, kept)?;
        self.microsecond = (kept..6).fold(microseconds, |number, _| number * 10);
        self.n_fraction_digits = fraction.len();
        self.is_finer = fraction.0.bytes().skip(6).any(|digit| digit != b'0');
        Some(())
    }

    pub(super) fn is_midnight(&self) -> bool {
        (self.hour, self.minute, self.second, self.microsecond) == (0, 0, 0, 0)
    }
}
