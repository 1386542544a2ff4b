//! Texts of `--help` and the manual page that are longer than a line.

/// One line.
pub(super) const ABOUT: &str = "Tells where memory goes in programs that already run";

/// A paragraph.
pub(super) const LONG_ABOUT: &str = "\
Tells where memory goes in programs that already run.

memtrace attaches to running processes, follows every allocation and free in them, and reports which \
call stacks hold memory and which keep growing. The target is neither restarted nor changed. Reports \
go to standard output, everything else to standard error.";

/// How to call it.
pub(super) const USAGE: &str = "\
memtrace --pid PID... [OPTIONS] [INTERVAL] [COUNT]
       memtrace run [OPTIONS] [--] COMMAND...
       memtrace live --pid PID... [OPTIONS]
       memtrace report FILE [OPTIONS]
       memtrace diff FILE[@N] FILE[@N] [OPTIONS]
       memtrace ctl [--pid TRACER] mark NAME | report | status
       memtrace doctor [--pid PID]
       memtrace completions SHELL
       memtrace man [COMMAND]";

/// Heading: what to trace.
pub(super) const TARGET: &str = "What to trace";
/// Heading: when to report and stop.
pub(super) const TIME: &str = "When to report, when to stop";
/// Heading: what reports hold.
pub(super) const CONTENT: &str = "What a report shows";
/// Heading: trees and tables.
pub(super) const VIEWS: &str = "Which call stacks are shown, and by what";
/// Heading: thresholds.
pub(super) const ALERTS: &str = "When to raise an alert";
/// Heading: pools and arenas.
pub(super) const FUNCTIONS: &str = "Allocation functions of your own";
/// Heading: where reports go.
pub(super) const OUTPUT: &str = "Where and how it is written";
/// Heading: cost.
pub(super) const COST: &str = "What it may cost";
/// Heading: rarely needed.
pub(super) const ADVANCED: &str = "Advanced";

/// Examples, a command and its purpose.
pub(super) const EXAMPLES: [(&str, &str); 8] = [
    ("sudo memtrace --pid 1234", "a report every 10 s; Ctrl-C for the final one"),
    ("sudo memtrace -p 1234 -d 5m -i 0", "one report after five minutes"),
    ("sudo memtrace -p $(pgrep -d, nginx)", "all workers of a server"),
    ("sudo memtrace -p 1234 -z 1MiB --min-age 1m", "large blocks that stay"),
    ("sudo memtrace -p 1234 -f json -o leaks.json", "one JSON object per line"),
    ("sudo memtrace --comm 'php-fpm*' --uid www-data", "what matches when it starts"),
    ("sudo memtrace run -o report.txt -- make", "a command, from beginning to end"),
    ("sudo memtrace doctor --pid 1234", "what will work, what will it cost"),
];

/// Exit codes and their meanings.
pub(super) const EXIT_CODES: [(u8, &str); 4] = [
    (0, "fine; also after Ctrl-C, SIGTERM or SIGHUP, and when all targets have ended"),
    (1, "an error; the line on standard error names the thing and the remedy"),
    (2, "the command line makes no sense"),
    (3, "complete but degraded: overhead budget exceeded, or over 1 % of events lost"),
];

/// Signals and what they do.
pub(super) const SIGNALS: [(&str, &str); 3] = [
    ("SIGINT, SIGTERM, SIGHUP", "final report, detach, exit; a second SIGINT leaves at once"),
    ("SIGUSR1", "a report now"),
    ("SIGUSR2", "a mark: this moment gets a name, `mark 1` and so on"),
];

/// Below `-h`.
pub(super) const AFTER: &str = "\
Examples:
  sudo memtrace --pid 1234                       a report every 10 s; Ctrl-C for the final one
  sudo memtrace -p 1234 -d 5m -i 0               one report after five minutes
  sudo memtrace doctor --pid 1234                what will work, what will it cost

Exit codes: 0 fine, 1 error, 2 usage, 3 complete but degraded.
--help says more, `memtrace man` all of it.";

