//! What one input may cost: CPU time and memory, both bounded by its size.
//!
//! # Invariants
//!
//! * Only what the calling thread does counts, so that tests may run beside each other.
//!
//! # See also
//!
//! Contract E10 to E14; 1 s and 4 times the size plus 32 MB for a whole message is what
//! `listseal inspect` promises for anything below 1 MB.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// What an input of `size` bytes may cost: `time + size x time_each`, `memory + size x memory_each`.
#[derive(Clone, Copy)]
pub struct Budget {
    pub time: Duration,
    pub time_each: Duration,
    pub memory: usize,
    pub memory_each: usize,
}

impl Budget {
    /// Runs `work` on an input of `size` bytes; `slowness` is how much slower this code runs than
    /// that of a release.
    ///
    /// # Panics
    ///
    /// It took more than the budget.
    pub fn watch(&self, size: usize, slowness: u32, work: impl FnOnce()) {
        let (wall, cpu) = (Instant::now(), on_cpu());
        let before = begin();
        work();
        let memory = peak().saturating_sub(before);
        let wall = wall.elapsed();
        let time = match (cpu, on_cpu()) {
            // The kernel counts in ticks: a short while is better told by the clock.
            (Some(from), Some(to)) => wall.min(to.saturating_sub(from) + TICK),
            _ => wall,
        };
        let count = u32::try_from(size).unwrap();
        let allowed = (self.time + self.time_each * count) * slowness;
        assert!(time <= allowed, "{size} bytes took {time:?} of CPU");
        let allowed = self.memory + self.memory_each * size;
        assert!(
            memory <= allowed,
            "{size} bytes took {memory} bytes of memory"
        );
    }
}

const TICK: Duration = Duration::from_millis(10);

/// How long this thread has run (proc(5), `schedstat`).
fn on_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// The system's allocator, counting what each thread holds.
pub struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Forgets the peak; returns what is held now.
fn begin() -> usize {
    let held = HELD.get();
    PEAK.set(held);
    held
}

fn peak() -> usize {
    PEAK.get()
}

fn more(bytes: usize) {
    // A thread that ends frees after its counters have gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get().wrapping_add(bytes));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

fn less(bytes: usize) {
    // What another thread allocated may be freed here.
    let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(bytes)));
}

#[allow(unsafe_code, reason = "an allocator is written in no other way")]
// SAFETY: every call goes to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        more(size);
        // SAFETY: the caller's promise is passed on.
        let moved = unsafe { System.realloc(place, layout, size) };
        less(layout.size());
        moved
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        less(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }
}
