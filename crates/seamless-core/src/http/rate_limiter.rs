//! An even rate of requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much of a delay may be caught up on: enough for late timers and short pauses, too little for a
/// burst.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Hands out send times that are 1/rate apart. Late wake-ups do not accumulate: each time follows from
/// the one before, not from when that was used.
#[derive(Debug)]
pub struct RateLimiter {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// `rate` requests per second; above 0.
    #[must_use]
    pub fn per_second(rate: f64) -> Self {
        Self {
            interval: Duration::from_secs_f64(1.0 / rate),
            next: Mutex::new(None),
        }
    }

    /// The send time of the next request, at or after `now` less what may be caught up on.
    pub fn reserve(&self, now: Instant) -> Instant {
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(earliest));
        *next = Some(at + self.interval);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays requests that are woken late and returns when each was sent, in milliseconds.
    fn sent(rate: f64, count: u32, late: Duration, pause_at: u32, pause: Duration) -> Vec<f64> {
        let (rate_limiter, start) = (RateLimiter::per_second(rate), Instant::now());
        let mut now = start;
        (0..count)
            .map(|index| {
                if index == pause_at {
                    now += pause;
                }
                now = now.max(rate_limiter.reserve(now) + late);
                (now - start).as_secs_f64() * 1000.0
            })
            .collect()
    }

    #[test]
    fn late_timers_do_not_slow_it_down() {
        let late = Duration::from_millis(1);
        let times = sent(1000.0, 10_001, late, u32::MAX, Duration::ZERO);
        let rate = 10_000.0 / (times[10_000] - times[0]) * 1000.0;
        assert!((rate - 1000.0).abs() < 10.0, "{rate}");
    }

    #[test]
    fn after_a_pause_there_is_no_burst() {
        let times = sent(100.0, 400, Duration::ZERO, 200, Duration::from_secs(10));
        let most = times
            .iter()
            .map(|start| {
                times
                    .iter()
                    .filter(|at| (*start..start + 1000.0).contains(at))
                    .count()
            })
            .max();
        assert!(most <= Some(106), "{most:?} within one second");
    }
}
