// SPDX-License-Identifier: Apache-2.0
//! What the tests share: a base directory, stores in it, and a producer in C++.
#![allow(dead_code)] // each test program uses some of it

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use strata::*;

/// How long a test waits for what must happen; nothing depends on how quick it is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A base directory in shared memory, which goes with it.
pub struct Base(PathBuf);

impl Base {
    pub fn new() -> Base {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed); // unique, in no order
        let path =
            PathBuf::from(format!("/dev/shm/strata-test.rust.{}.{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Base(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
    pub fn produce(&self) -> Producer {
        self.open(OpenMode::OpenOrCreate).unwrap()
    }
    pub fn open(&self, mode: OpenMode) -> Result<Producer, Error> {
        Producer::open(
            "store",
            &ProducerOptions {
                base_path: Some(self.0.clone()),
                mode,
                memory_limit: 64 << 20,
                region_max_bytes: 64 << 20,
                ..Default::default()
            },
        )
    }
    pub fn attach(&self) -> Consumer {
        Consumer::attach("store", &self.options()).unwrap()
    }
    pub fn options(&self) -> ConsumerOptions {
        ConsumerOptions {
            base_path: Some(self.0.clone()),
            wait_for_store: PATIENCE,
            ..Default::default()
        }
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Crystallizes what `change` puts into a batch.
pub fn publish(producer: &Producer, change: impl FnOnce(&mut Batch)) -> u64 {
    let mut batch = producer.batch().unwrap();
    change(&mut batch);
    batch.crystallize().unwrap()
}

pub fn plain() -> LayerOptions<'static> {
    LayerOptions::default()
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Quote {
    pub price: f64,
    pub size: u64,
}
// Safe: repr(C), no padding, and any bytes are a Quote.
unsafe impl Shared for Quote {
    const NAME: &'static str = "Quote";
}

/// A C++ program that crystallizes a generation for every line that it reads.
pub struct LiveProducer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl LiveProducer {
    /// None where the environment does not name the program.
    pub fn start(base: &Base) -> Option<LiveProducer> {
        let program = std::env::var_os("STRATA_TEST_PRODUCER").or_else(|| {
            eprintln!("left out: STRATA_TEST_PRODUCER does not name languages_producer");
            None
        })?;
        let mut child = Command::new(program)
            .arg("store")
            .arg(base.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Some(LiveProducer { child, input, output })
    }
    /// What it says of the generation that it has crystallized.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }
    /// Has it crystallize another one.
    pub fn next(&mut self) -> String {
        self.input.write_all(b"\n").unwrap();
        self.line()
    }
    pub fn pid(&self) -> i64 {
        self.child.id().into()
    }
}

impl Drop for LiveProducer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