/// Below `--help`. A test keeps it in step with the tables above, which the manual page uses.
pub(super) const AFTER_LONG: &str = "\
Sizes: 64, 64k, 64KiB, 1.5MiB, 1G (k, M, G, T are powers of 1,024).
Durations: 500ms, 10s, 5m, 2h, 1d; a bare number is seconds.

Signals:
  SIGINT, SIGTERM, SIGHUP   final report, detach, exit; a second SIGINT leaves at once
  SIGUSR1                   a report now
  SIGUSR2                   a mark: this moment gets a name, `mark 1` and so on

Examples:
  sudo memtrace --pid 1234                       a report every 10 s; Ctrl-C for the final one
  sudo memtrace -p 1234 -d 5m -i 0               one report after five minutes
  sudo memtrace -p $(pgrep -d, nginx)            all workers of a server
  sudo memtrace -p 1234 -z 1MiB --min-age 1m     large blocks that stay
  sudo memtrace -p 1234 -f json -o leaks.json    one JSON object per line
  sudo memtrace --comm 'php-fpm*' --uid www-data  what matches when it starts
  sudo memtrace run -o report.txt -- make        a command, from beginning to end
  sudo memtrace doctor --pid 1234                what will work, what will it cost

Exit codes:
  0  fine; also after Ctrl-C, SIGTERM or SIGHUP, and when all targets have ended
  1  an error; the line on standard error names the thing and the remedy
  2  the command line makes no sense
  3  complete but degraded: overhead budget exceeded, or over 1 % of events lost";

/// `memtrace doctor --help`.
pub(super) const DOCTOR: &str = "\
Shows what this machine and a process allow, and what to do about the rest.

Examines the kernel and the privileges that memtrace has; with --pid also the allocators of that \
process, where each of their functions would be probed, and what tracing it would cost. For that its \
calls are counted for one second, which costs it a trap for each; nothing is changed. The exit code \
is 0 whenever the examination itself succeeded.";

/// `memtrace run --help`.
pub(super) const RUN: &str = "\
Starts a command and traces it from its first instruction to its end.

Under sudo the command runs as the user who called sudo, with that user's HOME, USER and LOGNAME and \
without the variables of sudo; else everything is as if the shell had started it: environment, working \
directory, terminal, standard streams. Standard output is the command's alone, so reports go to standard \
error, or to --output; there is one, at the end, unless --interval asks for more. Signals of the terminal \
reach the command, and others that are sent to memtrace are passed on; the command decides whether it \
ends. Its children are traced, too.";

/// Below `memtrace run --help`.
pub(super) const AFTER_RUN: &str = "\
Examples:
  sudo memtrace run ./server --port 80           the report on standard error
  sudo memtrace run -o report.txt -- make -j4    into a file

The exit code is the command's, or 128 and the signal that killed it, whatever the report says. 125: \
memtrace failed; 126: the command cannot be executed; 127: it was not found.";

/// `memtrace live --help`.
pub(super) const LIVE: &str = "\
Shows what is traced on a screen, laid out for 80 columns by 24 lines: processes, their call stacks, the frames of \
those; live memory, peak, growth, rate and resident memory, with what was lost and how far estimates may be off.

Whom to trace and how is said as for memtrace without a command. There is a report every two seconds, unless \
--interval says otherwise, and blocks of every age count (--min-age). Nothing is written unless `w` is pressed, or \
--record given. What resident memory consists of (PICTURE in other reports) is not read.";

/// Below `memtrace live --help`.
pub(super) const AFTER_LIVE: &str = "\
Keys: arrows or j k select; Enter goes into a process, a call stack; Esc goes back; Tab switches to the call stacks of \
all processes; s sorts by the next column; / filters; p pauses; w writes what is shown to a new file, in the form that \
its name asks for; ? helps; q quits.

Examples:
  sudo memtrace live --pid 1234
  sudo memtrace live --comm 'nginx*'
  memtrace live --replay run.mtrace               the reports of a recording; needs no privileges";

/// `memtrace report --help`.
pub(super) const REPORT: &str = "\
Makes reports of a recording that was made with --record.

