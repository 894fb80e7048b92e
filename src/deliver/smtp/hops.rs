//! The addresses behind the name of the next hop, and how many transactions each may hold.
//!
//! # Invariants
//!
//! * Where there are several, none holds all of them: one that answers slowly cannot stop the rest
//!   (contract R15).
//! * An address that could not be reached, or did not greet, is left alone for a minute while another
//!   is there, and for some seconds where it is the only one: a dead host costs its time once, not
//!   once for each copy. Connecting is what finds out that it is back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The addresses that are known.
#[derive(Debug)]
pub(super) struct Hops {
    /// Transactions at once, of all addresses.
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What the name stood for last.
    addresses: Vec<SocketAddr>,
    busy: HashMap<SocketAddr, usize>,
    failed: HashMap<SocketAddr, Failure>,
}

/// What went wrong with an address, and when.
#[derive(Debug)]
struct Failure {
    at: Instant,
    problem: String,
}

/// The right to hold one transaction with an address, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    hops: Arc<Hops>,
    pub(super) at: SocketAddr,
}

impl Hops {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            known: Mutex::default(),
        }
    }

    /// Notes what the name stands for now.
    pub(super) fn learn(&self, addresses: Vec<SocketAddr>) {
        let mut known = self.lock();
        known.failed.retain(|one, _| addresses.contains(one));
        known.addresses = addresses;
    }

    /// Returns a seat at the least busy address that has one.
    ///
    /// # Errors
    ///
    /// Why there is none, in one line.
    pub(super) fn any(self: &Arc<Self>, now: Instant) -> Result<Seat, String> {
        let mut known = self.lock();
        let at = known.reachable(now).into_iter();
        let at = at.min_by_key(|one| known.busy(one));
        let at = at.ok_or_else(|| "the name has no address".to_owned())?;
        if let Some(failure) = known.failed.get(&at)
            && now.saturating_duration_since(failure.at) < REST
        {
            return Err(format!("{}, a moment ago", failure.problem));
        }
        let seat = self.take(&mut known, at, now);
        seat.ok_or_else(|| "every address is busy".to_owned())
    }

    /// Returns a seat at this address, if it has one.
    pub(super) fn at(self: &Arc<Self>, at: SocketAddr, now: Instant) -> Option<Seat> {
        self.take(&mut self.lock(), at, now)
    }

    fn take(self: &Arc<Self>, known: &mut Known, at: SocketAddr, now: Instant) -> Option<Seat> {
        let several = known.reachable(now).len() > 1;
        let most = if several {
            self.most.saturating_sub(1)
        } else {
            self.most
        };
        let busy = known.busy.entry(at).or_default();
        if *busy >= most.max(1) {
            return None;
        }
        *busy += 1;
        Some(Seat {
            hops: self.clone(),
            at,
        })
    }

    /// Leaves an address alone for a while, because of this problem.
    pub(super) fn shun(&self, at: SocketAddr, now: Instant, problem: &str) {
        let problem = problem.to_owned();
        let failure = Failure { at: now, problem };
        self.lock().failed.insert(at, failure);
    }

    /// Forgets what was wrong with an address: it is back.
    pub(super) fn trust(&self, at: SocketAddr) {
        self.lock().failed.remove(&at);
    }

    /// True where this address is left alone and another is not.
    pub(super) fn has_another(&self, at: SocketAddr, now: Instant) -> bool {
        let known = self.lock();
        let is_good = |one: &SocketAddr| known.is_good(one, now);
        !is_good(&at) && known.addresses.iter().any(is_good)
    }

    /// How many addresses are worth trying.
    pub(super) fn count(&self) -> usize {
        self.lock().addresses.len()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Addresses that were not found out of reach lately; all of them where that leaves none.
    fn reachable(&self, now: Instant) -> Vec<SocketAddr> {
        let all = self.addresses.iter().copied();
        let good: Vec<SocketAddr> = all.filter(|one| self.is_good(one, now)).collect();
        if good.is_empty() {
            // Whose minute ends first, first.
            let mut all = self.addresses.clone();
            all.sort_by_key(|one| self.failed.get(one).map(|failure| failure.at));
            all.truncate(1);
            return all;
        }
        good
    }

    fn is_good(&self, at: &SocketAddr, now: Instant) -> bool {
        let failure = self.failed.get(at);
        failure.is_none_or(|one| now.saturating_duration_since(one.at) >= SHUNNED)
    }

    fn busy(&self, at: &SocketAddr) -> usize {
        self.busy.get(at).copied().unwrap_or(0)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut known = self.hops.lock();
        if let Some(busy) = known.busy.get_mut(&self.at) {
            *busy = busy.saturating_sub(1);
            if *busy == 0 {
                known.busy.remove(&self.at);
            }
        }
    }
}

