//! The contenders: ours, the limit below it, and what users would pick instead.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Launch, Launcher};
use crate::workload::BenchTarget;

/// The work of a contender for a new delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Answers, and that is all.
    Hello,
    /// The least that a receiver can cost, without knowing what was delivered.
    Floor,
    /// Verifies, reads, and keeps it once.
    Keep,
    /// The same, and sends a message to a queue before it answers.
    KeepAndSend,
}

/// A design and a language.
#[derive(Debug)]
pub struct Contender {
    /// Its name in tables and JSON.
    pub name: &'static str,
    /// Its name in documents.
    pub what: &'static str,
    /// Its work.
    pub job: Job,
    /// It makes one invocation for this number of ours: slower ones would take all day.
    pub slowness: usize,
    /// Invocations before anything warm is measured: what compiles as it runs needs more of them.
    pub warm_up: usize,
    kind: DeliveryKind,
}

#[derive(Debug)]
enum DeliveryKind {
    Ours,
    Floor,
    Rust(&'static str),
    Python,
    Node,
}

/// Every contender, in the order of their turns.
pub const CONTENDERS: [Contender; 8] = [
    Contender {
        name: "hookmill",
        what: "hookmill",
        job: Job::Keep,
        slowness: 1,
        warm_up: 50,
        kind: DeliveryKind::Ours,
    },
    Contender {
        name: "floor",
        what: "floor: HMAC, one parse, one signed put by hand",
        job: Job::Floor,
        slowness: 1,
        warm_up: 50,
        kind: DeliveryKind::Floor,
    },
    Contender {
        name: "rust-hello",
        what: "Rust, hello world of lambda_http",
        job: Job::Hello,
        slowness: 1,
        warm_up: 50,
        kind: DeliveryKind::Rust("hello"),
    },
    Contender {
        name: "rust-sample",
        what: "Rust as in the common samples, inline send",
        job: Job::KeepAndSend,
        slowness: 1,
        warm_up: 50,
        kind: DeliveryKind::Rust("sample"),
    },
    Contender {
        name: "python",
        what: "Python, Powertools",
        job: Job::Keep,
        slowness: 6,
        warm_up: 200,
        kind: DeliveryKind::Python,
    },
    Contender {
        name: "python-send",
        what: "Python, Powertools, inline send",
        job: Job::KeepAndSend,
        slowness: 6,
        warm_up: 200,
        kind: DeliveryKind::Python,
    },
    Contender {
        name: "node",
        what: "Node.js, Powertools",
        job: Job::Keep,
        slowness: 6,
        warm_up: 500,
        kind: DeliveryKind::Node,
    },
    Contender {
        name: "node-send",
        what: "Node.js, Powertools, inline send",
        job: Job::KeepAndSend,
        slowness: 6,
        warm_up: 500,
        kind: DeliveryKind::Node,
    },
];

/// The places of the contenders' programs.
#[derive(Debug, Clone)]
pub struct Places {
    /// The release binaries of our functions.
    pub functions: PathBuf,
    /// This package's own binaries, the floor among them.
    pub own: PathBuf,
    /// The folder of the peers' sources.
    pub peers: PathBuf,
    /// The release binaries of the peers in Rust.
    pub rust_peers: PathBuf,
    /// The interpreter with the Python peer's packages.
    pub python: PathBuf,
    /// Their launcher.
    pub launcher: Launcher,
}

/// The contender that is ours.
pub const OURS: &Contender = &CONTENDERS[0];

impl Contender {
    /// Returns true if this machine can run it: everything but Node.js is a requirement anyway.
    pub fn can_run(&self, peers: &Path) -> bool {
        let installed = || peers.join("node/node_modules/.done").exists();
        !matches!(self.kind, DeliveryKind::Node)
            || (installed() && Command::new("node").arg("--version").output().is_ok())
    }

    /// Returns the program to start for a target.
    pub fn launch(&self, places: &Places, target: &BenchTarget, api: SocketAddr, aws: SocketAddr) -> Launch {
        let path = |folder: &Path, name: &str| folder.join(name).to_string_lossy().into_owned();
        let (command, folder) = match &self.kind {
            DeliveryKind::Ours => (vec![path(&places.functions, &target.provider)], places.functions.clone()),
            DeliveryKind::Floor => (vec![path(&places.own, "floor")], places.own.clone()),
            DeliveryKind::Rust(name) => (vec![path(&places.rust_peers, name)], places.rust_peers.clone()),
            DeliveryKind::Python => {
                let python = places.python.to_string_lossy().into_owned();
                let module = ["-m", "awslambdaric", "handler.handle"].map(str::to_owned);
                ([vec![python], module.to_vec()].concat(), places.peers.join("python"))
            }
            DeliveryKind::Node => (["node", "runtime.mjs"].map(str::to_owned).to_vec(), places.peers.join("node")),
        };
        let sends = self.job == Job::KeepAndSend;
        let queue = if sends { format!("http://{aws}/000000000000/work.fifo") } else { String::new() };
        let own = [
            ("LAMBDA_TASK_ROOT", folder.to_string_lossy().into_owned()),
            ("NODE_ENV", "production".to_owned()),
            ("POWERTOOLS_SERVICE_NAME", "bench".to_owned()),
            ("SECRET_ID", "bench".to_owned()),
            ("QUEUE_URL", queue),
            ("PROVIDER", target.provider.clone()),
        ];
        Launch { command, folder, environment: environment(api, aws, own) }
    }
}

/// Returns the environment that Lambda and the template give every function, with a function's own variables.
pub fn environment<const N: usize>(
    api: SocketAddr,
    aws: SocketAddr,
    own: [(&str, String); N],
) -> Vec<(String, String)> {
    let every = [
        ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
        ("AWS_ENDPOINT_URL", format!("http://{aws}")),
        ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
        ("EVENTS_TABLE", "events".to_owned()),
    ];
    every.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)).collect()
}
