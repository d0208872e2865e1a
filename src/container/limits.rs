//! `resources.limits`: `cpu` in cores or millicores, `memory` with the usual suffixes.

use super::Flaw;

const CODE: &str = "resources-limit-invalid";

/// What a container of ours may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub nano_cpus: Option<i64>,
    pub memory_bytes: Option<i64>,
}

/// Reads `cpu`: `500m`, `2`, `0.25`. Answers billionths of a core; `None` for an empty text.
///
/// # Errors
/// `resources-limit-invalid`.
pub fn cpu(text: &str) -> Result<Option<i64>, Flaw> {
    let word = text.trim();
    if word.is_empty() {
        return Ok(None);
    }
    let millicores = match word.strip_suffix('m') {
        Some(digits) => whole(digits),
        None => thousandths(word),
    };
    let nano = millicores.filter(|count| *count > 0).and_then(|count| count.checked_mul(1_000_000));
    let flaw = || format!("`{text}` is not an amount of cpu; expected cores such as `2` or `0.5`, or `500m`");
    nano.map(Some).ok_or_else(|| (CODE, flaw()))
}

/// Reads `memory`: `512Mi`, `1g`, `1.5G`, `1000000`. Answers bytes; `None` for an empty text.
///
/// # Errors
/// `resources-limit-invalid`.
pub fn memory(text: &str) -> Result<Option<i64>, Flaw> {
    let word = text.trim().to_lowercase();
    if word.is_empty() {
        return Ok(None);
    }
    let flaw = || (CODE, format!("`{text}` is not an amount of memory; expected something like `512Mi` or `1g`"));
    let number = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (number, suffix) = word.split_at(number);
    let (letter, base) = match suffix.trim() {
        "" | "b" => ("", 1000_f64),
        suffix => match suffix.strip_suffix('b').unwrap_or(suffix) {
            binary if binary.len() == 2 && binary.ends_with('i') => (&binary[..1], 1024_f64),
            decimal => (decimal, 1000_f64),
        },
    };
    let power = match letter {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return Err(flaw()),
    };
    let amount: f64 = number.parse().map_err(|_| flaw())?;
    let bytes = amount * base.powi(power);
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked")]
    if (1.0..9.2e18).contains(&bytes) { Ok(Some(bytes as i64)) } else { Err(flaw()) }
}

fn whole(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) { None } else { digits.parse().ok() }
}

fn thousandths(text: &str) -> Option<i64> {
    let (cores, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > 3 {
        return None;
    }
    let scale = 10_i64.pow(3 - u32::try_from(fraction.len()).ok()?);
    whole(cores)?.checked_mul(1000)?.checked_add(whole(fraction)? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_cores_or_millicores() {
        for (text, nano) in
            [("2", 2_000_000_000), ("0.25", 250_000_000), ("500m", 500_000_000), ("1.005", 1_005_000_000)]
        {
            assert_eq!(cpu(text), Ok(Some(nano)), "{text}");
        }
        assert_eq!(cpu(""), Ok(None));
        for text in ["0", "-1", "0.0001", "1.", "m", "1.5m", "lots", "99999999999999999999"] {
            assert_eq!(cpu(text).unwrap_err().0, CODE, "{text}");
        }
    }

    #[test]
    fn memory_has_decimal_and_binary_suffixes() {
        for (text, bytes) in [
            ("1000", 1000),
            ("10b", 10),
            ("1k", 1000),
            ("1KB", 1000),
            ("512Mi", 536_870_912),
            ("1GiB", 1_073_741_824),
            ("1.5g", 1_500_000_000),
        ] {
            assert_eq!(memory(text), Ok(Some(bytes)), "{text}");
        }
        assert_eq!(memory(" "), Ok(None));
        for text in ["0", "-1g", "1x", "g", "1.2.3g", "1 g g", "100e"] {
            assert_eq!(memory(text).unwrap_err().0, CODE, "{text}");
        }
    }
}
