//! Every truncation and every flipped byte of small files and stores: an error, or the right answer, in bounded time and memory.
//!
//! ```text
//! damage [--every N] [--masks 1,128,255] [--jobs N] FILE|FOLDER...
//! ```
//! Each object is cut at every length and each of its bytes changed by each mask (of the positions every N-th); then all is opened
//! and all arrays are read. Rules:
//!
//! - no panic, no error that says that firn is wrong, at most `SECONDS` for one answer, and the heap within its bounds
//!   (`src/heap.rs`: 64 MiB for one request, 256 MiB in all);
//! - of something cut: an error, or exactly what the whole says. Nothing is made up for bytes that are not there;
//! - of a changed byte: an error, or an answer. In a folder `checked-…` chunks carry checksums: there the answer must be that of
//!   the undamaged one.
//!
//! Arrays that claim more than `LARGEST` bytes are opened and not read: their size is told before.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::panic)]

use bytes::Bytes;
use firn_formats::{TextEncoding, read_array};
use firn_fuzz::{Tree, at, heap};
use firn_model::array::Values;
use firn_model::dataset::{Node, NodePath};
use firn_model::diagnose::{Category, Diagnose};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longest that one damaged input may take. Each takes some microseconds; the machine may be busy.
const SECONDS: u64 = 10;
/// Larger arrays are not read.
const LARGEST: u64 = 16 << 20;
/// From this many KiB it is told what needed them.
const TOLD_PEAK: usize = 8 << 10;
/// Failures of one input that are told.
const TOLD: usize = 20;

/// The metadata as text, because NaN is not equal to itself; the values are bytes.
type Answer = (String, Vec<(NodePath, Values)>);

/// What is tried.
#[derive(Clone)]
struct Plan {
    every: usize,
    masks: Vec<u8>,
    jobs: usize,
    inputs: Vec<PathBuf>,
}

/// What came of it.
#[derive(Default)]
struct Tally {
    cuts: u64,
    flips: u64,
    errors: u64,
    same: u64,
    other: u64,
    slowest: Duration,
    peak: usize,
    peak_case: String,
    failures: Vec<String>,
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_child = arguments.first().is_some_and(|first| first == "--one");
    if is_child {
        arguments.remove(0);
    }
    let plan = match plan(arguments) {
        Ok(plan) => plan,
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::from(2);
        }
    };
    match plan.inputs.first() {
        Some(input) if is_child => child(input, &plan),
        _ => parent(&plan),
    }
}

fn plan(arguments: Vec<String>) -> Result<Plan, String> {
    let mut plan = Plan { every: 1, masks: vec![1, 0x80, 0xff], jobs: 1, inputs: Vec::new() };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--every" => plan.every = value()?.parse().map_err(|_| "--every needs a number")?,
            "--jobs" => plan.jobs = value()?.parse().map_err(|_| "--jobs needs a number")?,
            "--masks" => {
                let masks = value()?.split(',').map(str::parse).collect::<Result<_, _>>();
                plan.masks = masks.map_err(|_| "--masks needs bytes")?;
            }
            _ => plan.inputs.push(argument.into()),
        }
    }
    if plan.inputs.is_empty() || plan.every == 0 { Err("nothing to damage".to_owned()) } else { Ok(plan) }
}

/// One process for each input: one that dies takes nothing else with it.
fn parent(plan: &Plan) -> ExitCode {
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let out = Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while let Some(input) = plan.inputs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let (good, text) = run(input, plan);
                    failed.fetch_add(usize::from(!good), Ordering::SeqCst);
                    let _held = out.lock();
                    print!("{text}");
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("{} inputs damaged, {failed} misbehaved", plan.inputs.len());
    ExitCode::from(u8::from(failed > 0))
}

fn run(input: &Path, plan: &Plan) -> (bool, String) {
    let masks: Vec<String> = plan.masks.iter().map(u8::to_string).collect();
    let child = std::env::current_exe().and_then(|program| {
        Command::new(program)
            .args(["--one", "--every", &plan.every.to_string(), "--masks", &masks.join(",")])
            .arg(input)
            .stdin(Stdio::null())
            .output()
    });
    match child {
        Ok(run) => {
            let mut text = String::from_utf8_lossy(&run.stdout).into_owned();
            if !run.status.success() {
                text.push_str(&format!(
                    "{}: {}\n{}",
                    input.display(),
                    run.status,
                    String::from_utf8_lossy(&run.stderr)
                ));
            }
            (run.status.success(), text)
        }
        Err(error) => (false, format!("{}: {error}\n", input.display())),
    }
}

/// When the answer that is awaited was asked for, in milliseconds since the start of the process; 0 where none is.
static ASKED: AtomicU64 = AtomicU64::new(0);
static CASE: Mutex<String> = Mutex::new(String::new());

