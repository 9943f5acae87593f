//! Commands that the tool proposes, with the options that name the stack: a command that is pasted reaches the stack that
//! the text is about, and not the one of the shell's own settings.

use std::borrow::Cow;

use clap::Command;

const PROGRAM: &str = "hookmill ";

/// The options of a command line that name its stack.
#[derive(Debug, Clone, Default)]
pub struct StackOptions {
    options: String,
    /// The names of all commands, by which a command is distinguished from the project's name in a sentence.
    commands: Vec<String>,
}

impl StackOptions {
    /// Takes the options, and the command tree whose commands get them.
    pub fn of(options: &[String], tree: &Command) -> Self {
        let commands = tree.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        StackOptions { options: options.join(" "), commands }
    }

    /// Returns the text with the options in every command of this tool. Commands that have them stay as they are.
    pub fn add_to<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.options.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut parts = text.split(PROGRAM);
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let begins_a_word = !whole.ends_with(|before: char| before.is_alphanumeric() || "-_/.".contains(before));
            whole.push_str(PROGRAM);
            if begins_a_word && self.begins_with_a_command(part) {
                whole.push_str(&self.options);
                whole.push(' ');
            }
            whole.push_str(part);
        }
        Cow::Owned(whole)
    }

    fn begins_with_a_command(&self, text: &str) -> bool {
        let word = text.split(|end: char| !end.is_alphanumeric() && end != '-').next().unwrap_or_default();
        self.commands.iter().any(|command| command == word)
    }
}

/// Returns a value as a shell takes it.
pub fn quoted(value: &str) -> Cow<'_, str> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./:@%+=,".contains(character);
    if !value.is_empty() && value.chars().all(is_plain) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("'{}'", value.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    fn options(line: &str) -> StackOptions {
        let cli = Cli::from_words(line.split(' ').map(OsString::from)).unwrap();
        StackOptions::of(&cli.global.options(), &Cli::command())
    }

    #[test]
    fn the_stacks_options_come_into_every_command() {
        for (line, added) in [
            ("hookmill doctor", ""),
            ("hookmill --stack hookmill --json doctor", ""),
            ("hookmill --local doctor", "--local "),
            ("hookmill --local 4575 doctor", "--local=4575 "),
            ("hookmill doctor --stack shop --local", "--stack shop --local "),
            ("hookmill doctor --region eu-west-1 --profile shop", "--region eu-west-1 --profile shop "),
            ("hookmill doctor --profile o'shop", r"--profile 'o'\''shop' "),
            ("hookmill doctor --endpoint-url http://127.0.0.1:1", "--endpoint-url http://127.0.0.1:1 "),
        ] {
            let options = options(line);
            let text = "See hookmill doctor, then hookmill sources rotate a/b";
            let expected = format!("See hookmill {added}doctor, then hookmill {added}sources rotate a/b");
            assert_eq!(options.add_to(text), expected, "{line}");
            assert_eq!(options.add_to(&expected), expected, "twice: {line}");
            let read = Cli::from_words(
                format!("hookmill {added}doctor").split(' ').filter(|_| !added.contains('\'')).map(OsString::from),
            );
            assert!(read.is_ok() || added.contains('\''), "{line}");
        }
    }

    #[test]
    fn every_command_is_known_and_sentences_are_left_alone() {
        let options = options("hookmill --local doctor");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert_eq!(options.add_to(&format!("hookmill {name}")), format!("hookmill --local {name}"));
        }
        for text in [
            "A later hookmill wrote it: use that version.",
            "hookmill --help shows what there is.",
            "hookmill: no event is kept",
            "Name the hookmill stack. See ./hookmill doctor and a-hookmill doctor",
            "hookmill doctors; hookmill ",
        ] {
            assert_eq!(options.add_to(text), text);
        }
    }
}
