//! A function as a process: its processor time and its memory, as Linux reports them.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A program to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The working directory.
    pub folder: PathBuf,
    /// Its environment, of which nothing is inherited but `PATH`.
    pub environment: Vec<(String, String)>,
}

/// A request to the launcher.
#[derive(Debug, Serialize, Deserialize)]
pub enum LaunchRequest {
    /// Start a process; the answer is its id.
    Start(Launch),
    /// End one.
    Stop(u32),
}

/// The launcher of the functions, on the core that they are kept on.
#[derive(Debug, Clone)]
pub struct Launcher(Arc<Mutex<Pipes>>);

#[derive(Debug)]
struct Pipes {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A running function.
#[derive(Debug)]
pub struct FunctionProcess {
    id: u32,
    launcher: Launcher,
}

/// Programs that keep cores from sleeping, until this is dropped.
#[derive(Debug)]
pub struct Awake(Vec<Child>);

/// The cores that this process may run on.
pub fn cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("0");
    let range = |part: &str| {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// Takes this process off a core, if there are others.
pub fn leave(core: usize, cores: &[usize]) {
    let others: Vec<String> = cores.iter().filter(|other| **other != core).map(usize::to_string).collect();
    if !others.is_empty() {
        let own = std::process::id().to_string();
        let mut moved = Command::new("taskset");
        moved.args(["--all-tasks", "--cpu-list", "--pid", &others.join(","), &own]);
        let _ = moved.stdout(Stdio::null()).status();
    }
}

impl Launch {
    /// Starts it as a child of this process. Its output is thrown away.
    pub fn spawn(&self) -> io::Result<Child> {
        let (program, arguments) = self.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }
}

impl Launcher {
    /// The launcher beside this program, on a core.
    pub fn start(own: &Path, core: usize) -> io::Result<Self> {
        let program = own.join("launcher");
        let mut pinned = Command::new("taskset");
        pinned.args(["--cpu-list", &core.to_string()]).arg(&program);
        let start = |command: &mut Command| command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = match start(&mut pinned) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                eprintln!("there is no taskset here: functions are not kept on one core");
                start(&mut Command::new(&program))?
            }
            started => started?,
        };
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        Ok(Launcher(Arc::new(Mutex::new(Pipes { child, requests, answers }))))
    }

    /// Starts a function.
    pub fn launch(&self, launch: Launch) -> io::Result<FunctionProcess> {
        let id = self.ask(&LaunchRequest::Start(launch))?;
        Ok(FunctionProcess { id, launcher: self.clone() })
    }

    fn ask(&self, request: &LaunchRequest) -> io::Result<u32> {
        let mut pipes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = pipes.requests.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(requests, "{}", serde_json::to_string(request)?)?;
        requests.flush()?;
        let mut line = String::new();
        pipes.answers.read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::Error::other("the launcher ended"));
        }
        serde_json::from_str::<Result<u32, String>>(&line)?.map_err(io::Error::other)
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.child.wait();
    }
}

impl FunctionProcess {
    /// The processor time of all its threads, user and system, to the nanosecond where Linux keeps it.
    pub fn processor_time(&self) -> Duration {
        let threads = fs::read_dir(self.file("task")).into_iter().flatten().flatten();
        let nanoseconds = |thread: fs::DirEntry| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(threads.filter_map(nanoseconds).sum())
    }

    /// The most memory that it ever held, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(self.file("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
    }

    fn file(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.id.to_string()).join(name)
    }
}

impl Drop for FunctionProcess {
    fn drop(&mut self) {
        let _ = self.launcher.ask(&LaunchRequest::Stop(self.id));
    }
}

impl Awake {
    /// Keeps a number of cores awake; fewer if the machine does not allow it.
    pub fn cores(own: &Path, cores: &[usize]) -> Self {
        let keeper = |core: usize| {
            let mut command = Command::new("chrt");
            command.args(["--idle", "0", "taskset", "--cpu-list", &core.to_string()]).arg(own.join("awake"));
            command.stdin(Stdio::piped()).spawn().ok()
        };
        Awake(cores.iter().copied().filter_map(keeper).collect())
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