Without further options it is the last report of the recorded run, as it was then: functions are named by the \
programs and libraries as they are on this machine now, if they are the same. No privileges are needed.";

/// Below `memtrace report --help`.
pub(super) const AFTER_REPORT: &str = "\
Examples:
  memtrace report run.mtrace                      the last report of the run
  memtrace report run.mtrace --info               what is in it, and whether it is whole
  memtrace report run.mtrace -f json --all        every report of the run, an object per line
  memtrace report run.mtrace --at deploy-7        as it was at a mark

The exit code is that of the run: 3 if its figures are degraded.";

/// `memtrace diff --help`.
pub(super) const DIFF: &str = "\
Shows what changed from A to B in the memory that lives, by call stack or by what callers have in common.

A and B are recordings (--record) or JSON reports (--format json), told apart by what is in them, of one run or of \
several. Of a file with several reports FILE@N is the report with the number N, FILE@first and FILE@last are the \
first and the last one; without that it is the last. Call stacks are compared by the names of functions, source \
lines and files. Processes are compared with the same one later; else with one of the same name, in the order in \
which they started; a single process with a single one whatever they are called. No privileges are needed.";

/// Below `memtrace diff --help`.
pub(super) const AFTER_DIFF: &str = "\
Examples:
  memtrace diff run.mtrace@first run.mtrace        what a recorded run gained since its first report
  memtrace diff run.mtrace@deploy-7 run.mtrace@peak
                                                   from a mark to the moment when most was alive
  memtrace diff old.json new.json --by function    reports of --format json --top 0 --min-age 0
  memtrace diff old.json new.json -o diff.html     a page for a browser; or .svg, .csv, .pb.gz, …
                                                   red grows, blue shrinks (as with flamegraph.pl)

The exit code is 0, with or without differences, and 3 if the figures of A or B are degraded.";

/// `memtrace ctl --help`.
pub(super) const CTL: &str = "\
Tells a running memtrace something, through the control socket at which it listens.

A mark is a name for a moment: reports list it, and with --record `memtrace report FILE --at NAME` gives the \
report as it was then. All that the targets did before the command was given counts, as far as their calls had \
returned. It is the same user that asks, or root.";

/// Below `memtrace ctl --help`.
pub(super) const AFTER_CTL: &str = "\
Examples:
  sudo memtrace ctl mark deploy-7                 this moment is called deploy-7
  sudo memtrace ctl --pid 4321 report             a report now, of that tracer
  sudo memtrace ctl status                        what it does

The socket takes one line of JSON and answers with one: {\"request\":\"mark\",\"name\":\"deploy-7\"}, \
{\"request\":\"report\"}, {\"request\":\"status\"}.";

/// Below `memtrace completions --help`.
pub(super) const COMPLETIONS: &str = "\
Install it with, for example:
  memtrace completions bash > /etc/bash_completion.d/memtrace
  memtrace completions zsh > /usr/local/share/zsh/site-functions/_memtrace
  memtrace completions fish > ~/.config/fish/completions/memtrace.fish";

#[cfg(test)]
mod tests {
    use super::{AFTER_LONG, EXAMPLES, EXIT_CODES, SIGNALS};

    #[test]
    fn the_help_holds_every_row_of_the_tables() {
        let examples = EXAMPLES.map(|(command, purpose)| format!("  {command:<45}  {purpose}"));
        let codes = EXIT_CODES.map(|(code, meaning)| format!("  {code}  {meaning}"));
        let signals = SIGNALS.map(|(signal, effect)| format!("  {signal:<24}  {effect}"));
        let lines: Vec<&str> = AFTER_LONG.lines().collect();
        for row in examples.iter().chain(&codes).chain(&signals) {
            assert!(lines.contains(&row.as_str()), "{row:?} is missing");
        }
    }

    #[test]
    fn exit_codes_are_those_that_are_used() {
        let codes = EXIT_CODES.map(|(code, _)| code);
        assert_eq!(codes, crate::cli::exit::Exit::ALL.map(|exit| exit as u8));
    }
}
