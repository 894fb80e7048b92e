//! Whose message is next: lists take turns, so that no mail waits behind another list's queue.
//!
//! # Trust
//!
//! Anybody can hand in mail that is costly to open, and as much of it as the MTA takes. It costs
//! the list that it was sent to its own time, not that of others (contract G9, E25).
//!
//! # Invariants
//!
//! * One list never has every hand: one is left for what comes to another meanwhile.
//! * The list with the fewest messages at work is next; of several the one whose last turn is
//!   longest ago. Within a list what came first goes first.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::model::{Address, SpoolId};

/// The messages that wait for their turn, and those at work.
#[derive(Debug)]
pub(super) struct Turns {
    /// Lists that have a message here; where the list cannot be told all share one place.
    lists: HashMap<Option<Address>, Line>,
    at_work: HashMap<SpoolId, Option<Address>>,
    /// All of them, waiting or at work.
    known: HashSet<SpoolId>,
    hands: usize,
    turn: u64,
}

/// The messages of one list.
#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<SpoolId>,
    at_work: usize,
    /// When it had its last turn.
    served: u64,
}

impl Turns {
    /// Returns turns for so many messages at work at once.
    pub fn new(hands: usize) -> Self {
        Self {
            lists: HashMap::new(),
            at_work: HashMap::new(),
            known: HashSet::new(),
            hands,
            turn: 0,
        }
    }

    /// Puts a message behind those of its list; nothing for one that waits or is at work.
    pub fn wait(&mut self, list: Option<Address>, id: SpoolId) {
        if self.known.insert(id) {
            self.lists.entry(list).or_default().waiting.push_back(id);
        }
    }

    /// Takes the next message to be worked on.
    pub fn next(&mut self) -> Option<SpoolId> {
        if self.at_work.len() >= self.hands {
            return None;
        }
        let most = self.hands.saturating_sub(1).max(1);
        let ready = |line: &Line| !line.waiting.is_empty() && line.at_work < most;
        let lines = self.lists.iter_mut().filter(|(_, line)| ready(line));
        let (list, line) = lines.min_by_key(|(_, line)| (line.at_work, line.served))?;
        let id = line.waiting.pop_front()?;
        self.turn = self.turn.saturating_add(1);
        line.served = self.turn;
        line.at_work = line.at_work.saturating_add(1);
        self.at_work.insert(id, list.clone());
        Some(id)
    }

    /// Forgets a message that is not at work any more.
    pub fn ended(&mut self, id: SpoolId) {
        let Some(list) = self.at_work.remove(&id) else {
            return;
        };
        self.known.remove(&id);
        if let Some(line) = self.lists.get_mut(&list) {
            line.at_work = line.at_work.saturating_sub(1);
            if line.at_work == 0 && line.waiting.is_empty() {
                self.lists.remove(&list);
            }
        }
    }

    /// True for a message at work.
    pub fn is_at_work(&self, id: SpoolId) -> bool {
        self.at_work.contains_key(&id)
    }

    /// How many wait for their turn.
    pub fn waiting(&self) -> usize {
        self.known.len().saturating_sub(self.at_work.len())
    }

    /// How many of one list wait for their turn.
    pub fn waiting_for(&self, list: &Option<Address>) -> usize {
        self.lists.get(list).map_or(0, |line| line.waiting.len())
    }

    /// All messages here.
    pub fn ids(&self) -> impl Iterator<Item = SpoolId> {
        self.known.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(name: &str) -> Option<Address> {
        Some(Address::parse(&format!("{name}@example.org")).unwrap())
    }

    fn id(n: u64) -> SpoolId {
        SpoolId::new(n, n, [0; 8])
    }

    fn filled(count: u64) -> Turns {
        let mut turns = Turns::new(4);
        for n in 0..count {
            turns.wait(list("full"), id(n));
        }
        turns
    }

    #[test]
    fn e25_single_mail_does_not_wait_behind_ten_thousand_of_another_list() {
        let mut turns = filled(10_000);
        let first: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(first, [id(0), id(1), id(2)], "one hand is left for others");
        turns.wait(list("calm"), id(20_000));
        assert_eq!(turns.next(), Some(id(20_000)));
        assert_eq!(turns.next(), None, "all hands are full");
        turns.ended(id(1));
        assert_eq!(turns.next(), Some(id(3)));
    }

    #[test]
    fn g9_a_list_with_nothing_at_work_goes_before_those_that_have() {
        let mut turns = Turns::new(4);
        for n in 0..40 {
            turns.wait(list(&format!("full{}", n % 4)), id(n));
        }
        let first: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(first.len(), 4);
        turns.wait(list("calm"), id(100));
        turns.ended(first[2]);
        assert_eq!(turns.next(), Some(id(100)));
    }

    #[test]
    fn lists_take_turns_and_each_keeps_its_order() {
        let mut turns = Turns::new(1);
        for n in 0..6 {
            turns.wait(list("abc".get(n % 3..=n % 3).unwrap()), id(n as u64));
        }
        let mut order = Vec::new();
        while let Some(id) = turns.next() {
            order.push(id);
            turns.ended(id);
        }
        let of = |rest: u64| order.iter().filter(move |one| one.micros() % 3 == rest);
        for rest in 0..3 {
            let own: Vec<_> = of(rest).copied().collect();
            assert_eq!(own, [id(rest), id(rest + 3)]);
        }
        let first: HashSet<_> = order[..3].iter().map(|one| one.micros() % 3).collect();
        assert_eq!(first.len(), 3, "each had a turn before any had two");
    }

    #[test]
    fn message_that_is_known_is_not_taken_up_twice() {
        let mut turns = filled(1);
        turns.wait(list("full"), id(0));
        assert_eq!(turns.waiting(), 1);
        assert_eq!(turns.next(), Some(id(0)));
        turns.wait(list("full"), id(0));
        assert_eq!(turns.next(), None);
        assert!(turns.is_at_work(id(0)));
        turns.ended(id(0));
        assert_eq!((turns.waiting(), turns.ids().count()), (0, 0));
        assert!(turns.lists.is_empty(), "nothing is kept of it");
    }
}
