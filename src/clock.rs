//! How points in time are written.

/// A date and time in UTC, `2026-11-22 13:37:54`, from seconds since 1970.
pub fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date, after Howard Hinnant's `civil_from_days`.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// The seconds since 1970 of a date, or of a date and a time, in UTC: `2026-11-22`, `2026-11-22 13:37`, `2026-11-22T13:37:54Z`. `None` for anything else,
/// and for days that no calendar has.
pub fn from_utc(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches('Z');
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let [year, month, day] = numbers(date, '-', &[4, 2, 2])?[..] else { return None };
    let time = numbers(time, ':', &[2, 2, 2])?;
    let [hour, minute, second] = [0, 1, 2].map(|place| time.get(place).copied().unwrap_or(0));
    if time.len() < 2 || year < 1970 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Civil date to days, after Howard Hinnant's `days_from_civil`.
    let shifted = year - u64::from(month <= 2);
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day.checked_sub(1)?;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    utc(seconds).starts_with(date).then_some(seconds)
}

/// Numbers with `separator` between them, each of so many digits; the last may be missing.
fn numbers(text: &str, separator: char, digits: &[usize]) -> Option<Vec<u64>> {
    let parts: Vec<&str> = text.split(separator).collect();
    let is_number = |(part, digits): (&&str, &usize)| part.len() == *digits && part.bytes().all(|b| b.is_ascii_digit());
    let are_numbers = parts.len() <= digits.len() && parts.iter().zip(digits).all(is_number);
    are_numbers.then(|| parts.iter().filter_map(|part| part.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::{from_utc, utc};

    #[test]
    fn reads_the_time_that_it_tells() {
        for seconds in (0..4_102_444_800).step_by(86_399 * 7) {
            let told = utc(seconds);
            assert_eq!(from_utc(&told), Some(seconds), "{told}");
        }
        assert_eq!(from_utc("2026-11-22T13:37:54Z"), Some(1_795_354_674));
        assert_eq!(from_utc("2026-11-22 13:37"), Some(1_795_354_620));
        assert_eq!(from_utc("2000-02-29"), Some(951_782_400));
        for bad in [
            "",
            "x",
            "2026",
            "2026-11",
            "2026-2-3",
            "2025-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-01-32",
            "1969-12-31",
            "2026-11-22 24:00",
            "2026-11-22 13",
            "2026-11-22 1:2",
            "+026-11-22",
            "2026-11-22 13:37:60",
        ] {
            assert_eq!(from_utc(bad), None, "{bad}");
        }
    }

    #[test]
    fn tells_the_time() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(utc(1_795_354_674), "2026-11-22 13:37:54");
    }
}