/// How long an address is left alone while there is another.
const SHUNNED: Duration = Duration::from_secs(60);
/// And how long in any case: less than the first pause of a copy, so that no retry falls into it.
const REST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(most: usize, ports: &[u16]) -> Arc<Hops> {
        let hops = Arc::new(Hops::new(most));
        hops.learn(ports.iter().map(|port| addr(*port)).collect());
        hops
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn r15_one_of_several_hops_never_holds_all_connections() {
        let now = Instant::now();
        let hops = hops(4, &[1, 2]);
        let held: Vec<Seat> = (0..3).map(|_| hops.at(addr(1), now).unwrap()).collect();
        assert!(hops.at(addr(1), now).is_none());
        assert_eq!(hops.any(now).unwrap().at, addr(2));
        drop(held);
        assert!(hops.at(addr(1), now).is_some(), "seats come back");
    }

    #[test]
    fn single_hop_may_hold_all_and_the_least_busy_comes_first() {
        let now = Instant::now();
        let alone = hops(2, &[1]);
        let held = [alone.any(now).unwrap(), alone.any(now).unwrap()];
        assert!(alone.any(now).is_err() && held.len() == 2);
        let both = hops(4, &[1, 2]);
        let seats: Vec<Seat> = (0..4).map(|_| both.any(now).unwrap()).collect();
        let first = seats.iter().filter(|seat| seat.at == addr(1)).count();
        assert_eq!(first, 2);
        let one = hops(1, &[1, 2]);
        assert!(one.any(now).is_ok(), "one connection is not none");
    }

    #[test]
    fn unreachable_hop_rests_for_a_minute_while_another_takes_all() {
        let now = Instant::now();
        let hops = hops(2, &[1, 2]);
        hops.shun(addr(1), now, "refused");
        let held = [hops.any(now).unwrap(), hops.any(now).unwrap()];
        assert!(held.iter().all(|seat| seat.at == addr(2)));
        assert!(hops.any(now).is_err());
        drop(held);
        hops.shun(addr(2), now + Duration::from_secs(1), "refused");
        assert_eq!(
            hops.any(now + REST).unwrap().at,
            addr(1),
            "somebody has to be tried"
        );
        let later = now + Duration::from_secs(61);
        let held = [hops.any(later).unwrap(), hops.any(later).unwrap()];
        assert_ne!(held[0].at, held[1].at);
    }

    #[test]
    fn dead_host_rests_for_seconds_then_one_try_finds_out_whether_it_is_back() {
        let now = Instant::now();
        let hops = hops(4, &[1]);
        hops.shun(addr(1), now, "refused");
        let soon = now + REST - Duration::from_millis(1);
        assert_eq!(hops.any(soon).unwrap_err(), "refused, a moment ago");
        let later = now + REST;
        let seat = hops.any(later).unwrap();
        hops.shun(seat.at, later, "refused again");
        assert!(hops.any(later + Duration::from_secs(1)).is_err());
        hops.trust(seat.at);
        assert!(hops.any(later + Duration::from_secs(1)).is_ok());
    }
}
