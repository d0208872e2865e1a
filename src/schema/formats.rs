//! Texts with a grammar of their own: durations, schedules, times, quantities.
//!
//! Each function answers whether the text is what the workflow dialect takes; the schema names them as `format`.

use std::str::FromStr;

/// A duration as Go writes it (`1h30m`, `-500ms`, `0`), in nanoseconds. With `days` the unit `d` is known too.
/// Spaces around do not count.
pub fn go_duration(text: &str, days: bool) -> Option<i128> {
    let text = text.trim();
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let whole_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let whole = &rest[..whole_end];
        rest = &rest[whole_end..];
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            fraction = &after[..end];
            rest = &after[end..];
        }
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit_end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let unit: i128 = match &rest[..unit_end] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" if days => 86_400_000_000_000,
            _ => return None,
        };
        rest = &rest[unit_end..];
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(unit)?)?;
        let fraction = &fraction[..fraction.len().min(18)];
        if !fraction.is_empty() {
            total += fraction.parse::<i128>().ok()? * unit / 10_i128.pow(fraction.len() as u32);
        }
        if total > i64::MAX as i128 {
            return None;
        }
    }
    Some(if negative { -total } else { total })
}

/// A whole number written as text: digits with an optional sign, within 64 bits.
pub fn int_text(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// A whole number, or text that is filled in when the step runs: `${…}`, a backtick, or `$NAME` in front.
pub fn int_text_or_reference(text: &str) -> bool {
    int_text(text).is_some() || text.contains("${") || text.contains('`') || starts_with_variable(text)
}

fn starts_with_variable(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('$') && chars.next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
}

/// A point in time with seconds and an offset, as RFC 3339 writes it.
pub fn rfc3339(text: &str) -> bool {
    let shape = text.len() >= 20
        && text.as_bytes()[10] == b'T'
        && text.as_bytes()[4] == b'-'
        && text.as_bytes()[13] == b':'
        && text.as_bytes()[16] == b':';
    if !shape || !text.is_ascii() {
        return false;
    }
    let zone = &text[19..];
    let zone = zone.strip_prefix('.').map_or(zone, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let offset_fits = zone == "Z"
        || zone.strip_prefix(['+', '-']).is_some_and(|zone| {
            zone.len() == 5 && zone.as_bytes()[2] == b':' && two_digits(&zone[..2], 23) && two_digits(&zone[3..], 59)
        });
    offset_fits && jiff::civil::DateTime::from_str(&text[..19]).is_ok()
}

fn two_digits(text: &str, max: u8) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u8>().is_ok_and(|value| value <= max)
}

/// An address with `http` or `https` and a host; references may stand behind the host only.
pub fn http_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return false;
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host_end = if host.starts_with('[') {
        host.find(']').map_or(0, |at| at + 1)
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, port) = host.split_at(host_end);
    !name.is_empty()
        && !authority.contains(['{', '}', '$', ' ', '<', '>', '"', '\\', '^', '`', '|'])
        && port.strip_prefix(':').is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A regular expression that Go's engine compiles. Rust's engine knows the same constructs (no look-around, no
/// back-references) and a few more.
pub fn re2(text: &str) -> bool {
    regex::Regex::new(text).is_ok()
}

/// A Kubernetes quantity that is not negative: `500m`, `1.5Gi`, `1e3`.
pub fn quantity(text: &str) -> bool {
    let body = text.strip_prefix('+').unwrap_or(text);
    let end = body.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(body.len());
    let (number, suffix) = body.split_at(end);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 || number.matches('.').count() > 1 {
        return false;
    }
    match suffix {
        "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" => true,
        _ => suffix.strip_prefix(['e', 'E']).is_some_and(|exponent| int_text(exponent).is_some()),
    }
}

/// What is wrong with a cron expression.
pub type CronFault = String;

/// The parts of a cron expression: minute, hour, day of month, month, day of week.
const PARTS: [(&str, u8, u8, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day of month", 1, 31, &[]),
    ("month", 1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    ("day of week", 0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// Checks a cron expression of five fields with an optional `CRON_TZ=` or `TZ=` in front.
///
/// # Errors
/// Says which field is wrong and what it takes.
pub fn cron(text: &str) -> Result<(), CronFault> {
    let text = text.trim();
    let mut expression = text;
    if let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) {
        let (zone, after) = rest.split_once(' ').unwrap_or((rest, ""));
        if jiff::tz::TimeZone::get(zone).is_err() && !matches!(zone, "" | "UTC" | "Local") {
            return Err(format!("`{zone}` is not a time zone"));
        }
        expression = after.trim();
    }
    if expression.starts_with('@') {
        return Err(format!("`{expression}` is not known; write five fields, such as `0 3 * * *`"));
    }
    let fields: Vec<&str> = expression.split_whitespace().collect();
    if fields.len() != 5 {
        return Err(format!(
            "it needs five fields (minute, hour, day of month, month, day of week), not {}",
            fields.len()
        ));
    }
    for (field, part) in fields.iter().zip(PARTS) {
        for range in field.split(',') {
            cron_range(range, part)?;
        }
    }
    Ok(())
}

fn cron_range(text: &str, (what, low, high, names): (&str, u8, u8, &[&str])) -> Result<(), CronFault> {
    let wrong = || format!("`{text}` is not a {what}, which takes {low}-{high}, lists, ranges and steps");
    let value = |text: &str| -> Option<u8> {
        if let Some(index) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Some(index as u8 + low);
        }
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (text, None),
    };
    let (start, end) = match range {
        "*" | "?" => (low, high),
        _ => match range.split_once('-') {
            Some((start, end)) => (value(start).ok_or_else(wrong)?, value(end).ok_or_else(wrong)?),
            None => {
                let start = value(range).ok_or_else(wrong)?;
                (start, if step.is_some() { high } else { start })
            }
        },
    };
    if start < low || end > high || start > end {
        return Err(wrong());
    }
    match step.map(|step| step.parse::<u32>()) {
        Some(Ok(0)) => Err(format!("`{text}` has a step of 0")),
        Some(Err(_)) => Err(wrong()),
        _ => Ok(()),
    }
}

/// The remark for `*/N` minutes or hours that leave a short gap at the end of the hour or day.
pub fn uneven_step(text: &str) -> Option<String> {
    let text = text.trim();
    let expression =
        if text.starts_with("CRON_TZ=") || text.starts_with("TZ=") { text.split_once(' ')?.1 } else { text };
    let mut fields = expression.split_whitespace();
    for (what, unit, of) in [("minutes", "hour", 60), ("hours", "day", 24)] {
        let Some(step) = fields.next()?.strip_prefix("*/").and_then(|step| step.parse::<u32>().ok()) else { continue };
        let exempt = of == 24 && step == 5;
        if step > 0 && of % step != 0 && !exempt {
            return Some(format!("every {step} {what} does not divide the {unit} evenly, so the last gap is shorter"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_go() {
        assert_eq!(go_duration("1h30m", false), Some(5_400_000_000_000));
        assert_eq!(go_duration(" -1.5s ", false), Some(-1_500_000_000));
        assert_eq!(go_duration("0", false), Some(0));
        assert_eq!(go_duration("1h1d", true), Some(90_000_000_000_000));
        for wrong in ["", "5", "1d", "h", "1x", "1h ", "soon", "."] {
            assert_eq!(go_duration(wrong.trim_end(), false).is_some(), wrong == "1h ", "{wrong}");
        }
    }

    #[test]
    fn cron_takes_five_fields_with_names_and_zones() {
        for right in
            ["0 3 * * *", "*/5 0-6 1,15 jan-mar MON", "0 0 ? * ?", "CRON_TZ=Asia/Tokyo 0 3 * * *", "TZ=UTC 1 2 3 4 5"]
        {
            assert_eq!(cron(right), Ok(()), "{right}");
        }
        for wrong in [
            "0 3 * *",
            "0 0 3 * * *",
            "60 * * * *",
            "0 24 * * *",
            "0 3 * * 7",
            "0 3 L * *",
            "@daily",
            "*/0 * * * *",
            "TZ=No/Where 0 3 * * *",
            "5-1 * * * *",
        ] {
            assert!(cron(wrong).is_err(), "{wrong}");
        }
        assert!(uneven_step("*/7 * * * *").is_some());
        assert_eq!(uneven_step("*/15 */5 * * *"), None);
    }

    #[test]
    fn times_have_seconds_and_an_offset() {
        for right in ["2031-01-02T03:04:05Z", "2031-01-02T03:04:05.5+09:00"] {
            assert!(rfc3339(right), "{right}");
        }
        for wrong in ["2031-01-02", "2031-01-02T03:04:05", "2031-02-30T03:04:00Z", "2031-01-02T03:04:05+9:00"] {
            assert!(!rfc3339(wrong), "{wrong}");
        }
    }

    #[test]
    fn quantities_and_urls() {
        for right in ["500m", "1.5Gi", "1e3", "0"] {
            assert!(quantity(right), "{right}");
        }
        for wrong in ["", "-1", "1Qi", "Gi", "1 Gi"] {
            assert!(!quantity(wrong), "{wrong}");
        }
        assert!(http_url("https://h.example:80/${params.x}"));
        assert!(!http_url("http://${params.h}/x"));
        assert!(!http_url("h.example/x"));
    }
}
