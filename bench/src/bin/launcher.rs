//! Starts function processes for the driver, which is too large to be copied for each: one request a line on standard
//! input, one answer a line on standard output. What it started ends with it.

#![expect(clippy::expect_used, reason = "a tool for measuring stops at the first surprise")]

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::process::Child;

use bench::process::LaunchRequest;

fn main() {
    let mut children: BTreeMap<u32, Child> = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let request = serde_json::from_str(&line.expect("a line")).expect("a request");
        let answer = match request {
            LaunchRequest::Start(launch) => match launch.spawn() {
                Ok(child) => {
                    let id = child.id();
                    children.insert(id, child);
                    Ok(id)
                }
                Err(error) => Err(format!("{}: {error}", launch.command.join(" "))),
            },
            LaunchRequest::Stop(id) => {
                children.remove(&id).into_iter().for_each(end);
                Ok(id)
            }
        };
        let mut output = std::io::stdout().lock();
        writeln!(output, "{}", serde_json::to_string(&answer).expect("JSON")).expect("the driver reads");
        output.flush().expect("the driver reads");
    }
    children.into_values().for_each(end);
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}
