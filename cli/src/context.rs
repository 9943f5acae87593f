//! The surroundings of a command: the options that every command has, the stack, and where results go.

use std::ops::Deref;

use aws_config::SdkConfig;
use clap::Args;
use edge::aws::clock::Clock;
use stack::deployment::Deployment;
use stack::{Access, Stack};

use crate::terminal::error::Error;
use crate::terminal::hint::quoted;
use crate::terminal::output::Output;

/// The options that every command has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Stack and output")]
pub struct Global {
    /// The CloudFormation stack's name
    #[arg(long, global = true, value_name = "NAME", default_value = Global::STACK)]
    pub stack: String,
    /// The AWS region, if not that of your AWS settings
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// The profile in your AWS settings
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Another endpoint for every AWS service
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The local stack on this machine, on port 4566 or another one
    #[arg(
        long, global = true, value_name = "PORT", num_args = 0..=1, require_equals = true,
        default_missing_value = "4566", conflicts_with_all = ["profile", "endpoint_url"],
    )]
    pub local: Option<u16>,
    /// One JSON document a line instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    /// The stack's name if none is given.
    pub const STACK: &str = "hookmill";
    /// The port of `--local` if none is given.
    const PORT: u16 = 4566;

    /// Returns the given options that name the stack, if they differ from the defaults.
    pub fn options(&self) -> Vec<String> {
        let mut options: Vec<String> = Vec::new();
        let mut add = |name: &str, value: &str| options.push(format!("{name} {}", quoted(value)));
        if self.stack != Global::STACK {
            add("--stack", &self.stack);
        }
        self.region.iter().for_each(|region| add("--region", region));
        self.profile.iter().for_each(|profile| add("--profile", profile));
        self.endpoint_url.iter().for_each(|url| add("--endpoint-url", url));
        match self.local {
            Some(Global::PORT) => options.push("--local".to_owned()),
            Some(port) => options.push(format!("--local={port}")),
            None => {}
        }
        options
    }
}

/// The surroundings of a command. What can be asked of the stack is asked of it directly.
#[derive(Debug)]
pub struct Context {
    /// The output of results and notes.
    pub output: Output,
    pub stack: Stack,
}

impl Context {
    /// Connects to the stack that the command line names.
    pub async fn connect(global: &Global, output: Output) -> Result<Self, Error> {
        let access = Access {
            stack: global.stack.clone(),
            region: global.region.clone(),
            profile: global.profile.clone(),
            endpoint_url: global.endpoint_url.clone(),
            local: global.local,
        };
        Ok(Context { output, stack: Stack::connect(&access).await? })
    }

    /// Returns surroundings of given parts, for tests.
    pub fn of(sdk: SdkConfig, deployment: Deployment, output: Output, clock: Clock) -> Self {
        Context { output, stack: Stack::of(sdk, deployment, clock) }
    }
}

impl Deref for Context {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}
