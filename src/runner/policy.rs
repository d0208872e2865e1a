//! How often and when a step is tried again: its policies with their references filled in.

use std::time::Duration;

use crate::plan::{Count, RepeatPolicy, RetryPolicy};
use crate::values::{Policy, RunScope, resolve};

/// A retry policy with its numbers.
pub(super) struct Retry {
    pub(super) limit: u64,
    interval: Duration,
    backoff: f64,
    max_interval: Option<Duration>,
    pub(super) codes: Option<Vec<i32>>,
}

impl Retry {
    pub(super) fn resolve(policy: &RetryPolicy, scope: &RunScope) -> Result<Self, String> {
        let max = policy.max_interval_sec.as_ref();
        Ok(Self {
            limit: number(&policy.limit, "retry_policy.limit", scope)?,
            interval: Duration::from_secs(number(&policy.interval_sec, "retry_policy.interval_sec", scope)?),
            backoff: policy.backoff,
            max_interval: max
                .map(|max| number(max, "retry_policy.max_interval_sec", scope).map(Duration::from_secs))
                .transpose()?,
            codes: policy.exit_codes.clone(),
        })
    }

    /// Before the retry with this number, counted from 0.
    pub(super) fn delay(&self, retry: u64) -> Duration {
        backed_off(self.interval, self.backoff, retry, self.max_interval)
    }
}

/// A repeat policy with its numbers.
pub(super) struct Repeat {
    pub(super) policy: RepeatPolicy,
    pub(super) limit: Option<u64>,
    interval: Duration,
    max_interval: Option<Duration>,
}

impl Repeat {
    pub(super) fn resolve(policy: &RepeatPolicy, scope: &RunScope) -> Result<Self, String> {
        let optional =
            |count: &Option<Count>, field: &str| count.as_ref().map(|count| number(count, field, scope)).transpose();
        Ok(Self {
            limit: optional(&policy.limit, "repeat_policy.limit")?.filter(|&limit| limit > 0),
            interval: Duration::from_secs(number(&policy.interval_sec, "repeat_policy.interval_sec", scope)?),
            max_interval: optional(&policy.max_interval_sec, "repeat_policy.max_interval_sec")?
                .map(Duration::from_secs),
            policy: policy.clone(),
        })
    }

    /// Before the next execution when so many are done; the first gap has the exponent 1 already, as in Dagu.
    pub(super) fn delay(&self, executions: u64) -> Duration {
        backed_off(self.interval, self.policy.backoff, executions, self.max_interval)
    }
}

fn backed_off(interval: Duration, factor: f64, exponent: u64, max: Option<Duration>) -> Duration {
    if interval.is_zero() {
        // Also keeps zero times infinity from being asked.
        return interval;
    }
    let seconds = interval.as_secs_f64() * factor.powf(exponent as f64);
    // Far beyond any run; keeps the conversion from overflowing.
    let delay = Duration::from_secs_f64(seconds.clamp(0.0, 1e9));
    max.map_or(delay, |max| delay.min(max))
}

fn number(count: &Count, field: &str, scope: &RunScope) -> Result<u64, String> {
    match count {
        Count::Number(number) => Ok(*number),
        Count::Text(text) => {
            let resolved = resolve(text, Policy::Host, scope);
            resolved.trim().parse().map_err(|_| format!("{field} must be an integer; `{text}` became `{resolved}`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RepeatMode;
    use crate::values::LayerKind;

    fn seconds(delays: impl Iterator<Item = Duration>) -> Vec<u64> {
        delays.map(|delay| delay.as_secs()).collect()
    }

    #[test]
    fn retries_back_off_up_to_the_limit_of_the_interval() {
        let policy = RetryPolicy {
            limit: Count::Number(5),
            interval_sec: Count::Text("$I".into()),
            exit_codes: None,
            backoff: 2.0,
            max_interval_sec: Some(Count::Number(5)),
        };
        let mut scope = RunScope::default();
        scope.set(LayerKind::Env, "I", "1");
        let retry = Retry::resolve(&policy, &scope).expect("numbers");
        assert_eq!(seconds((0..5).map(|i| retry.delay(i))), [1, 2, 4, 5, 5]);
        let error = Retry::resolve(&policy, &RunScope::default()).err();
        assert_eq!(error.as_deref(), Some("retry_policy.interval_sec must be an integer; `$I` became `$I`"));
    }

    #[test]
    fn the_first_gap_of_a_repeat_is_backed_off_already() {
        let policy = RepeatPolicy {
            mode: RepeatMode::While,
            condition: None,
            exit_codes: Vec::new(),
            interval_sec: Count::Number(1),
            backoff: 3.0,
            max_interval_sec: None,
            limit: Some(Count::Text("4".into())),
        };
        let repeat = Repeat::resolve(&policy, &RunScope::default()).expect("numbers");
        assert_eq!(repeat.limit, Some(4));
        assert_eq!(seconds((1..4).map(|executions| repeat.delay(executions))), [3, 9, 27]);
    }

    #[test]
    fn no_backoff_can_overflow_a_delay() {
        assert_eq!(backed_off(Duration::ZERO, 2.0, 5000, None), Duration::ZERO);
        assert!(backed_off(Duration::from_secs(u64::MAX), 1e300, u64::MAX, None) <= Duration::from_secs(1_000_000_000));
    }
}
