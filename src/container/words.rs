//! Settings that are one word of a few: pull policy, platform, start-up, readiness, restart policy, durations.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::Flaw;
use crate::engine::{Image, RestartPolicy};

/// When to fetch an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullPolicy {
    Always,
    /// Fetch only what is not there.
    #[default]
    Missing,
    Never,
    /// Fetch, and use what is there when that fails.
    Fallback,
}

impl PullPolicy {
    /// Reads `pull_policy`: a word, or a boolean (also as Go's boolean words) for always and never.
    ///
    /// # Errors
    /// `container-pull-policy-invalid`.
    pub fn parse(value: &Value) -> Result<Self, Flaw> {
        match value {
            Value::Null => return Ok(Self::Missing),
            Value::Bool(true) => return Ok(Self::Always),
            Value::Bool(false) => return Ok(Self::Never),
            Value::String(word) => match word.as_str() {
                "always" | "1" | "t" | "T" | "true" | "TRUE" | "True" => return Ok(Self::Always),
                "never" | "0" | "f" | "F" | "false" | "FALSE" | "False" => return Ok(Self::Never),
                "missing" | "" => return Ok(Self::Missing),
                "fallback" => return Ok(Self::Fallback),
                _ => {}
            },
            _ => {}
        }
        let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let message = format!("`{word}` is not a pull policy; expected `always`, `missing`, `never` or `fallback`");
        Err(("container-pull-policy-invalid", message))
    }
}

/// How the container of several commands is kept alive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Startup {
    /// An idle `sh` of ours.
    #[default]
    Keepalive,
    /// What the image starts by itself.
    Entrypoint,
    /// `container.command`.
    Command,
}

impl Startup {
    /// # Errors
    /// `container-startup-invalid`.
    pub fn parse(word: &str) -> Result<Self, Flaw> {
        match word.trim().to_lowercase().as_str() {
            "" | "keepalive" => Ok(Self::Keepalive),
            "entrypoint" => Ok(Self::Entrypoint),
            "command" => Ok(Self::Command),
            _ => Err((
                "container-startup-invalid",
                format!("`{word}` is not a way to start; expected `keepalive`, `entrypoint` or `command`"),
            )),
        }
    }
}

/// When a container counts as ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitFor {
    #[default]
    Running,
    Healthy,
}

impl WaitFor {
    /// # Errors
    /// `container-wait-for-invalid`.
    pub fn parse(word: &str) -> Result<Self, Flaw> {
        match word.trim().to_lowercase().as_str() {
            "" | "running" => Ok(Self::Running),
            "healthy" => Ok(Self::Healthy),
            _ => Err((
                "container-wait-for-invalid",
                format!("`{word}` is nothing to wait for; expected `running` or `healthy`"),
            )),
        }
    }
}

/// Reads `restart_policy`; `None` for an empty word.
///
/// # Errors
/// `container-restart-policy-invalid`, also for `on-failure`, which Dagu refuses.
pub fn restart_policy(word: &str) -> Result<Option<RestartPolicy>, Flaw> {
    match word.trim().to_lowercase().as_str() {
        "" => Ok(None),
        "no" => Ok(Some(RestartPolicy::No)),
        "always" => Ok(Some(RestartPolicy::Always)),
        "unless-stopped" => Ok(Some(RestartPolicy::UnlessStopped)),
        _ => Err((
            "container-restart-policy-invalid",
            format!("`{word}` is not a restart policy; expected `no`, `always` or `unless-stopped`"),
        )),
    }
}

/// A platform, with the names the engines use. A part that was not written matches anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Platform {
    pub os: Option<String>,
    pub arch: Option<String>,
    pub variant: Option<String>,
}

const SYSTEMS: [&str; 14] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
];
const ARCHITECTURES: [&str; 17] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc", "ppc64", "ppc64le",
    "riscv", "riscv64", "s390x", "sparc64", "wasm",
];

impl Platform {
    /// Reads `os`, `arch` or `os/arch[/variant]`.
    ///
    /// # Errors
    /// `container-platform-invalid`.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let word = text.trim().to_lowercase();
        let flaw = || {
            let message =
                format!("`{text}` is not a platform; expected something like `linux/amd64` or `linux/arm/v7`");
            ("container-platform-invalid", message)
        };
        let plain = |part: &&str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        };
        let parts: Vec<&str> = word.split('/').collect();
        if !parts.iter().all(plain) {
            return Err(flaw());
        }
        match parts.as_slice() {
            [os] if SYSTEMS.contains(os) || *os == "macos" => {
                Ok(Self { os: Some(os.replace("macos", "darwin")), ..Self::default() })
            }
            [arch] => {
                let (arch, variant) = architecture(arch, None);
                if !ARCHITECTURES.contains(&arch.as_str()) {
                    return Err(flaw());
                }
                Ok(Self { os: None, arch: Some(arch), variant })
            }
            [os, arch] | [os, arch, _] => {
                let (arch, variant) = architecture(arch, parts.get(2).copied());
                Ok(Self { os: Some(os.replace("macos", "darwin")), arch: Some(arch), variant })
            }
            _ => Err(flaw()),
        }
    }

    /// Whether a local image is of this platform.
    pub fn matches(&self, image: &Image) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            // An image made by hand may not say what it is for.
            found.is_empty() || wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let (arch, variant) = architecture(&image.arch, image.variant.as_deref());
        let wanted_variant = self.arch.is_some() && self.variant != variant && variant.is_some();
        same(&self.os, &image.os) && same(&self.arch, &arch) && !wanted_variant
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<&str> =
            [&self.os, &self.arch, &self.variant].into_iter().flatten().map(String::as_str).collect();
        f.write_str(&parts.join("/"))
    }
}

