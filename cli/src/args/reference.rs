//! `docs/reference.md`: the help of every command, so that the page cannot differ from the tool.

use clap::Command;

use super::{HELP_WIDTH_MAX, command};

const INTRODUCTION: &str = "# Reference

The help of every command, written by `UPDATE_REFERENCE=1 cargo test -p hookmill --lib reference`.
The options under *Stack and output* belong to every command and are shown once.";

#[test]
fn the_reference_is_the_help_of_the_tool() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference.md");
    let page = page();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/reference.md differs from the tool's help: UPDATE_REFERENCE=1 rewrites it");
}

fn page() -> String {
    let mut command = command().term_width(HELP_WIDTH_MAX).disable_help_subcommand(true);
    command.build();
    let mut sections = vec![INTRODUCTION.to_owned()];
    describe(command, &mut sections);
    sections.join("\n\n") + "\n"
}

fn describe(command: Command, sections: &mut Vec<String>) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let is_tool = !name.contains(' ');
    // A group without a work of its own is its commands.
    if is_tool || !command.is_subcommand_required_set() {
        let hidden = |arg: clap::Arg| if arg.is_global_set() || arg.get_id() == "help" { arg.hide(true) } else { arg };
        let mut shown = if is_tool { command.clone() } else { command.clone().mut_args(hidden) };
        // The long form describes the values of an option, which is worth its length where they are many.
        let many = |arg: &clap::Arg| arg.get_possible_values().len() > 5;
        let is_long = command.get_arguments().any(many);
        let help = if is_long { shown.render_long_help() } else { shown.render_help() }.to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        sections.push(format!("## {name}\n\n```text\n{}\n```", help.join("\n").trim_end()));
    }
    command.get_subcommands().cloned().for_each(|inner| describe(inner, sections));
}
