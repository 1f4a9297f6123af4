//! Days of the Gregorian calendar, counted from 1970-01-01. No clock, no time zone.

/// Year, month 1 to 12, day 1 to 31.
pub type CivilDate = (i32, u8, u8);

/// Whether the year has a 29 February.
pub(super) fn is_leap(year: i32) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// Days in a month; 0 for a month that there is not.
pub(super) fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 0,
    }
}

/// The date, if the calendar has it.
pub(super) fn valid(year: i32, month: u8, day: u8) -> Option<CivilDate> {
    let known = (1..=9999).contains(&year) && day >= 1 && day <= days_in_month(year, month);
    known.then_some((year, month, day))
}

/// Days since 1970-01-01. The year is taken to begin in March, so that the leap day is its last;
/// 400 such years have 146,097 days.
pub(super) fn days_from_civil((year, month, day): CivilDate) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date so many days after 1970-01-01; `None` outside the years 1 to 9999.
pub(super) fn civil_from_days(days: i64) -> Option<CivilDate> {
    let shifted = days.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    valid(i32::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
}

/// So many days later (or earlier).
pub(super) fn add_days(date: CivilDate, days: i64) -> Option<CivilDate> {
    civil_from_days(days_from_civil(date).checked_add(days)?)
}

/// So many months later; the 31st becomes the last of a shorter month.
pub(super) fn add_months((year, month, day): CivilDate, months: i64) -> Option<CivilDate> {
    let counted = i64::from(year) * 12 + i64::from(month) - 1;
    let counted = counted.checked_add(months)?;
    let year = i32::try_from(counted.div_euclid(12)).ok()?;
    let month = u8::try_from(counted.rem_euclid(12) + 1).ok()?;
    valid(year, month, day.min(days_in_month(year, month)))
}

/// 0 for Monday to 6 for Sunday. 1970-01-01 was a Thursday.
pub(super) fn weekday(date: CivilDate) -> i64 {
    (days_from_civil(date) + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_days_both_ways() {
        assert_eq!(days_from_civil((1970, 1, 1)), 0);
        assert_eq!(days_from_civil((2000, 3, 1)), 11_017);
        assert_eq!(days_from_civil((2026, 11, 23)), 20_780);
        let mut before = civil_from_days(-300_000).expect("in range");
        for days in -299_999..300_000 {
            let date = civil_from_days(days).expect("in range");
            assert!(date > before, "{before:?} then {date:?}");
            assert_eq!(days_from_civil(date), days);
            before = date;
        }
    }

    #[test]
    fn knows_weekdays_and_month_ends() {
        assert_eq!(weekday((2026, 11, 23)), 0);
        assert_eq!(weekday((2024, 2, 29)), 3);
        assert_eq!(weekday((1969, 7, 20)), 6);
        assert_eq!(add_months((2026, 1, 31), 1), Some((2026, 2, 28)));
        assert_eq!(add_months((2026, 1, 31), -2), Some((2025, 11, 30)));
        assert_eq!(add_days((2024, 2, 28), 2), Some((2024, 3, 1)));
        assert_eq!(valid(2026, 2, 29), None);
        assert_eq!(valid(2026, 13, 1), None);
        assert_eq!(add_days((9999, 12, 31), 1), None);
        assert_eq!(add_days((2026, 1, 1), i64::MAX), None);
    }
}
