//! So many requests in so much time of each client's address.
//! Knows nothing of connections: those have a bound of their own.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use arrayvec::ArrayString;

use crate::api::{Error, Fields, Hook, Next, Request, WorkerInfo};
use crate::clock::{Clock, Moment};
use crate::limits::{RATE_ADDRESSES_MAX, RATE_SWEEP_NANOS};
use crate::settings::Origin;
use crate::wire::status::Status;

/// Answers 429 with `Retry-After` to an address that asks more often: a token bucket, full at
/// first, that fills evenly. Each answer says in `RateLimit` how many requests are left and after
/// how many seconds there is one more, and `RateLimit-Policy` what the bound is
/// (draft-ietf-httpapi-ratelimit-headers).
///
/// Workers share nothing, so each has its part of the bound, at least one request: a client on a
/// single connection has that of one worker. A client is its [`Request::client_address`]; of
/// IPv6, the /64 it lies in. A worker remembers 16,384 of them; while so many are above
/// their rate, all others have one bucket in common.
#[derive(Debug)]
pub struct RateLimit {
    clock: Clock,
    buckets: Buckets,
    name: String,
    policy: String,
}

impl RateLimit {
    /// `requests` of each address in `time`, all workers together.
    pub fn new(worker: &WorkerInfo, requests: u32, time: Duration) -> RateLimit {
        let workers = u32::try_from(worker.workers()).unwrap_or(u32::MAX);
        let share = requests.div_ceil(workers).max(1);
        let seconds = time.as_secs_f64().ceil();
        RateLimit {
            clock: Clock::new(),
            buckets: Buckets::new(share, time),
            name: format!("rate_limit({requests} in {time:?})"),
            policy: format!("\"default\";q={share};w={seconds}"),
        }
    }
}

impl Hook for RateLimit {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn before(&mut self, request: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error> {
        let bucket = self.buckets.take(request.client_address(), self.clock.now());
        let mut text = ArrayString::<64>::new();
        let seconds = bucket.next.as_secs_f64().ceil();
        // Either number has at most 20 digits.
        write!(text, "\"default\";r={};t={seconds}", bucket.left)?;
        fields.set("RateLimit-Policy", &self.policy);
        fields.set("RateLimit", text.as_str());
        if bucket.goes_on {
            return Ok(Next::Go);
        }
        let error = Error::new(Status::TOO_MANY_REQUESTS, "too many requests from this address");
        Err(error.with_header("Retry-After", seconds.max(1.0).to_string()))
    }
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    goes_on: bool,
    /// Requests that may follow at once.
    left: u64,
    /// Until there is one more.
    next: Duration,
}

/// The buckets of one worker. Each is kept as the moment at which it will be full again: one
/// that is full is the same as none.
#[derive(Debug)]
struct Buckets {
    /// In nanoseconds: from one request to the next at the rate.
    interval: u64,
    size: u64,
    /// `None` is all those for whom there is no room.
    full_at: HashMap<Option<Origin>, u64>,
    /// When buckets that are full were last dropped to make room.
    swept_at: u64,
}

impl Buckets {
    fn new(size: u32, time: Duration) -> Buckets {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // So that a full bucket is always a moment that can be told.
        let interval = (nanos / u64::from(size)).clamp(1, u64::MAX / 4 / u64::from(size));
        Buckets { interval, size: size.into(), full_at: HashMap::new(), swept_at: 0 }
    }

    fn take(&mut self, address: IpAddr, now: Moment) -> Taken {
        let now = now.as_nanos();
        let origin = Some(Origin::from(address));
        let origin = if self.has_room_for(origin, now) { origin } else { None };
        let full_at = self.full_at.entry(origin).or_insert(now);
        let missing = full_at.saturating_sub(now);
        let most = self.size * self.interval;
        let goes_on = missing + self.interval <= most;
        if goes_on {
            *full_at = now + missing + self.interval;
        }
        let missing = full_at.saturating_sub(now);
        let left = (most - missing) / self.interval;
        let next = if missing == 0 { 0 } else { self.interval - (most - missing) % self.interval };
        Taken { goes_on, left, next: Duration::from_nanos(next) }
    }

    /// Whether this address has a bucket, or may have one of its own.
    fn has_room_for(&mut self, origin: Option<Origin>, now: u64) -> bool {
        if self.full_at.len() < RATE_ADDRESSES_MAX || self.full_at.contains_key(&origin) {
            return true;
        }
        if now >= self.swept_at.saturating_add(RATE_SWEEP_NANOS) {
            self.swept_at = now;
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        self.full_at.len() < RATE_ADDRESSES_MAX
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn a_bucket_is_full_at_first_and_fills_evenly() {
        let mut buckets = Buckets::new(2, Duration::from_secs(2));
        let mut take = |nanos| buckets.take(address(1), at(nanos));
        let seconds = Duration::from_secs;
        assert_eq!(take(0), Taken { goes_on: true, left: 1, next: seconds(1) });
        assert_eq!(take(0), Taken { goes_on: true, left: 0, next: seconds(1) });
        assert_eq!(take(0), Taken { goes_on: false, left: 0, next: seconds(1) });
        let half = Duration::from_millis(500);
        assert_eq!(take(SECOND / 2), Taken { goes_on: false, left: 0, next: half });
        assert!(take(SECOND).goes_on && !take(SECOND).goes_on);
        assert_eq!(take(100 * SECOND).left, 1, "it is not fuller than full");
    }

    #[test]
    fn a_customer_of_ipv6_is_one_address_and_another_is_not() {
        let mut buckets = Buckets::new(1, Duration::from_secs(1));
        let mut take = |text: &str| buckets.take(text.parse().unwrap(), at(0)).goes_on;
        assert!(take("2001:db8::1") && !take("2001:db8::2") && take("2001:db8:0:1::1"));
        assert!(take("192.0.2.1") && !take("::ffff:192.0.2.1") && take("192.0.2.2"));
    }

    #[test]
    fn the_table_is_bounded_and_those_beyond_it_share_a_bucket() {
        let mut buckets = Buckets::new(1, Duration::from_secs(1));
        let most = u32::try_from(RATE_ADDRESSES_MAX).unwrap();
        assert!((0..most).all(|number| buckets.take(address(number), at(1)).goes_on));
        assert!(buckets.take(address(most), at(2)).goes_on, "the first of the others");
        assert!(!buckets.take(address(most + 1), at(2)).goes_on);
        assert!(buckets.full_at.len() <= RATE_ADDRESSES_MAX + 1);
        assert!(buckets.take(address(most + 1), at(2 * SECOND)).goes_on, "room was made");
        assert_eq!(buckets.full_at.len(), 1);
    }

    proptest! {
        #[test]
        fn never_more_than_the_bucket_and_what_flowed_in(
            size in 1_u32..20,
            steps in proptest::collection::vec(0_u64..SECOND, 1..200),
        ) {
            let mut buckets = Buckets::new(size, Duration::from_secs(1));
            let (mut now, mut taken) = (0, 0);
            for step in steps {
                now += step / 10;
                taken += u64::from(buckets.take(address(7), at(now)).goes_on);
                let flowed = now / (SECOND / u64::from(size));
                prop_assert!(taken <= u64::from(size) + flowed);
            }
        }
    }
}
