//! A harness for cases that are files: prints what the standard harness prints, so that everything
//! that reads test output reads this too.
//!
//! Understands a filter, `--exact`, `--skip`, `--list` and `--test-threads`; ignores the options
//! that only change the looks. Cases run on two threads.

#![allow(clippy::print_stdout, reason = "a harness prints its results")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Instant;

/// A named test; what it panics with or returns as error is its failure.
pub struct Case {
    pub name: String,
    pub run: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// Runs the cases that the command line asks for and returns 101 if one failed.
pub fn main(cases: Vec<Case>) -> ExitCode {
    let wish = Wish::read(std::env::args().skip(1));
    let all = cases.len();
    let chosen: Vec<Case> = cases
        .into_iter()
        .filter(|case| wish.chooses(&case.name))
        .collect();
    if wish.list {
        for case in &chosen {
            println!("{}: test", case.name);
        }
        println!("\n{} tests, 0 benchmarks", chosen.len());
        return ExitCode::SUCCESS;
    }
    let begin = Instant::now();
    let plural = if chosen.len() == 1 { "" } else { "s" };
    println!("\nrunning {} test{plural}", chosen.len());
    let failures = run_all(&chosen, wish.threads);
    if !failures.is_empty() {
        println!("\nfailures:\n");
        for (name, output) in &failures {
            println!("---- {name} stdout ----\n{}\n", output.trim_end());
        }
        println!("\nfailures:");
        for (name, _) in &failures {
            println!("    {name}");
        }
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        chosen.len() - failures.len(),
        failures.len(),
        all - chosen.len(),
        begin.elapsed().as_secs_f64(),
    );
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(101)
    }
}

/// Runs every case and returns the names and outputs of those that failed, by name.
fn run_all(cases: &[Case], threads: usize) -> Vec<(String, String)> {
    // The text of a panic belongs to its case, not to standard error.
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        let text = info.payload_as_str().unwrap_or("panicked");
        PANIC.with_borrow_mut(|slot| *slot = format!("{text}\n(at {place})"));
    }));
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let (say, said) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let say = say.clone();
            let (next, failures) = (&next, &failures);
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let ended = catch_unwind(AssertUnwindSafe(|| (case.run)()))
                        .unwrap_or_else(|_| Err(PANIC.take()));
                    let word = if ended.is_ok() { "ok" } else { "FAILED" };
                    if let Err(output) = ended {
                        failures.lock().unwrap().push((case.name.clone(), output));
                    }
                    say.send(format!("test {} ... {word}", case.name)).unwrap();
                }
            });
        }
        drop(say);
        for line in said {
            println!("{line}");
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    failures
}

thread_local! {
    static PANIC: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

/// What the command line asks for.
struct Wish {
    filters: Vec<String>,
    skips: Vec<String>,
    exact: bool,
    list: bool,
    threads: usize,
}

impl Wish {
    fn read(mut words: impl Iterator<Item = String>) -> Self {
        let mut wish = Self {
            filters: Vec::new(),
            skips: Vec::new(),
            exact: false,
            list: false,
            threads: 2,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--exact" => wish.exact = true,
                "--list" => wish.list = true,
                "--skip" => wish.skips.extend(words.next()),
                "--test-threads" => wish.threads(&words.next().unwrap_or_default()),
                "--color" | "--format" | "--logfile" | "-Z" => drop(words.next()),
                option if option.starts_with('-') => {
                    if let Some(count) = option.strip_prefix("--test-threads=") {
                        wish.threads(count);
                    }
                }
                _ => wish.filters.push(word),
            }
        }
        wish
    }

    fn threads(&mut self, count: &str) {
        self.threads = count.parse().ok().filter(|n| *n > 0).unwrap_or(2);
    }

    fn chooses(&self, name: &str) -> bool {
        let fits = |one: &String| {
            if self.exact {
                name == one
            } else {
                name.contains(one.as_str())
            }
        };
        (self.filters.is_empty() || self.filters.iter().any(fits)) && !self.skips.iter().any(fits)
    }
}