fn child(input: &Path, plan: &Plan) -> ExitCode {
    let started = Instant::now();
    let now = move || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) + 1;
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let asked = ASKED.load(Ordering::SeqCst);
            if asked > 0 && now().saturating_sub(asked) > SECONDS * 1000 {
                let case = CASE.lock().map(|case| case.clone()).unwrap_or_default();
                eprintln!("{case}: no answer within {SECONDS} s");
                std::process::exit(3);
            }
        }
    });
    std::panic::set_hook(Box::new(|_| {}));
    let tree = match Tree::read(input) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("{}: {error}", input.display());
            return ExitCode::from(2);
        }
    };
    let whole = match answer(&tree) {
        Ok(whole) => whole,
        Err(what) => {
            println!("{:60} is refused undamaged: {what}", name(input));
            // What is refused by rule has nothing to compare with; it is damaged all the same.
            (String::new(), Vec::new())
        }
    };
    let mut tally = Tally::default();
    for (key, content) in &tree.objects {
        let is_checked = name(input).contains("checked-") && !is_document(key);
        for position in (0..content.len()).step_by(plan.every) {
            let damaged = content.slice(..position);
            one(&tree, key, damaged, &format!("{key} cut at {position}"), &mut tally, &whole, true, now);
            tally.cuts += 1;
            for mask in &plan.masks {
                let mut damaged = content.to_vec();
                damaged[position] ^= mask;
                let case = format!("{key} byte {position} xor {mask}");
                one(&tree, key, damaged.into(), &case, &mut tally, &whole, is_checked, now);
                tally.flips += 1;
            }
        }
    }
    let Tally { cuts, flips, errors, same, other, slowest, peak, peak_case, failures } = tally;
    let (slowest, peak) = (slowest.as_millis(), peak >> 10);
    println!(
        "{:60} {cuts:6} cuts {flips:6} changes: {errors:6} errors {same:6} same {other:6} other; at most {slowest} ms, {peak} KiB",
        name(input)
    );
    if peak > TOLD_PEAK {
        println!("  {peak} KiB: {peak_case}");
    }
    for failure in failures.iter().take(TOLD) {
        println!("  {failure}");
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}

fn name(input: &Path) -> String {
    let parts: Vec<_> = input.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

fn is_document(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    name.is_empty() || name.starts_with(".z") || name.ends_with(".json")
}

#[allow(clippy::too_many_arguments)]
fn one(
    tree: &Tree,
    key: &str,
    damaged: Bytes,
    case: &str,
    tally: &mut Tally,
    whole: &Answer,
    must_be_same: bool,
    now: impl Fn() -> u64,
) {
    let mut tree = tree.clone();
    tree.objects.insert(key.to_owned(), damaged);
    if let Ok(mut current) = CASE.lock() {
        case.clone_into(&mut current);
    }
    let before = heap::restart_peak();
    let begun = Instant::now();
    ASKED.store(now(), Ordering::SeqCst);
    let outcome = catch_unwind(AssertUnwindSafe(|| answer(&tree)));
    ASKED.store(0, Ordering::SeqCst);
    tally.slowest = tally.slowest.max(begun.elapsed());
    let peak = heap::peak().saturating_sub(before);
    if peak > tally.peak {
        tally.peak = peak;
        case.clone_into(&mut tally.peak_case);
    }
    match outcome {
        Err(panic) => {
            let what = panic.downcast_ref::<String>().map(String::as_str);
            let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            tally.failures.push(format!("{case}: panic: {what}"));
        }
        Ok(Err(what)) if what.starts_with("bug") => tally.failures.push(format!("{case}: {what}")),
        Ok(Err(_)) => tally.errors += 1,
        Ok(Ok(found)) if found == *whole => tally.same += 1,
        Ok(Ok(found)) if must_be_same => {
            let at = found.0.bytes().zip(whole.0.bytes()).take_while(|(a, b)| a == b).count();
            let shown = |text: &str| text.chars().skip(at.saturating_sub(20)).take(80).collect::<String>();
            let what = match found.0 == whole.0 {
                true => "other values".to_owned(),
                false => format!("{} where the undamaged one has {}", shown(&found.0), shown(&whole.0)),
            };
            tally.failures.push(format!("{case}: {what}"));
        }
        Ok(Ok(_)) => tally.other += 1,
    }
}

fn answer(tree: &Tree) -> Result<Answer, String> {
    let told = |error: &firn_formats::FormatError| match error.category() {
        Category::Bug => format!("bug: {error}"),
        _ => format!("{}: {error}", error.code()),
    };
    let dataset = firn_formats::open(tree, &at()).map_err(|error| told(&error))?;
    let mut contents = Vec::new();
    for (path, array) in dataset.arrays().filter(|(_, array)| array.metadata.decoded_bytes() <= LARGEST) {
        let at = at().node(path.as_str());
        let values = read_array(tree, array, TextEncoding::Latin1, &at).map_err(|error| told(&error))?;
        contents.push((path.clone(), values));
    }
    // Without what belongs to the file and not to the answer: its size, and notes that an end is missing that nobody needs.
    let mut text = String::new();
    for (path, node) in &dataset.nodes {
        match node {
            Node::Array(array) => text.push_str(&format!("{path} {:?}\n", array.metadata)),
            other => text.push_str(&format!("{path} {other:?}\n")),
        }
    }
    Ok((text, contents))
}
