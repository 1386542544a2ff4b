//! Completion scripts and the manual page, made from the same description as `--help`.

use super::args::Cli;
use super::help::{EXAMPLES, EXIT_CODES, SIGNALS, USAGE};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io;

/// The completion script for a shell.
pub(super) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "memtrace", &mut script);
    script
}

/// The manual page, in roff.
///
/// # Errors
/// None in practice: it is written into memory.
pub(super) fn manual() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(Cli::command()).manual("User Commands");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis().to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for section in [commands(), values(), signals(), exit_codes(), examples(), notes()] {
        section.to_writer(&mut page)?;
    }
    Ok(page)
}

/// The manual page of a command, in roff; `None`: there is no such command.
///
/// # Errors
/// None in practice: it is written into memory.
pub(super) fn manual_of(name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut all = Cli::command();
    // Gives commands their full names.
    all.build();
    let Some(command) = documented(&all).find(|command| command.get_name() == name) else {
        return Ok(None);
    };
    let mut page = Vec::new();
    let man = Man::new(command.clone()).manual("User Commands");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut roff = section("SYNOPSIS");
    let usage = command.clone().render_usage().to_string();
    for line in usage.trim_start_matches("Usage:").lines() {
        roff.text([bold(line.trim())]).control("br", []);
    }
    roff.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_extra_section(&mut page)?;
    let mut roff = section("SEE ALSO");
    roff.text([roman("memtrace(1)")]);
    roff.to_writer(&mut page)?;
    Ok(Some(page))
}

/// Names of the commands that have pages, a line each.
pub(super) fn names() -> Vec<u8> {
    let all = Cli::command();
    documented(&all).flat_map(|command| [command.get_name(), "\n"]).collect::<String>().into_bytes()
}

fn documented(all: &Command) -> impl Iterator<Item = &Command> {
    all.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set())
}

fn section(title: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    roff
}

fn table<const N: usize>(title: &str, rows: [(String, &str); N]) -> Roff {
    let mut roff = section(title);
    for (term, meaning) in rows {
        roff.control("TP", []).text([bold(term)]).text([roman(meaning)]);
    }
    roff
}

/// Clap's own would list every option.
fn synopsis() -> Roff {
    let mut roff = section("SYNOPSIS");
    for line in USAGE.lines() {
        roff.text([bold(line.trim())]).control("br", []);
    }
    roff
}

fn commands() -> Roff {
    let mut roff = section("COMMANDS");
    let mut command = Cli::command();
    command.build();
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        roff.control("TP", []).text([bold(format!("memtrace {}", sub.get_name()))]);
        let about = sub.get_long_about().or_else(|| sub.get_about()).cloned().unwrap_or_default();
        roff.text([roman(about.to_string().replace("\n\n", " "))]);
        for option in sub.get_arguments().filter(|option| option.get_id() != "help") {
            let help = option.get_help().cloned().unwrap_or_default();
            roff.control("RS", []).control("TP", []);
            roff.text([bold(option.to_string())]).text([roman(help.to_string())]);
            roff.control("RE", []);
        }
    }
    roff
}

fn values() -> Roff {
    let mut roff = section("VALUES");
    roff.text([roman(
        "Sizes are numbers with an optional unit: 64, 64k, 64KiB, 1.5MiB, 1G. The units k, M, G and \
         T are powers of 1,024. Durations are numbers with the unit ms, s, m, h or d: 500ms, 10s, \
         5m, 2h, 1d. A bare number is seconds.",
    )]);
    roff
}

fn signals() -> Roff {
    table("SIGNALS", SIGNALS.map(|(signal, effect)| (signal.to_owned(), effect)))
}

fn exit_codes() -> Roff {
    table("EXIT STATUS", EXIT_CODES.map(|(code, meaning)| (code.to_string(), meaning)))
}

fn examples() -> Roff {
    table("EXAMPLES", EXAMPLES.map(|(command, purpose)| (command.to_owned(), purpose)))
}

fn notes() -> Roff {
    let mut roff = section("NOTES");
    roff.text([roman(super::doctor::AFTERMATH)]);
    roff
}