/// Other names of the same thing: `x86_64`, `aarch64`, `armhf`; `arm64` is `arm64/v8`, `arm` is `arm/v7`.
fn architecture(arch: &str, variant: Option<&str>) -> (String, Option<String>) {
    let (arch, variant) = match (arch, variant) {
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("i386" | "i486" | "i586" | "i686", _) => ("386", None),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", Some("v7")),
        ("armel", _) => ("arm", Some("v6")),
        other => other,
    };
    let variant = match (arch, variant) {
        ("arm64", Some("8" | "v8")) | ("amd64", Some("v1")) => None,
        ("arm", None | Some("" | "7")) => Some("v7"),
        ("arm", Some("5")) => Some("v5"),
        ("arm", Some("6")) => Some("v6"),
        ("arm", Some("8")) => Some("v8"),
        (_, variant) => variant.filter(|variant| !variant.is_empty()),
    };
    (arch.to_owned(), variant.map(str::to_owned))
}

/// Reads a duration as Go writes them: `1m30s`, `500ms`, `-1.5h`, `0`. Nanoseconds, negative ones included.
pub fn go_duration(text: &str) -> Option<i128> {
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
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|length| *length > 0)?;
        let unit = rest[number..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |at| number + at);
        let scale: i128 = match &rest[number..unit] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = rest[..number].split_once('.').unwrap_or((&rest[..number], ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let digits = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
        let fraction = &fraction[..fraction.len().min(18)];
        let power = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        total = total.checked_add(digits(whole)?.checked_mul(scale)?)?;
        total = total.checked_add(digits(fraction)?.checked_mul(scale)? / power)?;
        rest = &rest[unit..];
    }
    let total = if negative { -total } else { total };
    (i128::from(i64::MIN)..=i128::from(i64::MAX)).contains(&total).then_some(total)
}

/// A duration for an engine: `None` for zero and below, which count as unset.
pub fn positive(nanoseconds: i128) -> Option<Duration> {
    u64::try_from(nanoseconds).ok().filter(|time| *time > 0).map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pull_policies_are_words_and_booleans() {
        for (value, policy) in [
            (json!("always"), PullPolicy::Always),
            (json!(true), PullPolicy::Always),
            (json!("T"), PullPolicy::Always),
            (json!("missing"), PullPolicy::Missing),
            (json!(""), PullPolicy::Missing),
            (json!(null), PullPolicy::Missing),
            (json!("never"), PullPolicy::Never),
            (json!("False"), PullPolicy::Never),
            (json!("fallback"), PullPolicy::Fallback),
        ] {
            assert_eq!(PullPolicy::parse(&value), Ok(policy), "{value}");
        }
        for value in [json!("Always"), json!("no"), json!(1), json!(["always"])] {
            assert_eq!(PullPolicy::parse(&value).unwrap_err().0, "container-pull-policy-invalid", "{value}");
        }
    }

    #[test]
    fn start_up_readiness_and_restart_words_ignore_case_and_blanks() {
        assert_eq!(Startup::parse(" Command "), Ok(Startup::Command));
        assert_eq!(WaitFor::parse("HEALTHY"), Ok(WaitFor::Healthy));
        assert_eq!(restart_policy("Unless-Stopped"), Ok(Some(RestartPolicy::UnlessStopped)));
        assert!(Startup::parse("daemon").is_err());
        assert!(WaitFor::parse("ready").is_err());
        assert!(restart_policy("on-failure").is_err());
    }

    #[test]
    fn platforms_have_one_to_three_known_parts() {
        for (text, shown) in [
            ("linux", "linux"),
            ("x86_64", "amd64"),
            ("Linux/AARCH64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
        ] {
            assert_eq!(Platform::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "linux/*", "linux/a/b/c", "vax", "linux/", "${params.P}"] {
            assert_eq!(Platform::parse(text).unwrap_err().0, "container-platform-invalid", "{text}");
        }
    }

    #[test]
    fn an_image_matches_its_platform_under_any_name() {
        let image = |arch: &str, variant: Option<&str>| Image {
            os: "linux".into(),
            arch: arch.into(),
            variant: variant.map(str::to_owned),
            ..Default::default()
        };
        let platform = |text| Platform::parse(text).unwrap();
        assert!(platform("linux/arm64").matches(&image("arm64", Some("v8"))));
        assert!(platform("amd64").matches(&image("amd64", None)));
        assert!(!platform("linux/arm64").matches(&image("amd64", None)));
        assert!(!platform("linux/arm/v6").matches(&image("arm", Some("v7"))));
        assert!(platform("linux").matches(&image("s390x", None)));
        assert!(!platform("windows").matches(&image("amd64", None)));
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("1m30s", 90_000_000_000),
            ("500ms", 500_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1h", 3_600_000_000_000),
            ("-2s", -2_000_000_000),
            ("0", 0),
            ("1µs", 1_000),
        ] {
            assert_eq!(go_duration(text), Some(nanoseconds), "{text}");
        }
        for text in ["", "5", "s", "1 s", "1d", "1.2.3s", ".s", "-", "999999999h"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
